from pathlib import Path

from evaluate.written import write
from rich.console import Console

from reflectgen.commands import ways
from reflectgen.evaluate.report import Report
from reflectgen.metrics import Interval


def lines(path: Path, select: str, seconds: float | None = None) -> list[str]:
    write(path, seconds=seconds)
    report = Report.of(path)
    console = Console(width=100)
    with console.capture() as capture:
        console.print(ways.table(select, [entry for entry in report.entries if entry.select == select]))
    return [" ".join(line.split()) for line in capture.get().splitlines()]


def test_every_way_is_a_line_with_what_it_gains(tmp_path: Path) -> None:
    found = lines(tmp_path, "sprm")
    assert found[:2] == ["Chosen by sprm", "strategy k right tokens gain of tokens"]
    assert found[2] == "best_of_n 2 37.5 [9.2, 78.1] 22 ±1"
    assert found[4].startswith("→ adaptive 2 100.0 [51.0, 100.0] 12 ±1 +62.5 [") and found[4].endswith("] 53%")
    assert found[5].startswith("pruned: keep=0.25 2 0.0 [0.0, 49.0] 16 ±1 -37.5 [")


def test_budgets_and_seconds_have_columns_where_there_are_any(tmp_path: Path) -> None:
    found = lines(tmp_path, "majority", 3.0)
    assert found[1] == "strategy k budget right tokens s gain of tokens"
    assert " 2 50 25.0 [" in found[2] and found[2].endswith(" 22 ±1 1.5")


def test_numbers_are_short() -> None:
    found = Interval(estimate=0.1234, low=-0.02, high=0.3)
    assert (ways.percent(found), ways.percent(found, signed=True)) == ("12.3 [-2.0, 30.0]", "+12.3 [-2.0, 30.0]")
    assert ways.percent(None) == "" and ways.spread(Interval(estimate=1234.4, low=1200, high=1270)) == "1,234 ±35"
