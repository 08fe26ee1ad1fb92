from pathlib import Path

import pytest

from reflectgen.config import HeadConfig, HeadOptions, RetrofitConfig, load_recipe
from reflectgen.errors import OptionError


def test_every_option_of_a_head_is_a_field_of_the_head() -> None:
    assert set(HeadOptions.model_fields) < set(HeadConfig.model_fields)
    made = {"hidden_size", "temperature", "backbone", "backbone_name", "blend"}
    assert set(HeadConfig.model_fields) - set(HeadOptions.model_fields) == made


def test_without_a_file_there_are_defaults_and_overrides() -> None:
    assert load_recipe(RetrofitConfig, None) == RetrofitConfig()
    found = load_recipe(RetrofitConfig, None, ["loss=pairwise", "head.layer=-4", "head.step_rule=newline", "seeds=1"])
    assert (found.loss, found.head.layer, found.head.step_rule, found.seeds) == ("pairwise", -4, "newline", 1)


def test_a_file_and_overrides(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("loss: bce\nhead: {width: 8}\n")
    found = load_recipe(RetrofitConfig, tmp_path / "r.yaml", ["head.width=16"])
    assert (found.loss, found.head.width) == ("bce", 16)


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("nope=1", "The overrides: nope: Extra inputs"),
        ("head.layer=1", "The overrides: head.layer: Input should be less than 0"),
        ("head.step_rule=papre", "Unknown step rule 'papre'"),
        ("head.aggregate=medain", "Unknown aggregate 'medain'"),
        ("validation=1", "The overrides: validation: Input should be less than 1"),
        ("seeds", "is not of the form key=value"),
    ],
)
def test_what_is_wrong_is_one_sentence(override: str, fault: str) -> None:
    with pytest.raises(OptionError, match=fault):
        load_recipe(RetrofitConfig, None, [override])
