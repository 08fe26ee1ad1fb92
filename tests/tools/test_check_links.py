"""The link check: what it takes for a link, an anchor and a fault."""

from __future__ import annotations

from pathlib import Path

import check_links
import pytest


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Try it", "try-it"),
        ("The engine contract", "the-engine-contract"),
        ("`reflectgen solve`", "reflectgen-solve"),
        ("Prompt, tags, step rule", "prompt-tags-step-rule"),
    ],
)
def test_slug(heading: str, anchor: str) -> None:
    assert check_links.slug(heading) == anchor


def test_links_are_those_into_the_repository() -> None:
    text = '[a](a.md) ![b](img/b.svg) [c](https://example.org) [d](#here)\n```\n[e](e.md)\n```\n<img src="f.png">'
    assert check_links.links(text) == ["a.md", "img/b.svg", "#here", "f.png"]


def test_faults_name_the_missing_file_and_the_missing_heading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_links, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("# Here\n[1](other.md) [2](#here) [3](#there) [4](gone.md) [5](other.md#far)")
    (tmp_path / "other.md").write_text("# Near")
    assert check_links.faults(page) == [
        "page.md: page.md has no heading #there",
        "page.md: there is no gone.md",
        "page.md: other.md has no heading #far",
    ]
