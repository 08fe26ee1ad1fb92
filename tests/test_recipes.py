"""Every recipe parses, its numbers are the published ones, and what it needs on paper is what the docs say."""

from pathlib import Path
from typing import Any

import pytest
import scale

from reflectgen.commands.train import read
from reflectgen.config import STAGES, HeadConfig, JointConfig, StudyConfig, load_recipe

FOUND = sorted((scale.ROOT / "recipes").glob("*/*.yaml"))
STUDIES = [path for path in FOUND if path.name == "study.yaml"]
EVALUATIONS = [path for path in FOUND if path.name.startswith("eval-")]  # tests/test_evaluation_recipes.py
RECIPES = [path for path in FOUND if path not in (*STUDIES, *EVALUATIONS)]


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


@pytest.mark.parametrize("path", RECIPES, ids=name)
def test_a_recipe_parses_as_its_stage(path: Path) -> None:
    stage, config = read(path, ())
    assert type(config) is STAGES[stage]


@pytest.mark.parametrize("path", STUDIES, ids=name)
def test_a_study_parses(path: Path) -> None:
    assert isinstance(load_recipe(StudyConfig, path), StudyConfig)


def test_all_recipes_are_found() -> None:
    known = {f"metastone-s1-{size}/joint.yaml" for size in ("1.5b", "7b", "32b")} | {"qwen2.5-0.5b/joint-lora.yaml"}
    assert known | {"tiny/joint.yaml", "tiny/supervised.yaml"} <= {name(path) for path in RECIPES}


PUBLISHED: dict[str, dict[str, Any]] = {
    "1.5b": {
        "policy.lr": 1e-6,
        "spr.lr": 1e-5,
        "rollouts.prompts": 32,
        "policy.prompts_per_update": 8,
        "rollouts.prompt_tokens": 1024,
        "rollouts.max_tokens": 8192,
        "rollouts.temperature": 0.6,
    },
    "32b": {
        "policy.lr": 1e-7,
        "spr.lr": 3e-6,
        "rollouts.prompts": 128,
        "policy.prompts_per_update": 128,  # at most a round of sampling; published 256
        "rollouts.prompt_tokens": 2048,
        "rollouts.max_tokens": 32768,
        "rollouts.temperature": 1.0,
    },
}
BOTH: dict[str, Any] = {
    "rollouts.k": 8,
    "policy.clip": 0.2,
    "policy.kl": 0.001,
    "policy.entropy": 0.001,
    "policy.grad_clip": 1.0,
    "spr.coefficient": 1.0,
    "spr.gradient_scale": 1e-4,
    "spr.weight_decay": 0.01,
    "spr.grad_clip": 1.0,
    "head.layer": -2,
    "head.offset": -1,
}


def value(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = getattr(config, part)
    return config


@pytest.mark.parametrize("size", PUBLISHED)
def test_the_large_recipes_have_the_published_numbers(size: str) -> None:
    _, config = read(scale.ROOT / f"recipes/metastone-s1-{size}/joint.yaml", ())
    for key, expected in {**BOTH, **PUBLISHED[size]}.items():
        assert value(config, key) == expected, key


def test_the_defaults_are_the_published_ones_of_the_smallest_model() -> None:
    config = JointConfig.model_validate({"model": "m", "task": {"name": "jsonl"}, "updates": 4})
    for key, expected in {**BOTH, **PUBLISHED["1.5b"]}.items():
        if not key.startswith("head."):
            assert value(config, key) == expected, key


# -- on paper ----------------------------------------------------------------------------------------------------------


def test_the_page_holds_the_tables_of_the_recipes() -> None:
    assert scale.TABLES.fresh


@pytest.mark.parametrize("plan", scale.PLANS, ids=lambda plan: plan.recipe)
def test_a_plan_fits_its_recipe_and_its_gpus(plan: scale.Plan) -> None:
    config, head = plan.config, plan.config.head
    assert isinstance(head, HeadConfig)
    assert head.hidden_size == plan.shape.hidden
    traces = config.policy.prompts_per_update * config.rollouts.k
    assert traces % (config.traces_per_pass * plan.ranks) == 0
    assert sum(scale.memory(plan).values()) < plan.memory
    assert (plan.samplers > 0) == (config.vllm is not None and config.vllm.mode == "server")


def test_parameters_are_those_of_the_published_models() -> None:
    """Qwen2.5-0.5B 494,032,768; R1-Distill-Qwen-1.5B 1,777,088,000; 7B 7,615,616,512; QwQ-32B 32,763,876,352."""
    found = [plan.shape.parameters for plan in scale.PLANS]
    assert found == [494_032_768, 1_777_088_000, 7_615_616_512, 32_763_876_352]
    heads = [scale.head_parameters(HeadConfig(hidden_size=width)) for width in (1536, 3584, 5120)]
    assert heads == [4_724_737, 25_704_449, 52_449_281]
