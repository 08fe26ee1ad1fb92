"""A document as one HTML file that needs no other: its style within, light and dark, and no script.

A policy within the page forbids scripts and all that would be fetched, whatever a text may have smuggled past the escaping.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from reflectgen.evaluate.pages.document import Block, Document, Heading, Listing, Notes, Paragraph, Picture, Table
from reflectgen.evaluate.pages.untrusted import on_a_line, visible

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --page: #ffffff; --faint: #6b7076; --line: #d9dce0; --band: #f5f6f7; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e5e8; --page: #16181b; --faint: #9aa0a6; --line: #3a3e44; --band: #1e2125; }
}
body { max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: var(--ink); background: var(--page);
  font: 16px/1.5 system-ui, sans-serif; }
h1, h2, h3, h4 { line-height: 1.25; margin: 2.2rem 0 .6rem; }
h2 { border-top: 1px solid var(--line); padding-top: 1.4rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th.name, td.name { text-align: left; }
td.name { max-width: 44rem; white-space: normal; overflow-wrap: break-word; }
tbody tr:nth-child(even) { background: var(--band); }
pre { padding: .8rem; background: var(--band); overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
ul.notes { color: var(--faint); }
figure { margin: 1.2rem 0; }
figcaption, footer { color: var(--faint); font-size: .9rem; }
svg { max-width: 100%; height: auto; }
svg text { fill: currentColor; font-family: inherit !important; }
"""


def html(document: Document) -> str:
    """The whole file."""
    title = _text(document.title)
    body = "\n".join(map(_block, document.blocks))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{title}</h1>
{body}
<footer>Made by <code>{_text(document.command)}</code></footer>
</body>
</html>
"""


def _block(block: Block) -> str:
    match block:
        case Heading():
            return f"<h{block.level}>{_text(block.text)}</h{block.level}>"
        case Paragraph():
            return f"<p>{_text(block.text)}</p>"
        case Notes():
            return '<ul class="notes">' + "".join(f"<li>{_text(one)}</li>" for one in block.sentences) + "</ul>"
        case Listing():
            return f"<pre>{escape(visible(block.text))}</pre>"
        case Picture():
            return f"<figure>{block.svg}<figcaption>{_text(block.caption)}</figcaption></figure>"
        case Table():
            return _table(block)


def _table(table: Table) -> str:
    head = _row("th", table.header, table.names)
    body = "\n".join(_row("td", row, table.names) for row in table.rows)
    return f'<div class="wide"><table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def _row(tag: str, cells: Sequence[str], names: int) -> str:
    classes = [' class="name"' if index < names else "" for index in range(len(cells))]
    return "<tr>" + "".join(f"<{tag}{kind}>{_text(cell)}</{tag}>" for kind, cell in zip(classes, cells, strict=True)) + "</tr>"


def _text(text: str) -> str:
    return escape(on_a_line(text))
