"""A document as Markdown: headings, tables and listings; pictures are left out.

What Markdown or HTML would read as markup is escaped in all texts. A listing is indented, so that nothing in it can end it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from reflectgen.evaluate.pages.document import Block, Document, Heading, Listing, Notes, Paragraph, Picture, Table
from reflectgen.evaluate.pages.untrusted import on_a_line, visible

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKUP = re.compile(r"[\\`*~|$]|(?<![^\W_])_|_(?![^\W_])|(?<=\])[(:\[]")
"""Marks of code, stress, cells, formulas and links; an underscore within a word, and brackets that link nothing, are plain."""


def markdown(document: Document) -> str:
    """The whole file, under a comment that says what makes it."""
    blocks = [f"<!-- Made by: {_comment(document.command)} -->", f"# {_text(document.title)}", *map(_block, document.blocks)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {_text(block.text)}"
        case Paragraph():
            return _text(block.text)
        case Notes():
            return "\n".join(f"- {_text(sentence)}" for sentence in block.sentences)
        case Listing():
            return "\n".join(f"    {line}" for line in visible(block.text).split("\n"))
        case Picture():
            return ""
        case Table():
            return _table(block)


def _table(table: Table) -> str:
    rule = ["---" if index < table.names else "---:" for index in range(len(table.header))]
    header, *rows = ([_text(cell) for cell in row] for row in (table.header, *table.rows))
    return "\n".join(map(_row, [header, rule, *rows]))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(text: str) -> str:
    """On one line, with nothing in it that is markup; an address is no link."""
    marked = _MARKUP.sub(lambda found: f"\\{found[0]}", on_a_line(text))
    return re.sub("[&<>]", lambda found: _ENTITIES[found[0]], marked).replace("://", "&#58;//")


def _comment(text: str) -> str:
    """A text that cannot end the comment it stands in."""
    return re.sub("[<>]", "?", on_a_line(text))
