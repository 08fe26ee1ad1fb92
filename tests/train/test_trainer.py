"""Head and policy in one pass: the step logits, the loss, its gradients, and what trains whom."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import reinforced
import torch
from reinforced import K, gradients, rollouts, written
from torch import Tensor

from reflectgen import zoo
from reflectgen.config import GrpoConfig, HeadConfig
from reflectgen.errors import OptionError
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.steps import read_window
from reflectgen.train.loss import Graded, named_loss
from reflectgen.train.patch import GradedCall, Reads
from reflectgen.train.trainer import clip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A trainer and its traces; nothing steps its optimizer."""
    return reinforced.trainer(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def batch(made: Any) -> dict[str, Tensor]:
    return rollouts(made)


@pytest.fixture(autouse=True)
def _settings_are_put_back(made: Any) -> Iterator[None]:
    yield
    made.spr, made.loss = type(made.spr).model_validate(reinforced.settings()["spr"]), named_loss("paper")
    made.state.global_step = 0
    made._passes.clear()
    made._metrics["train"].clear()


def graded(made: Any, inputs: dict[str, Tensor]) -> tuple[Reads, Tensor]:
    """The reads of a batch and the logits that come out of the training pass."""
    reads = Reads.of(inputs["marks"], inputs["prompt_ids"].shape[1])
    call = GradedCall(made.model, reads)
    super(type(made), made)._compute_loss(call, inputs)
    return reads, call.step_logits


# -- what a batch holds ------------------------------------------------------------------------------------------------


def test_outcomes_are_those_of_the_tasks_grader(made: Any, batch: dict[str, Tensor]) -> None:
    """The even traces are written without misconceptions; all end by themselves."""
    assert batch["correct"].view(-1, K)[:, ::2].all()
    assert not batch["correct"].all()
    assert batch["ended"].all()
    rewards = batch["correct"].float().view(-1, K)
    expected = (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + 1e-4)
    torch.testing.assert_close(batch["advantages"], expected.flatten())


def test_traces_of_a_problem_share_its_number(made: Any, batch: dict[str, Tensor]) -> None:
    groups = batch["group"].view(-1, K)
    assert (groups == groups[:, :1]).all()
    assert len(groups[:, 0].unique()) == len(groups)


# -- one pass ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("offset", "pool"), [(-1, "token"), (0, "token"), (-1, "step"), (0, "step")])
def test_the_training_pass_grades_as_decoding_does(tmp_path: Path, offset: int, pool: str) -> None:
    """Padding, packing and the patched forward change nothing: each trace alone in a plain pass gives the same logits."""
    head = HeadConfig(hidden_size=128, width=16, dropout=0.0, offset=offset, pool=pool)
    made = reinforced.trainer(tmp_path, head=head.model_dump())
    inputs = rollouts(made)
    reads, logits = graded(made, inputs)
    plain = ReflectiveModel.from_pretrained(zoo.path("tiny"), device="cpu")
    module = made.model.sprm_head
    for row in range(0, len(inputs["correct"]), 5):
        prompt = inputs["prompt_ids"][row][inputs["prompt_mask"][row].bool()].tolist()
        completion = inputs["completion_ids"][row][inputs["completion_mask"][row].bool()].tolist()
        features = plain(torch.tensor([[*prompt, *completion]]), graded=False).features[0]
        windows = [read_window(step, offset, pool) for step in made.examiner.steps(prompt, completion)]
        expected = module(torch.stack([features[low:high].mean(0) for low, high in windows]))
        torch.testing.assert_close(logits[reads.trace == row], expected, atol=1e-4, rtol=1e-4)


def test_the_backbone_makes_one_pass_and_the_head_one(made: Any, batch: dict[str, Tensor]) -> None:
    calls = []
    handles = [part.register_forward_hook(lambda *_: calls.append(1)) for part in (made.model.model, made.model.sprm_head)]
    made.compute_loss(made.model, batch)
    for handle in handles:
        handle.remove()
    assert len(calls) == 2


def test_the_loss_is_grpo_plus_the_coefficient_times_spr(made: Any, batch: dict[str, Tensor]) -> None:
    made.spr = made.spr.model_copy(update={"coefficient": 0.5})
    reads, logits = graded(made, batch)
    lesson = Graded(logits=logits, trace=reads.trace, correct=batch["correct"], ended=batch["ended"], group=batch["group"])
    policy = super(type(made), made)._compute_loss(GradedCall(made.model, reads), batch)
    torch.testing.assert_close(made.compute_loss(made.model, batch), policy + 0.5 * named_loss("paper")(lesson)[0])


# -- gradients ---------------------------------------------------------------------------------------------------------


def test_at_scale_0_the_policy_learns_as_if_there_were_no_head(tmp_path: Path) -> None:
    joint = reinforced.trainer(tmp_path, spr={"gradient_scale": 0.0, "warmup": 0.0})
    alone = reinforced.trainer(tmp_path, kind=GrpoConfig)
    with_head, without = gradients(joint, rollouts(joint)), gradients(alone, rollouts(alone))
    assert {name for name in with_head if name not in without} == {
        f"sprm_head.{name}" for name in ("up.weight", "up.bias", "down.weight", "down.bias")
    }
    for name, gradient in without.items():
        torch.testing.assert_close(with_head[name], gradient, atol=1e-7, rtol=1e-5)


def test_the_scale_scales_the_gradient_into_the_backbone_alone(made: Any, batch: dict[str, Tensor], tmp_path: Path) -> None:
    full = gradients(made, batch)
    half = gradients(reinforced.trainer(tmp_path / "half", spr={"gradient_scale": 0.5, "warmup": 0.0}), batch)
    none = gradients(reinforced.trainer(tmp_path / "none", spr={"gradient_scale": 0.0, "warmup": 0.0}), batch)
    name = "model.layers.1.mlp.up_proj.weight"
    torch.testing.assert_close(half[name], (full[name] + none[name]) / 2, atol=1e-7, rtol=1e-4)
    torch.testing.assert_close(half["sprm_head.up.weight"], full["sprm_head.up.weight"])


def test_groups_of_equal_reward_train_the_head_and_not_the_policy(tmp_path: Path) -> None:
    made = reinforced.trainer(tmp_path, write=lambda problem, sample: written(problem, 0), spr={"gradient_scale": 0.0})
    inputs = rollouts(made)
    assert inputs["correct"].all()
    found = gradients(made, inputs)
    assert max(gradient.abs().max() for name, gradient in found.items() if "sprm_head" not in name) == 0
    assert found["sprm_head.up.weight"].abs().max() > 0


def test_traces_that_were_cut_off_do_not_train_the_head(tmp_path: Path) -> None:
    made = reinforced.trainer(tmp_path, write=lambda problem, sample: written(problem, sample)[:90] + "...")
    inputs = rollouts(made)
    assert not inputs["ended"].any()
    assert not inputs["correct"].any()
    assert gradients(made, inputs)["sprm_head.up.weight"].abs().max() == 0


@pytest.mark.parametrize("loss", ["paper", "group_paper"])
def test_many_small_passes_sum_up_to_one_large_pass(tmp_path: Path, loss: str) -> None:
    """Also where the traces of a problem are scattered over the passes."""
    spr = {"gradient_scale": 1.0, "warmup": 0.0, "loss": loss}
    whole = reinforced.trainer(tmp_path / "whole", spr=spr)
    parts = reinforced.trainer(tmp_path / "parts", spr=spr, traces_per_pass=4)
    expected, inputs = gradients(whole, rollouts(whole)), rollouts(parts)
    scattered = torch.arange(16).view(4, 4).T
    parts.model.zero_grad()
    for rows in scattered:
        one = {name: value[rows] if value.ndim else value for name, value in inputs.items()}
        parts.compute_loss(parts.model, one).backward()
    for name, weight in parts.model.named_parameters():
        torch.testing.assert_close(weight.grad, expected[name], atol=1e-6, rtol=1e-3)


def test_recomputed_activations_give_the_same_gradients(tmp_path: Path, made: Any, batch: dict[str, Tensor]) -> None:
    expected = gradients(made, batch)
    saving = reinforced.trainer(tmp_path)
    saving.model.gradient_checkpointing_enable()
    assert saving.model.is_gradient_checkpointing
    for name, gradient in gradients(saving, batch).items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-7, rtol=1e-4)


