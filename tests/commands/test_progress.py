from io import StringIO

import pytest
from rich.console import Console

from reflectgen.commands import progress as module


def test_nothing_is_drawn_where_standard_error_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with module.progress(3) as show:
        show(1, "fast")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_how_many_are_done_and_what_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = StringIO()
    terminal = Console(file=drawn, force_terminal=True, width=80)
    monkeypatch.setattr(module, "console", lambda *, stderr: terminal)
    with module.progress(3, 1) as show:
        show(2, "7 tokens/s")
    assert "2/3" in drawn.getvalue() and "7 tokens/s" in drawn.getvalue()


def test_each_kind_of_work_has_a_bar_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = StringIO()
    terminal = Console(file=drawn, force_terminal=True, width=80)
    monkeypatch.setattr(module, "console", lambda *, stderr: terminal)
    with module.bars() as show:
        show("states", 2, 3)
        show("rows", 1, 5)
        show("states", 3, 3)
    last = drawn.getvalue()
    assert "states" in last and "3/3" in last and "rows" in last and "1/5" in last
