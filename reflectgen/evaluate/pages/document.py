"""What a page is made of. Texts are plain: whoever writes them escapes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 1 (the page's) to 4."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Some sentences."""

    text: str


@dataclass(frozen=True, slots=True)
class Notes:
    """What a reader must know, one sentence each."""

    sentences: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under a header; the first columns are names, the others numbers."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    names: int = 1


@dataclass(frozen=True, slots=True)
class Listing:
    """A text as it was written, line by line."""

    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing of ours, as an <svg> element."""

    svg: str
    caption: str


Block = Heading | Paragraph | Notes | Table | Listing | Picture


@dataclass(frozen=True, slots=True)
class Document:
    """A page."""

    title: str
    command: str
    """What makes it again."""
    blocks: Sequence[Block]
