"""The feature pass against one plain pass per trace, and which rows go together."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from reflectgen.errors import ModelError
from reflectgen.model.tap import FeatureTap
from reflectgen.train.features import Reading
from reflectgen.train.harvest import Batch, Reader, partition, plan, read_states, states_file, write_states
from reflectgen.train.spans import Trace

READINGS = (
    Reading(),
    Reading(-1, True),
    Reading(-3, False, 0),
    Reading(-2, False, -1, "step"),
    Reading(-1, True, 0, "step"),
)


def traces(seed: int = 0) -> list[Trace]:
    """Three problems with three traces, one and one; one trace has no step."""
    generator = torch.Generator().manual_seed(seed)

    def ids(length: int) -> tuple[int, ...]:
        return tuple(torch.randint(3, tiny_models.VOCABULARY, (length,), generator=generator).tolist())

    first, second, third = ids(11), ids(6), ids(1)
    return [
        Trace(first, ids(20), ((11, 16), (16, 24))),
        Trace(second, ids(9), ((6, 9), (9, 15))),
        Trace(first, ids(7), ((11, 12), (12, 18))),
        Trace(first, ids(30), ((12, 30),)),
        Trace(third, ids(4), ()),
        Trace(third, ids(5), ((1, 4),)),
    ]


def plainly(backbone: nn.Module, rows: Sequence[Trace], reading: Reading) -> torch.Tensor:
    """One pass per trace, and the mean over the positions of each step."""
    tap, found = FeatureTap(backbone, reading.layer, reading.norm), []
    for row in rows:
        with torch.inference_mode():
            backbone(input_ids=torch.tensor([[*row.prompt, *row.completion]]), use_cache=False)
        states = tap.take()[0]
        for low, high in row.spans:
            begin = low if reading.pool == "step" else high - 1
            positions = [max(0, position + reading.offset) for position in range(begin, high)]
            found.append(states[positions].mean(dim=0))
    tap.remove()
    return torch.stack(found)


@pytest.mark.parametrize("name", tiny_models.CONFIGS)
def test_states_equal_those_of_one_plain_pass_per_trace(name: str) -> None:
    backbone = tiny_models.backbone(name)
    with Reader(backbone, READINGS) as reader:
        found = reader.read(traces())
    for reading in READINGS:
        expected = plainly(backbone, traces(), reading)
        assert found[reading].dtype == torch.float16
        torch.testing.assert_close(found[reading].float(), expected, atol=2e-3, rtol=2e-3)


def test_progress_tells_of_all_traces_that_are_read_and_the_hooks_go() -> None:
    backbone, told = tiny_models.backbone("qwen2"), []
    with Reader(backbone, READINGS) as reader:
        reader.read(traces(), told.append)
    assert told == sorted(told) and told[-1] == 5
    assert not any(module._forward_hooks for module in backbone.modules())


def test_what_does_not_fit_float16_is_clamped() -> None:
    backbone = tiny_models.backbone("qwen2")
    with torch.no_grad():
        backbone.model.layers[-2].mlp.down_proj.weight.mul_(1e7)
    with Reader(backbone, (Reading(),)) as reader:
        found = reader.read(traces())[Reading()]
    assert found.isfinite().all() and found.abs().max() == 65504


@pytest.mark.parametrize(("reading", "fault"), [(Reading(-5), "has only 4 blocks"), (Reading(0), "has only 4 blocks")])
def test_a_layer_that_is_not_there(reading: Reading, fault: str) -> None:
    with pytest.raises(ModelError, match=fault):
        Reader(tiny_models.backbone("qwen2"), (reading,))


def test_a_norm_that_is_not_known() -> None:
    backbone = tiny_models.backbone("qwen2")
    backbone.model.unusual, backbone.model.norm = backbone.model.norm, None
    with pytest.raises(ModelError, match="no final norm of a known name"):
        Reader(backbone, (Reading(-1, True),))


# -- which rows go together --------------------------------------------------------------------------------------------


def test_traces_of_one_prompt_share_it_and_the_others_go_together() -> None:
    rows = traces()
    lengths = [row.length(READINGS) for row in rows]
    assert lengths == [24, 15, 18, 30, 0, 4]
    # after the 10 shared tokens: 20, 14 and 8; one pass of 3 x 20 costs less than two of 64 more each
    assert plan(rows, lengths) == [Batch(10, (3, 0, 2)), Batch(0, (1, 5))]


def test_a_partition_by_hand() -> None:
    # 64 + 100 and 64 + 2 x 10 = 248; all in one: 64 + 3 x 100 = 364; three alone: 3 x 64 + 120 = 312
    assert partition([100, 10, 10]) == [(0, 1), (1, 3)]
    assert partition([100, 90, 90]) == [(0, 3)]
    # three do not fit; 64 + 100 and 64 + 2 x 90 is less than 64 + 2 x 100 and 64 + 90
    assert partition([100, 90, 90], budget=250) == [(0, 1), (1, 3)]
    assert partition([9000]) == [(0, 1)] and partition([]) == []


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(20, 120), st.integers(0, 30))
def test_a_partition_is_the_cheapest_that_fits(lengths: list[int], budget: int, overhead: int) -> None:
    lengths = sorted(lengths, reverse=True)

    def cost(cuts: Sequence[tuple[int, int]]) -> float:
        fits = all(high - low == 1 or (high - low) * lengths[low] <= budget for low, high in cuts)
        return sum(overhead + (high - low) * lengths[low] for low, high in cuts) if fits else float("inf")

    count = len(lengths)
    inner = [edges for size in range(count) for edges in combinations(range(1, count), size)]
    best = min(cost(list(zip((0, *edges), (*edges, count), strict=True))) for edges in inner)
    found = partition(lengths, budget, overhead)
    assert [low for low, _ in found] == [0, *(high for _, high in found[:-1])] and found[-1][1] == count
    assert cost(found) == best


# -- on disk -----------------------------------------------------------------------------------------------------------


def test_states_come_back_from_disk_shard_after_shard(tmp_path: Path) -> None:
    first, second = torch.ones(2, 3, dtype=torch.float16), torch.zeros(1, 3, dtype=torch.float16)
    write_states(tmp_path / "a", {Reading(): first})
    write_states(tmp_path / "b", {Reading(): second})
    assert read_states([tmp_path / "a", tmp_path / "b"], Reading()).tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]
    assert np.asarray(read_states([tmp_path / "a"], Reading())).dtype == np.float16
    assert [path.name for path in (tmp_path / "a").iterdir()] == [states_file(tmp_path / "a", Reading()).name]
