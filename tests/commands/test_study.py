import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import Result

from reflectgen.commands.sampling import Source
from reflectgen.commands.table import grid
from reflectgen.study.bootstrap import Spread
from reflectgen.study.figures import Measured
from reflectgen.study.report import LeftOut, Table, TableRow

Run = Callable[..., Result]
RECIPE = "model: tiny\nbaseline: {seeds: 1}\n"


def row(section: str, name: str, value: float) -> TableRow:
    """With an interval that is no wider than the value."""
    figures = {"best": Spread(value, np.full(3, value)), "auc": Spread(value, np.full(3, value))}
    return TableRow(section=section, name=name, measured=Measured(figures=figures, by_length=()), facts={})


TABLE = Table(
    about={},
    rows=[row("reference", "logprob", 0.2), row("baseline", "baseline", 0.5), row("layer", "layer -1", 0.625)],
    left_out=[LeftOut(section="layer", name="layer -2", reason="No such layer.")],
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What studies are run with, none of which takes place."""
    calls: list[Any] = []

    def noted(config: Any, output: Path, **options: Any) -> Table:
        calls.append((config, output))
        return TABLE

    monkeypatch.setattr("reflectgen.study.run.run", noted)
    return calls


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(RECIPE)
    return path


def test_options_stand_above_the_recipe(run: Run, recipe: Path, asked: list[Any]) -> None:
    done = run(
        "study", recipe, "baseline.epochs=3", "-r", "one", "-r", "two", "--test", "three", "--section", "layer",
        "--finished", "mine=runs/a=b", "--off-policy", "other=four", "--prm-backbone", "prm", "-o", "out",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    ((config, output),) = asked
    assert (config.model, config.rollouts, config.test) == ("tiny", (Path("one"), Path("two")), Path("three"))
    assert (config.baseline.seeds, config.baseline.epochs, config.sections) == (1, 3, ("layer",))
    assert (config.finished, config.off_policy, config.prm_backbone) == ({"mine": "runs/a=b"}, {"other": Path("four")}, "prm")
    assert output == Path("out")


def test_the_table(run: Run, recipe: Path, asked: list[Any]) -> None:
    done = run("study", recipe)
    assert done.exit_code == 0, done.output
    lines = [" ".join(line.split()) for line in done.output.splitlines()]
    assert {"Without a head", "logprob 20.0", "Baseline", "baseline 50.0", "Layer", "layer -1 62.5 +"} <= set(lines)
    assert "Left out: layer, layer -2: No such layer." in lines
    assert all(len(line) <= 80 for line in done.output.splitlines())


def test_json(run: Run, recipe: Path, asked: list[Any]) -> None:
    import json

    done = run("study", recipe, "--json")
    assert json.loads(done.stdout)["rows"][2]["minus_baseline"]["best"]["estimate"] == 0.125


def test_stores_that_nobody_named_are_sampled(
    run: Run, recipe: Path, asked: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls: list[Any] = []

    class Store:
        def __init__(self, folder: Path) -> None:
            self.folder = folder

    def fill(folder: Path, source: Any, loading: Any, **job: Any) -> Store:
        calls.append((folder, source, job["k"]))
        return Store(folder)

    monkeypatch.setattr("reflectgen.commands.sampling.fill", fill)
    sampling = "sampling={task: wordproblems, problems: 4, test_problems: 2, k: 3, seed: 5}"
    done = run("study", recipe, sampling, "--test", "known", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    source = Source(task="wordproblems", data=None, split="train", limit=4, seed=5)
    assert calls == [(tmp_path / "out" / "train", source, 3)]
    ((config, _),) = asked
    assert (config.rollouts, config.test) == ((tmp_path / "out" / "train",), Path("known"))


def test_wrong_options(run: Run, recipe: Path) -> None:
    done = run("study", recipe, "--finished", "runs/a")
    assert done.exit_code == 2
    assert "'runs/a' is not of the form NAME=PATH" in done.output
    done = run("study", recipe)
    assert done.exit_code == 2
    assert "give them with --rollouts and --test." in done.output


def test_an_interrupt_says_what_is_kept(run: Run, recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("reflectgen.study.run.run", interrupted)
    done = run("study", recipe, "-o", "out")
    assert done.exit_code == 130
    assert "what is done is kept in out. The same command goes on from there." in done.output


def test_a_difference_that_is_not_known_has_no_mark() -> None:
    table = Table(about={}, rows=[row("baseline", "baseline", math.nan), row("layer", "layer -1", 0.5)])
    console = Console(width=80)
    with console.capture() as drawn:
        console.print(grid(table))
    assert drawn.get().splitlines()[-1].split() == ["layer", "-1", "50.0"]
