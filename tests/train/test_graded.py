"""One batch over several ranks, and over several micro-batches: equal to the batch on one rank."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.multiprocessing
from loss_cases import NO_STEPS, WHOLE, Trace, batch, plain, values
from loss_ranks import CASES, gradients, of_rank, run
from torch import Tensor

from reflectgen.errors import OptionError
from reflectgen.train.graded import Graded, last_steps
from reflectgen.train.loss import LOSSES, Metrics, named_loss

BY_TRACE = [name for name in LOSSES if name != "official" and not name.startswith("pairwise")]


class Ranks:
    """Threads that sum what each of them brings."""

    def __init__(self, count: int) -> None:
        self.calls = [0] * count
        self._given: list[Tensor] = [torch.zeros(0)] * count
        self._barrier = threading.Barrier(count, timeout=30)

    def reduce(self, rank: int, table: Tensor) -> Tensor:
        self.calls[rank] += 1
        self._given[rank] = table
        self._barrier.wait()
        summed = torch.stack(self._given).sum(0)
        self._barrier.wait()
        return summed

    def losses(self, name: str, parts: Sequence[Graded]) -> list[tuple[Tensor, Metrics]]:
        """The loss `name` on each of `parts`, all at once."""
        with ThreadPoolExecutor(len(parts)) as pool:
            works = [
                pool.submit(named_loss(name), part, lambda table, rank=rank: self.reduce(rank, table))  # type: ignore[misc]
                for rank, part in enumerate(parts)
            ]
            return [work.result() for work in works]


@pytest.mark.parametrize("traces", [WHOLE, NO_STEPS])
@pytest.mark.parametrize("sizes", [(3, 3), (1, 5), (0, 6), (2, 1, 3)])
@pytest.mark.parametrize("name", LOSSES)
def test_the_mean_of_the_ranks_gradients_is_that_of_one_rank(
    name: str, sizes: Sequence[int], traces: tuple[Trace, ...]
) -> None:
    traces = tuple(plain(traces, labelled=True))
    whole = batch(traces)
    expected, metrics = named_loss(name)(whole)
    expected.backward()
    starts = [sum(sizes[:rank]) for rank in range(len(sizes))]
    parts = [
        batch(traces[start : start + size], first=start, total=6, labelled=True)
        for start, size in zip(starts, sizes, strict=True)
    ]
    ranks = Ranks(len(sizes))
    for value, found in ranks.losses(name, parts):
        value.backward()
        assert value.item() == pytest.approx(expected.item(), abs=1e-9)
        assert values(found) == values(metrics)
    assert ranks.calls == [1] * len(sizes)
    joined = torch.cat([part.logits.grad for part in parts if part.logits.grad is not None]) / len(sizes)
    assert whole.logits.grad is not None and torch.allclose(joined, whole.logits.grad, rtol=0, atol=1e-9)


def test_two_processes_equal_one(tmp_path: Path) -> None:
    """torch.distributed over gloo with a wrapped head, also where one rank has no step at all."""
    torch.multiprocessing.spawn(run, args=(str(tmp_path),), nprocs=2)
    found = json.loads((tmp_path / "gradients.json").read_text())
    for case in CASES:
        expected = gradients(torch.nn.Linear(1, 1), of_rank(case, 0, 1), case)
        assert found[str(case)] == pytest.approx(expected, abs=1e-5), case


def test_ranks_that_claim_the_same_places_are_told() -> None:
    parts = [batch(WHOLE[:3]), batch(WHOLE[3:])]
    with pytest.raises(OptionError, match=r"give Graded.first and Graded.total"):
        Ranks(2).losses("bce", parts)


def test_a_place_that_nobody_holds_does_not_count() -> None:
    traces = plain(WHOLE, labelled=False)
    expected = named_loss("bce")(batch(traces))[0].item()
    assert named_loss("bce")(batch(traces, first=1, total=9))[0].item() == pytest.approx(expected)


def test_without_groups_each_trace_is_a_problem_of_its_own() -> None:
    graded = batch(plain(WHOLE, labelled=False))
    alone = Graded(logits=graded.logits, trace=graded.trace, correct=graded.correct, ended=graded.ended)
    assert named_loss("group")(graded)[0].item() > 0
    assert named_loss("group")(alone)[0].item() == 0


@pytest.mark.parametrize("name", BY_TRACE)
def test_micro_batches_with_the_weights_of_the_whole_batch_have_its_loss_in_the_mean(name: str) -> None:
    """Three parts of two traces each, every one of them with traces of both problems."""
    order = [0, 2, 1, 3, 5, 4]
    whole = batch(WHOLE)
    expected, _ = named_loss(name)(whole)
    expected.backward()
    counted = torch.tensor([trace.ended and len(trace.steps) > 0 for trace in WHOLE])
    assert whole.group is not None and whole.logits.grad is not None
    weights = named_loss(name).weights(whole.correct, counted, whole.group)
    total, grads = 0.0, {}
    for rows in (order[:2], order[2:4], order[4:]):
        part = replace(batch([WHOLE[row] for row in rows]), weight=weights[rows])
        value, _ = named_loss(name)(part)
        value.backward()
        total += value.item() / 3
        assert part.logits.grad is not None
        grads |= dict(zip(rows, part.logits.grad.split([len(WHOLE[row].steps) for row in rows]), strict=True))
    assert total == pytest.approx(expected.item(), abs=1e-9)
    joined = torch.cat([grads[row] for row in range(6)]) / 3
    assert torch.allclose(joined, whole.logits.grad, rtol=0, atol=1e-9)


def test_weights_of_a_group_are_one_in_the_mean_of_the_traces_that_teach() -> None:
    """Problem 0: one right trace and two wrong ones, 1/2 and 1/4 each, of 4 traces; problem 1 is not mixed."""
    correct, group = torch.tensor([True, False, False, True]), torch.tensor([0, 0, 0, 1])
    weights = named_loss("group").weights(correct, torch.ones(4, dtype=torch.bool), group)
    assert weights.tolist() == [2.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("name", ["official", "pairwise"])
def test_a_loss_that_weighs_no_traces_takes_no_weights(name: str) -> None:
    graded = batch(plain(WHOLE, labelled=False))
    with pytest.raises(OptionError, match=r"without Graded.weight"):
        named_loss(name).weights(graded.correct, graded.ended, graded.correct.long())


def test_the_last_steps_of_interleaved_traces_are_found() -> None:
    graded = Graded(
        logits=torch.tensor([1.0, 2.0, 3.0, 4.0]),
        trace=torch.tensor([2, 0, 2, 0]),
        correct=torch.ones(3, dtype=torch.bool),
        ended=torch.ones(3, dtype=torch.bool),
    )
    last = last_steps(graded)
    assert (last.logits.tolist(), last.trace.tolist()) == ([4.0, 3.0], [0, 2])