def test_a_pass_in_bf16_grades_in_fp32(tmp_path: Path, made: Any, batch: dict[str, Tensor]) -> None:
    half = reinforced.trainer(tmp_path, precision="bf16")
    kinds = []
    half.model.sprm_head.up.register_forward_hook(lambda module, inputs, output: kinds.append(output.dtype))
    _, logits = graded(half, batch)
    assert kinds == [torch.float32]
    torch.testing.assert_close(logits, graded(made, batch)[1], atol=0.2, rtol=0.1)
    assert all(weight.dtype == torch.float32 for weight in half.model.parameters())


# -- the course of a run -----------------------------------------------------------------------------------------------


def test_every_step_counts_in_the_warm_up_and_then_the_filter_starts(made: Any, batch: dict[str, Tensor]) -> None:
    made.spr = made.spr.model_copy(update={"warmup": 0.5})
    values = []
    for update in (0, 1):
        made.state.global_step = update
        made.compute_loss(made.model, batch)
        values.append(made._metrics["train"]["spr"][-1])
    assert values[1] < values[0]
    made.state.global_step = 0
    made.spr = made.spr.model_copy(update={"loss": "bce"})
    made.loss = named_loss("bce")
    made.compute_loss(made.model, batch)
    assert made._metrics["train"]["spr"][-1] == values[0]


