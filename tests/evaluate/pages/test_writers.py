"""Both writers against texts that try to be markup, and what they make of each block."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reflectgen.evaluate.pages.document import Block, Document, Heading, Listing, Notes, Paragraph, Picture, Table
from reflectgen.evaluate.pages.html import html
from reflectgen.evaluate.pages.markdown import markdown
from reflectgen.evaluate.pages.untrusted import on_a_line, visible

HOSTILE = [
    "<script>alert(1)</script>",
    "</pre></td></table><img src=x onerror=alert(1)>",
    "\" onmouseover='alert(1)'",
    "--> <b>out of the comment</b>",
    "| a | b |\n| --- | --- |\n# heading",
    "[click](javascript:alert(1)) ![x](http://host/x.png) <http://host>",
    "``` code\n```\n    and `more`",
    "user\u202eelur\u2066\u200f and \x1b[31mred\x07",
    "&lt;script&gt; &amp; &#60;",
    "*stress* _stress_ ~~gone~~ $x$ a_b",
]


def page(text: str) -> Document:
    """A page that has `text` in every place."""
    blocks: list[Block] = [
        Heading(2, text),
        Paragraph(text),
        Notes([text]),
        Table([text, "k"], [[text, "1"]]),
        Listing(text),
        Picture('<svg viewBox="0 0 1 1"></svg>', text),
    ]
    return Document(text, text, blocks)


class Elements(HTMLParser):
    """The elements and attributes of a page, and its texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_becomes_an_element_of_the_page(text: str) -> None:
    plain, hostile = Elements(html(page("plain"))), Elements(html(page(text)))
    assert hostile.elements == plain.elements
    assert on_a_line(text) in hostile.texts and visible(text) in hostile.texts


@settings(max_examples=200)
@given(st.text(max_size=40))
def test_no_text_at_all_does(text: str) -> None:
    assert Elements(html(page(text))).elements == Elements(html(page("plain"))).elements


def test_a_page_needs_no_other_and_runs_nothing() -> None:
    written = html(page("plain"))
    assert "default-src &#x27;none&#x27;; style-src &#x27;unsafe-inline&#x27;" in written
    for sign in ("<script", "<link", "src=", "href=", "@import", "url(", "http"):
        assert sign not in written.replace("http-equiv", "")
    assert "prefers-color-scheme: dark" in written and "color-scheme: light dark" in written


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_keeps_texts_plain(text: str) -> None:
    """Checked with a reader of CommonMark: the page has the elements that it has of a plain text."""
    reader = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable(["table", "strikethrough"])
    plain, hostile = (Elements(reader.render(markdown(page(one)))) for one in ("plain", text))
    assert hostile.elements == plain.elements
    told = "".join(hostile.texts)
    assert on_a_line(text) in told and all(line in told for line in visible(text).split("\n"))


def test_what_is_invisible_is_written_out() -> None:
    assert visible("a\u202eb\r\nc\td\x1b\ud800") == "a[U+202E]b\nc\td[U+001B][U+D800]"
    assert on_a_line(" a\n\n b\t") == "a b"


def test_markdown_by_hand() -> None:
    blocks: list[Block] = [
        Heading(2, "By task"),
        Table(["way", "right"], [["best_of_n", "61.4 [57.9, 65.1]"]]),
        Listing("a\n b"),
        Picture("<svg></svg>", "left out"),
    ]
    assert markdown(Document("Results", "reflectgen report runs/a --markdown b.md", blocks)) == (
        "<!-- Made by: reflectgen report runs/a --markdown b.md -->\n\n"
        "# Results\n\n## By task\n\n"
        "| way | right |\n| --- | ---: |\n| best_of_n | 61.4 [57.9, 65.1] |\n\n"
        "    a\n     b\n"
    )
