"""Whole pages of small stores and folders of cells."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from evaluate.graded import headless, made
from evaluate.written import write
from rollouts.made import rollout, store

from reflectgen.evaluate.book import Book
from reflectgen.evaluate.pages import pictures
from reflectgen.evaluate.pages.book import document
from reflectgen.evaluate.pages.document import Document, Heading, Listing, Notes, Paragraph, Picture, Table
from reflectgen.evaluate.pages.html import html
from reflectgen.evaluate.pages.markdown import markdown


def book(tmp_path: Path) -> Book:
    made(tmp_path / "a")
    made(tmp_path / "b", seed=1)
    write(tmp_path / "cells", seconds=3.0, unfinished=1)
    return Book.of([tmp_path / name for name in ("a", "b", "cells")])


def headings(page: Document) -> list[str]:
    return [block.text for block in page.blocks if isinstance(block, Heading)]


def tables(page: Document, first: str) -> list[Table]:
    return [block for block in page.blocks if isinstance(block, Table) and block.header[0] == first]


def test_a_page_has_a_section_for_each_folder_and_each_comparison(tmp_path: Path) -> None:
    page = document(book(tmp_path), "command", drawn=False)
    assert [text for text in headings(page) if text in ("By task", "Right answers", "What values are worth")] == [
        "By task",
        *["Right answers", "What values are worth"] * 2,
    ]
    for told in (
        f"{tmp_path / 'b'} against {tmp_path / 'a'}",
        "Who wins where, at k = 5",
        "Chosen by sprm",
        "Chosen by majority",
    ):
        assert told in headings(page)
    assert not any(isinstance(block, Picture) for block in page.blocks)
    assert [block.text for block in page.blocks if isinstance(block, Listing)][:2] == ["What is 1 + 1?", "a.\n\n</think>"]


def test_every_row_has_its_cost(tmp_path: Path) -> None:
    page = document(book(tmp_path), "command", drawn=False)
    costs = ["tokens", "scored", "prefilled", "passes", "seconds"]
    answers = [table for table in tables(page, "chosen by") if "- majority" in table.header]
    assert len(answers) == 4  # of each store the stored score, and the other aggregates
    for table in answers:
        assert table.header[-5:] == costs
        rows = {(row[0], row[1]): row[-5:] for row in table.rows}
        assert all(row[0] for row in rows.values())
    stored = {(row[0], row[1]): row[-5:] for row in answers[0].rows}
    assert stored["sprm", "5"] == ["10", "0", "3", "4", "0.5"] and stored["one trace", "1"] == ["2", "0", "", "", ""]
    (chosen, *_) = tables(page, "strategy")
    assert [name for name in chosen.header if name in costs] == costs


def test_notes_and_what_is_missing_are_told(tmp_path: Path) -> None:
    headless(tmp_path / "bare")
    full = store(tmp_path / "compact", [])
    full.write_shard(0, [rollout()], compact=True)
    page = document(Book.of([tmp_path / "bare", tmp_path / "compact"]), "command", drawn=False)
    told = [sentence for block in page.blocks if isinstance(block, Notes) for sentence in block.sentences]
    assert "No head graded these traces: ways that need step scores are left out." in told
    paragraphs = [block.text for block in page.blocks if isinstance(block, Paragraph)]
    assert "There are no examples: this store is compact and holds no texts." in paragraphs


def test_pictures_are_svg_elements_in_the_ink_of_the_page(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    page = document(book(tmp_path), "command", drawn=True)
    drawn = [block.svg for block in page.blocks if isinstance(block, Picture)]
    assert len(drawn) == 5  # two of each store, one of the cells
    for svg in drawn:
        ElementTree.fromstring(svg)
        assert "currentColor" in svg and pictures.INK not in svg and "<metadata" not in svg and "#000000" not in svg
    assert "mean step score" in drawn[1] and "seconds for a problem" in drawn[4]
    assert "http" not in html(page).replace("http-equiv", "").replace("http://www.w3.org", "")


def test_without_matplotlib_a_sentence_stands_for_the_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "find_spec", lambda name: None)
    made(tmp_path)
    page = document(Book.of([tmp_path]), "command", drawn=True)
    assert page.blocks[0] == Paragraph(pictures.MISSING) and not any(isinstance(block, Picture) for block in page.blocks)


def test_hostile_names_and_texts_stay_texts(tmp_path: Path) -> None:
    """In titles, tables, listings and pictures alike; a dollar begins no formula."""
    pytest.importorskip("matplotlib")
    hostile = "<script>alert('1')</script> $\\frac \u202e"
    rows = [
        rollout(
            hostile,
            sample,
            problem=hostile,
            text=f"</pre>{hostile}",
            answer=hostile,
            correct=sample == 0,
            score=0.5 - sample / 4,
        )
        for sample in range(2)
    ]
    store(tmp_path, [rows], model=hostile, task=hostile, sampling={hostile: hostile})
    page = document(Book.of([tmp_path]), hostile, drawn=True)
    written = html(page)
    assert "<script" not in written and "</pre>&lt;" not in written.replace("</pre>\n", "") and "\u202e" not in written
    assert written.count("&lt;script&gt;") > 5 and "[U+202E]" in written
    told = markdown(page)
    assert "<script" not in told.replace("    ", "") or all(
        line.startswith("    ") for line in told.splitlines() if "<script" in line
    )
    assert "\u202e" not in told


def test_equal_books_give_equal_pages(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    made(tmp_path)
    assert len({html(document(Book.of([tmp_path]), "command", drawn=True)) for _ in range(2)}) == 1