def test_the_head_has_a_rate_and_a_decay_of_its_own(made: Any) -> None:
    optimizer = made.create_optimizer()
    assert made.create_optimizer() is optimizer
    *policy, head = optimizer.param_groups
    assert {id(weight) for weight in head["params"]} == {id(weight) for weight in made.model.sprm_head.parameters()}
    assert (head["lr"], head["weight_decay"]) == (1e-3, 0.01)
    assert {group["lr"] for group in policy} == {1e-4}
    held = sum(len(group["params"]) for group in optimizer.param_groups)
    assert held == len(list(made.model.parameters()))


def test_head_and_policy_are_clipped_each_by_its_own_norm(made: Any) -> None:
    """The head's gradient of norm 50 is cut to 1, and the policy's of norm 0.5 stays."""
    for name, weight in made.model.named_parameters():
        weight.grad = torch.zeros_like(weight)
        if name in ("sprm_head.down.bias", "model.norm.weight"):
            weight.grad.view(-1)[0] = 50.0 if "head" in name else 0.5
    assert made._clip_grad_norm(made.model).item() == pytest.approx(0.5)
    assert made._metrics["train"]["head_grad_norm"][-1] == pytest.approx(50.0)
    assert made.model.sprm_head.down.bias.grad.item() == pytest.approx(1.0, abs=1e-5)
    assert made.model.model.norm.weight.grad.norm().item() == pytest.approx(0.5)


def test_clipping_without_any_gradient_is_no_error() -> None:
    assert clip([torch.nn.Parameter(torch.ones(2))], 1.0).item() == 0


# -- what does not fit -------------------------------------------------------------------------------------------------


def test_pairs_need_a_whole_round_in_one_pass(tmp_path: Path) -> None:
    reinforced.trainer(tmp_path, spr={"loss": "pairwise"})
    with pytest.raises(OptionError, match=r"compares traces, so all 16 of a round of sampling must be in one pass: raise"):
        reinforced.trainer(tmp_path, spr={"loss": "pairwise"}, traces_per_pass=8)


def test_given_labels_are_not_to_be_had(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"knows the outcomes of its traces alone: choose a loss that needs no given labels"):
        reinforced.trainer(tmp_path, spr={"loss": "soft"})
