"""Configurations: the paper's defaults, unknown keys and wrong values in one sentence, recipes with overrides."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from reflectgen.config import EFFORTS, Blend, Config, HeadConfig, PromptConfig, ReflectiveConfig, Sampling, load_recipe
from reflectgen.errors import InputError, OptionError


def test_the_head_is_the_papers_by_default() -> None:
    head = HeadConfig(hidden_size=1536)
    assert head.width == 3072
    assert (head.layer, head.norm, head.offset, head.activation, head.dropout) == (-2, False, -1, "relu", 0.5)
    assert (head.step_rule, head.aggregate, head.blend) == ("paper", "geometric", None)


def test_a_width_that_is_given_is_kept() -> None:
    assert HeadConfig(hidden_size=1536, width=512).width == 512
    assert HeadConfig.parse({"hidden_size": 8, "width": 4}, "head").width == 4


def test_efforts_and_sampling_are_the_papers() -> None:
    sampled = {name: effort.k for name, effort in EFFORTS.items() if effort.strategy == "best_of_n"}
    assert sampled == {"low": 2, "medium": 8, "high": 32}
    assert (Sampling().temperature, Sampling().top_p, Sampling().top_k) == (0.6, 0.95, 0)


def test_a_config_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Sampling().temperature = 1.0


@pytest.mark.parametrize(
    ("kind", "values", "sentence"),
    [
        (Sampling, {"temprature": 1}, "here: temprature: Extra inputs are not permitted."),
        (Sampling, {"temperature": -1}, "here: temperature: Input should be greater than or equal to 0."),
        (Sampling, {"top_p": 0}, "here: top_p: Input should be greater than 0."),
        (Blend, {"score_std": 0}, "here: score_std: Input should be greater than 0."),
        (HeadConfig, {}, "here: hidden_size: Field required."),
        (HeadConfig, {"hidden_size": 0}, "here: hidden_size: Input should be greater than 0."),
        (HeadConfig, {"hidden_size": 8, "offset": 1}, "here: offset: Input should be -1 or 0."),
        (HeadConfig, {"hidden_size": 8, "layer": 0}, "here: layer: Input should be less than 0."),
        (ReflectiveConfig, {"head": {"hidden_size": 8, "dropout": 1}}, "here: head.dropout: Input should be less than 1."),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_its_key(kind: type[Config], values: dict[str, object], sentence: str) -> None:
    with pytest.raises(OptionError) as caught:
        kind.parse(values, "here")
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("step_rule", "papr", "here: step_rule: Unknown step rule 'papr': choose one of .*. Did you mean 'paper'[?]$"),
        ("step_rule", "regex:[", r"here: step_rule: Step rule 'regex:\[' is no regular expression: .*[^.]\.$"),
        ("aggregate", "geometrc", "here: aggregate: Unknown aggregate 'geometrc': choose one of geometric, .*'geometric'[?]$"),
    ],
)
def test_names_of_tables_are_checked(key: str, value: str, sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        HeadConfig.parse({"hidden_size": 8, key: value}, "here")


def test_a_config_survives_its_own_json() -> None:
    config = ReflectiveConfig(
        head=HeadConfig(hidden_size=8, width=5, step_rule="newline", blend=Blend(weight=0.5)),
        prompt=PromptConfig(tags=("<a>", "</a>")),
    )
    assert ReflectiveConfig.model_validate_json(config.model_dump_json()) == config


# -- recipes -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text("head:\n  hidden_size: 16\nprompt:\n  system: Be brief.\n", encoding="utf-8")
    return path


def test_a_recipe_is_read(recipe: Path) -> None:
    assert load_recipe(ReflectiveConfig, recipe) == ReflectiveConfig(
        head=HeadConfig(hidden_size=16), prompt=PromptConfig(system="Be brief.")
    )


def test_overrides_are_yaml_and_reach_below(recipe: Path) -> None:
    changed = load_recipe(
        ReflectiveConfig,
        recipe,
        [
            "head.hidden_size=32",
            "head.norm=true",
            "head.blend.weight=2.5",
            "prompt.system=''",
            "prompt.tags=[<a>, </a>]",
            "prompt.instruction=a=b",
        ],
    )
    assert (changed.head.hidden_size, changed.head.width, changed.head.norm) == (32, 64, True)
    assert changed.head.blend == Blend(weight=2.5)
    assert (changed.prompt.tags, changed.prompt.instruction) == (("<a>", "</a>"), "a=b")


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("head.width", "The override 'head.width' is not of the form key=value."),
        ("head.hidden_size.x=1", "The override 'head.hidden_size.x=1' goes below 'hidden_size', which holds a value."),
        ("head.widht=3", "{path}: head.widht: Extra inputs are not permitted."),
        ("head.width=[", "The override 'head.width=[' gives no YAML after its '=': put the value in quotes."),
        ("hed.width=3", "{path}: hed: Extra inputs are not permitted."),
    ],
)
def test_a_wrong_override_is_one_sentence(recipe: Path, override: str, sentence: str) -> None:
    with pytest.raises(OptionError) as caught:
        load_recipe(ReflectiveConfig, recipe, [override])
    assert str(caught.value) == sentence.format(path=recipe)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"a: [", "is no YAML"), (b"\xff", "is no YAML"), (b"- 1", "holds no mapping"), (b"", "holds no mapping")],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"The recipe {path} {sentence}"):
        load_recipe(Sampling, path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing.yaml cannot be read: No such file or directory\.$"):
        load_recipe(Sampling, tmp_path / "missing.yaml")
