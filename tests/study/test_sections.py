"""The table of sections: what rows they have, and when they have none."""

from pathlib import Path
from typing import Any

import pytest
from study_recipes import RECIPES

from reflectgen.config import StudyConfig, load_recipe
from reflectgen.errors import OptionError
from reflectgen.scoring import AGGREGATES
from reflectgen.study.sections import SECTIONS, Setting, variants
from reflectgen.train.features import Reading
from reflectgen.train.loss import named_loss


def setting(labels: tuple[str, ...] = (), **changes: Any) -> Setting:
    config = StudyConfig(**{"rollouts": (Path("a"),), "test": Path("t"), **changes})
    rules = ("paper", "blank_line", "newline")
    return Setting(config=config, blocks=4, width=128, normed=True, rule="newline", rules=rules, labels=labels)


EVERYTHING = setting(
    labels=("judge", "oracle"),
    rollouts=(Path("a"), Path("b")),
    off_policy={"other": Path("c")},
    prm_backbone="prm",
    finished={"mine": "head"},
)


def test_the_baseline_comes_first_with_the_rule_of_its_traces() -> None:
    first = variants(setting())[0]
    assert (first.section, first.name, first.step_rule) == ("baseline", "baseline", "newline")


def test_every_section_has_rows_where_everything_is_given() -> None:
    rows = variants(EVERYTHING)
    assert {row.section for row in rows} == {"baseline", *SECTIONS}
    names = [(row.section, row.name) for row in rows]
    assert len(set(names)) == len(names)


def test_every_loss_has_a_name_that_is_known() -> None:
    for row in variants(EVERYTHING):
        named_loss(row.config.loss)


def test_sections_that_lack_what_they_need_are_left_out_unless_they_are_asked_for() -> None:
    assert {"labels", "stores", "off_policy", "separate", "finished"}.isdisjoint(row.section for row in variants(setting()))
    with pytest.raises(OptionError, match="The section 'separate' has no row here: it needs a second backbone"):
        variants(setting(sections=("separate",)))
    with pytest.raises(OptionError, match=r"Unknown section 'layers': .* Did you mean 'layer'\?"):
        variants(setting(sections=("layers",)))


def test_only_what_was_asked_for() -> None:
    rows = variants(setting(sections=("layer", "aggregate")))
    assert [row.section for row in rows] == ["baseline", *["layer"] * 5, *["aggregate"] * 5]
    assert [row.reading for row in rows[1:6]] == [Reading(-1, True), *(Reading(layer) for layer in (-1, -2, -3, -4))]
    assert [row.regrade for row in rows[6:]] == list(AGGREGATES)


def test_the_neighbours() -> None:
    step, probe, logprobs = (row for row in variants(setting()) if row.section == "neighbours")
    assert step.reading == Reading(-1, True, 0)
    assert (step.step_rule, step.config.head.width, step.config.loss) == ("blank_line", 512, "bce")
    assert (probe.method, logprobs.method) == ("tokens", "logprobs")


def test_outcome_rewards_are_graded_by_their_last_step() -> None:
    rows = {row.name: row.config.head.aggregate for row in variants(setting(sections=("loss",)))}
    assert (rows["loss orm"], rows["loss group_orm"], rows["loss bce"]) == ("last", "last", "geometric")


def test_labels_are_taught_by_the_loss_that_takes_them() -> None:
    rows = [(row.name, row.config.loss, row.labels) for row in variants(EVERYTHING) if row.section == "labels"]
    assert rows == [
        ("labels outcome", "bce", None),
        ("labels judge", "soft", "judge"),
        ("labels oracle", "soft", "oracle"),
    ]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.parent.name)
def test_every_study_recipe_parses(recipe: Path) -> None:
    config = load_recipe(StudyConfig, recipe)
    assert variants(setting(**config.model_dump(include={"baseline", "sections", "finished"})))
