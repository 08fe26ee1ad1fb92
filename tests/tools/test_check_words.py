"""The word check: what it refuses, and what it lets pass."""

from __future__ import annotations

import check_words
import pytest

SLASH = "/"


@pytest.mark.parametrize(
    "line",
    [
        f"see {SLASH}home/ann/model",
        f'open("{SLASH}mnt/x.json")',
        "pip install --extra-index" + "-url x",
        "# TO" + "DO: later",
        "as asked in issue" + " #12",
    ],
)
def test_refused(line: str) -> None:
    assert check_words.faults("a.py", f"fine\n{line}\n")[0].startswith("a.py:2: ")


@pytest.mark.parametrize(
    "line", ["docs/home/index.md", "tmp_path / name", "https://example.org/home/here", "~/models", "a/tmp/b"]
)
def test_let_pass(line: str) -> None:
    assert check_words.faults("a.md", line) == []
