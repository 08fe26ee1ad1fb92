"""A book of stores and folders of cells as one page."""

from __future__ import annotations

from collections.abc import Iterator

from reflectgen.evaluate.book import Book
from reflectgen.evaluate.pages import duels, pictures, runs, stores
from reflectgen.evaluate.pages.document import Block, Document, Heading, Paragraph
from reflectgen.evaluate.stored import Stored


def document(book: Book, command: str, *, drawn: bool) -> Document:
    """All of it, `command` being what makes it again; pictures are for HTML, and are `drawn` where matplotlib is there."""
    return Document("What was measured", command, list(_blocks(book, drawn=drawn)))


def _blocks(book: Book, *, drawn: bool) -> Iterator[Block]:
    if drawn and not pictures.installed():
        yield Paragraph(pictures.MISSING)
        drawn = False
    if found := [part for part in book.parts if isinstance(part, Stored)]:
        yield Heading(2, "By task")
        yield Paragraph("Right answers in percent with 95 % intervals over problems, at the largest k of each store.")
        yield stores.overview(found)
    for part in book.parts:
        yield from stores.blocks(part, drawn=drawn) if isinstance(part, Stored) else runs.blocks(part, drawn=drawn)
    for comparison in book.comparisons:
        yield from duels.blocks(comparison)
