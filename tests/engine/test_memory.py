"""The cache stays under its budget at every moment, and a real model's process under budget plus a gigabyte."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from engine import tiny_reflective

from reflectgen.config import Sampling
from reflectgen.engine.branch import Branch
from reflectgen.engine.local.attention import register
from reflectgen.engine.local.cache import Part, Slots
from reflectgen.engine.local.engine import LocalEngine

MEBIBYTE = 2**20


@pytest.mark.parametrize(("budget", "pool"), [(200_000, "token"), (700_000, "token"), (3_000_000, "token"), (700_000, "step")])
def test_the_cache_never_exceeds_its_budget_not_even_while_it_is_resized(
    budget: int, pool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every allocation is seen: what all parts hold, and the old and the new tensor of the one that is replaced."""
    highest = 0
    whole = Part.resize

    def watched(part: Any, slots: int, columns: int, kept: int) -> None:
        nonlocal highest
        old = part.tensors
        whole(part, slots, columns, kept)
        highest = max(highest, part.owner.bytes + sum(tensor.nbytes for tensor in old))

    monkeypatch.setattr(Part, "resize", watched)
    asyncio.run(crowd(budget, pool))
    assert 0 < highest <= budget


async def crowd(budget: int, pool: str) -> None:
    """Far more branches than fit, of prompts of unequal length, long enough that columns must grow."""
    model, grammar = tiny_reflective.model("qwen2", attn_implementation=register()), tiny_reflective.grammar(pool=pool)
    engine = LocalEngine(model, grammar, kv_budget=budget)
    room = min(100, engine.context // 2)
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=room, answer_tokens=4)
    prompts = [[3 + i % 40 for i in range(length)] for length in (2, 30, min(90, room), 5)]
    branches = [branch for seed, prompt in enumerate(prompts) for branch in engine.branches(prompt, 12, sampling, seed)]
    await asyncio.gather(*(finish(branch) for branch in branches))
    assert {branch.state for branch in branches} == {"finished"}
    assert engine.held == engine.waiting == 0
    await engine.close()


async def finish(branch: Branch) -> None:
    await branch.ended()
    await branch.answer()


REAL = """
import asyncio, json, os, resource, sys
import torch
from reflectgen import load
from reflectgen.config import Sampling

torch.set_num_threads(1)
model = load(sys.argv[1], kv_budget=int(sys.argv[2]))
slots, highest = model.engine.slots, 0
loaded = int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
prompts = [model.encode(f"Ann has {i} apples and buys {i + 3} more. How many apples has she now?") for i in range(100)]

async def run():
    global highest
    sampling = Sampling(max_tokens=3)
    branches = [branch for prompt in prompts for branch in model.engine.branches(prompt, 32, sampling, seed=0)]
    waits = asyncio.gather(*(branch.ended() for branch in branches))
    while not waits.done():
        highest = max(highest, slots.bytes)
        await asyncio.sleep(0.01)
    return [branch.state for branch in branches]

states = model._background.run(run())
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
closed = states.count("closed")
print(json.dumps({"loaded": loaded, "peak": peak, "highest": highest, "closed": closed, "all": len(states)}))
"""


@pytest.mark.real
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.timeout(1800)
def test_3200_branches_of_a_real_model_run_under_a_budget_for_64(real_models: Path) -> None:
    """Peak memory over that of the loaded model stays under the budget and a gigabyte."""
    budget = slots_budget(rows=64, columns=256, layers=24, token_bytes=24 * 2 * 2 * 64 * 2)
    done = subprocess.run(
        [sys.executable, "-c", REAL, str(real_models / "qwen2.5-coder-0.5b"), str(budget)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(figures | {"budget": budget})
    assert figures["closed"] == figures["all"] == 3200
    assert figures["highest"] <= budget
    assert figures["peak"] - figures["loaded"] <= budget + 1024 * MEBIBYTE


def slots_budget(*, rows: int, columns: int, layers: int, token_bytes: int) -> int:
    """Bytes that let so many rows of so many columns be held, with a layer's share to spare."""
    return rows * columns * token_bytes * (layers + 1) // layers + 1


def test_a_slot_moves_with_all_that_is_in_it() -> None:
    """Swap and copy, over keys and values of both layers, and the states."""
    slots = Slots(2, budget=MEBIBYTE, states=True)
    for layer in slots.layers:
        layer.lazy_initialization(torch.zeros(1, 2, 1, 4), torch.zeros(1, 2, 1, 4))
    assert slots.states is not None
    slots.states.write(torch.zeros(1, 1, 6))
    slots.measure()
    assert slots.token_bytes == 4 * (2 * 2 * 2 * 4 + 6 + 2 * 2 * 4)
    slots.resize(3, 64, 1)
    slots.states.states[:] = torch.arange(3.0)[:, None, None]
    for number, layer in enumerate(slots.layers):
        for row in range(3):
            layer.keys[row], layer.values[row] = 10 * number + row, -10 * number - row
    slots.swap(0, 2, 64)
    slots.copy(1, 2, 10)
    for number, layer in enumerate(slots.layers):
        assert layer.keys[:, 0, 0, 0].tolist() == [10 * number + 2, 10 * number + 1, 10 * number + 1]
        assert layer.values[2, 1, 20, 3] == -10 * number
    assert slots.states.states[:, 0, 0].tolist() == [2, 1, 1]
    assert slots.states.means([2, 0], [(9, 11), (3, 4)]).tolist() == [[0.5] * 6, [2.0] * 6]
