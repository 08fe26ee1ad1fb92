"""Heads trained on the bundled model's frozen states of 60 word problems, four traces each."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import step_features
import stored
import torch
from torch import nn

from reflectgen.config import HeadConfig, HeadOptions, RetrofitConfig
from reflectgen.errors import InputError, ModelError, OptionError
from reflectgen.model.head import SPRMHead
from reflectgen.steps import TokenTable
from reflectgen.train.extract import Extractor
from reflectgen.train.features import Reading, StepFeatures
from reflectgen.train.head_only import Standardised, batch_of, calibrate, configure, fit, grade, inputs_of

READING = Reading()
QUICK: dict[str, Any] = {"seeds": 1, "epochs": 4}


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> StepFeatures:
    model, tokenizer = stored.bundled()
    store = stored.write(tmp_path_factory.mktemp("stores") / "s", model, tokenizer, problems=60, samples=4, shard=30)
    made = Extractor(backbone=model.backbone, table=TokenTable(tokenizer), readings=(READING,), step_rule="paper", name="tiny")
    found = made.features(store)
    return replace(found, states={READING: found.states[READING]})


@pytest.fixture(scope="module")
def parts(features: StepFeatures) -> tuple[StepFeatures, StepFeatures]:
    return features.split(0.3, 0)


def test_a_head_tells_right_from_wrong_on_problems_that_it_never_saw(parts: tuple[StepFeatures, StepFeatures]) -> None:
    train, validation = parts
    learnt, held_out = train.split(0.25, 1)
    found = fit(learnt, held_out, RetrofitConfig(seeds=1))
    unseen = found.measure(validation)
    assert unseen.selectors["sprm"].auc_within.estimate > 0.7
    assert unseen.selectors["sprm"].accuracy.estimate > unseen.pass_at_1.estimate
    assert found.trainings[0].epochs <= found.trainings[0].epoch + 10


def test_the_head_is_a_plain_one_and_says_what_it_was_made_of(parts: tuple[StepFeatures, StepFeatures]) -> None:
    found = fit(*parts, RetrofitConfig(**QUICK, head=HeadOptions(width=7, activation="gelu", aggregate="min")))
    assert isinstance(found.head, SPRMHead) and found.head.up.weight.shape == (7, 128)
    config = found.config
    assert (config.hidden_size, config.width, config.activation, config.aggregate) == (128, 7, "gelu", "min")
    assert config.backbone == parts[0].origin.backbone and config.backbone_name == "tiny" and config.step_rule == "paper"
    assert config.blend is not None and config.temperature != 1.0
    named = configure(RetrofitConfig(backbone_name="owner/model"), parts[0].origin, 128)
    assert named.backbone_name == "owner/model"


def test_standardising_is_folded_into_the_first_layer() -> None:
    torch.manual_seed(0)
    head = SPRMHead(HeadConfig(hidden_size=5, width=4)).eval()
    inputs = torch.randn(50, 5) * torch.tensor([1.0, 1000.0, 0.01, 3.0, 0.0]) + torch.tensor([0.0, 500.0, 1.0, -2.0, 4.0])
    module = Standardised(head, inputs).eval()
    assert module.scale[4] == 1.0
    folded = module.folded()
    assert isinstance(folded, SPRMHead)
    torch.testing.assert_close(folded(inputs), module(inputs), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(module(inputs[:1]), head((inputs[:1] - inputs.mean(0)) / module.scale), atol=1e-5, rtol=1e-5)


def test_a_training_that_diverges_says_so(parts: tuple[StepFeatures, StepFeatures]) -> None:
    with pytest.raises(ModelError, match="diverged"):
        fit(*parts, RetrofitConfig(**QUICK, learning_rate=1e30))


def test_equal_seeds_give_equal_heads_and_several_become_one(parts: tuple[StepFeatures, StepFeatures]) -> None:
    runs = [fit(*parts, RetrofitConfig(**QUICK)) for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(runs[0].head.parameters(), runs[1].head.parameters(), strict=True))
    assert runs[0].config == runs[1].config and runs[0].validation == runs[1].validation
    each = [fit(*parts, RetrofitConfig(**{**QUICK, "validation": 0.2}, seed=seed)) for seed in (0, 1)]
    both = fit(*parts, RetrofitConfig(**{**QUICK, "seeds": 2}))
    assert both.trainings == tuple(one.trainings[0] for one in each)
    assert both.config.width == 2 * each[0].config.width == both.head.config.width
    inputs = inputs_of(parts[1], READING)
    assert grade(both.head, inputs) == pytest.approx((grade(each[0].head, inputs) + grade(each[1].head, inputs)) / 2, abs=1e-4)


def test_training_leaves_the_random_state_alone(parts: tuple[StepFeatures, StepFeatures]) -> None:
    torch.manual_seed(5)
    before = torch.rand(1)
    torch.manual_seed(5)
    fit(*parts, RetrofitConfig(**{**QUICK, "epochs": 1}))
    assert torch.rand(1) == before


def test_the_dynamic_weight_comes_after_the_warm_up_and_no_epoch_of_that_is_kept(
    parts: tuple[StepFeatures, StepFeatures],
) -> None:
    options = {**QUICK, "loss": "paper"}
    cold, warm, whole = (fit(*parts, RetrofitConfig(**options, warmup=epochs)).trainings[0] for epochs in (0, 3, 99))
    assert (cold.epoch >= 1, warm.epoch >= 4, whole.epoch) == (True, True, QUICK["epochs"])
    assert all(one.metrics["kept_right"] < 1 for one in (cold, warm, whole))
    plain = fit(*parts, RetrofitConfig(**{**options, "loss": "bce"}, warmup=99)).trainings
    assert plain == fit(*parts, RetrofitConfig(**{**options, "loss": "bce"}, warmup=0)).trainings


def test_another_module_with_further_columns(parts: tuple[StepFeatures, StepFeatures]) -> None:
    def build(config: HeadConfig) -> nn.Module:
        return nn.Sequential(nn.Linear(config.hidden_size, 1), nn.Flatten(0))

    def columns(part: StepFeatures) -> np.ndarray:
        return np.stack([part.step_logprob, part.step_confidence], axis=1)

    found = fit(*parts, RetrofitConfig(**QUICK), build=build, columns=columns)
    assert isinstance(found.head, Standardised) and found.config.hidden_size == 130
    assert inputs_of(parts[0], READING, columns).shape[1] == 130
    assert found.measure(parts[1], columns) == found.validation


def test_given_labels_take_the_outcomes_place(parts: tuple[StepFeatures, StepFeatures]) -> None:
    train, validation = parts
    upside_down = replace(train, labels=1.0 - train.correct[train.trace])
    found = fit(upside_down, validation, RetrofitConfig(**QUICK, loss="soft", warmup=0))
    outcome = fit(train, validation, RetrofitConfig(**QUICK, loss="bce", warmup=0))
    assert found.trainings[0].auc_within < outcome.trainings[0].auc_within
    with pytest.raises(OptionError, match="labels of steps and there are none"):
        fit(train, validation, RetrofitConfig(**QUICK, loss="soft"))


def test_a_batch_is_whole_problems() -> None:
    steps, graded = batch_of(step_features.FOUR, np.array([1, 0]))
    assert steps.tolist() == [3, 4, 5, 0, 1, 2]
    assert graded.trace.tolist() == [1, 1, 1, 2, 2, 3] and graded.group.tolist() == [1, 1, 0, 0]
    assert graded.correct.tolist() == [True, True, True, False] and graded.labels is None


def test_the_temperature_is_of_the_traces_that_ended(features: StepFeatures) -> None:
    logits = np.where(features.correct[features.trace], 2.0, -2.0)
    config = HeadConfig(hidden_size=128)
    whole = calibrate(config, features, logits)
    lying = replace(features, correct=~features.correct, ended=np.zeros_like(features.ended))
    assert whole.temperature < 0.1 and calibrate(config, lying, logits).temperature == 1.0


def test_nothing_to_learn_from_is_one_sentence(parts: tuple[StepFeatures, StepFeatures]) -> None:
    train, validation = parts
    with pytest.raises(InputError, match="No problem of the training part has both right and wrong traces"):
        fit(replace(train, correct=np.ones_like(train.correct)), validation, RetrofitConfig())
    with pytest.raises(InputError, match="No problem of the training part"):  # a cut-off trace teaches nothing
        fit(replace(train, ended=train.correct), validation, RetrofitConfig())
    with pytest.raises(InputError, match="No problem of the validation part"):
        fit(train, replace(validation, correct=np.zeros_like(validation.correct)), RetrofitConfig())
    with pytest.raises(OptionError, match=r"Unknown loss 'gruop'.*Did you mean 'group'"):
        fit(train, validation, RetrofitConfig(loss="gruop"))


def test_steps_are_graded_in_chunks(features: StepFeatures, monkeypatch: pytest.MonkeyPatch) -> None:
    head = SPRMHead(HeadConfig(hidden_size=128, width=3))
    whole = grade(head, inputs_of(features, READING))
    monkeypatch.setattr("reflectgen.train.head_only.CHUNK", 7)
    assert np.allclose(grade(head, inputs_of(features, READING)), whole, atol=1e-6)
    assert math.isfinite(whole.sum()) and grade(head, torch.zeros(0, 128)).shape == (0,)
