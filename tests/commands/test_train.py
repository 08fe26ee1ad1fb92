from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]
RECIPE = "head: {hidden_size: 128}\noptimizer: {updates: 10, batch: 2}\n"


def test_a_recipe_is_run_with_its_overrides(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr("reflectgen.train.sft.run", lambda config, output, resume: calls.append((config, output, resume)))
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    done = run("train", tmp_path / "recipe.yaml", "seed=7", "optimizer.updates=3", "--output", tmp_path / "model", "--fresh")
    assert done.exit_code == 0, done.output
    ((config, output, resume),) = calls
    assert (config.seed, config.optimizer.updates, output, resume) == (7, 3, tmp_path / "model", False)


def test_an_interrupt_says_where_the_checkpoints_are(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any, **options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("reflectgen.train.sft.run", interrupted)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    done = run("train", tmp_path / "recipe.yaml", "--output", tmp_path / "model")
    assert done.exit_code == 130
    assert f"checkpoints are in {tmp_path / 'model'}-checkpoints. The same command goes on" in done.output
