"""A separate reward model by name: `load(..., prm=)`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny_folder

from reflectgen import load
from reflectgen.errors import ModelError, OptionError

SHORT: dict[str, Any] = {"k": 3, "max_tokens": 30, "temperature": 1.0}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_folder.write(tmp_path / "model")


def test_a_model_may_grade_what_another_writes(folder: Path, tmp_path: Path) -> None:
    writer = tiny_folder.write(tmp_path / "writer", head=False, seed=1)
    with load(writer, prm=folder) as model, load(writer) as alone:
        result, plain = model.solve("Why?", **SHORT), alone.solve("Why?", **SHORT)
        assert [one.token_ids for one in result.trajectories] == [one.token_ids for one in plain.trajectories]
        assert (result.select, plain.select) == ("sprm", "majority")
        assert result.cost.tokens_scored > 0 == plain.cost.tokens_scored
        assert model.identity.head and not alone.identity.head
        assert (model.identity.engine, alone.identity.engine) == ("local+separate", "local")


def test_a_model_that_grades_itself_by_passes_of_its_own_gives_the_scores_of_the_one_pass(folder: Path) -> None:
    with load(folder, prm=folder, engine="naive") as apart, load(folder, engine="naive") as together:
        ours, theirs = apart.solve("Why?", **SHORT), together.solve("Why?", **SHORT)
        scores = [[trajectory.score for trajectory in result.trajectories] for result in (ours, theirs)]
        assert scores[0] == pytest.approx(scores[1], abs=1e-5)
        assert ours.answer == theirs.answer


def test_head_and_reward_model_exclude_each_other(folder: Path) -> None:
    with pytest.raises(OptionError, match="give head or prm"):
        load(folder, head=folder, prm=folder)


def test_a_reward_model_without_a_head_is_refused(folder: Path, tmp_path: Path) -> None:
    plain = tiny_folder.write(tmp_path / "plain", head=False)
    with pytest.raises(ModelError, match="The reward model has no SPRM head"):
        load(folder, prm=plain)
