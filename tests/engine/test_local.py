"""The local engine is the naive one, only faster: the contract, parity with plain forwards, and no deadlock.

Where a cache budget is given it holds two branches of 64 tokens or one of 128, for dozens of branches.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import pytest
import tiny_models
from engine import tiny_reflective
from engine.contract import EVERY_HEAD, HEADS, SAMPLING, SOME_HEADS, Contract, assert_equal_steps, tokens_of
from engine.oracle import compare
from engine.programs import Shaken, finish, run_programs
from hypothesis import given, settings
from hypothesis import strategies as st

from reflectgen.config import Sampling
from reflectgen.engine.branch import Branch
from reflectgen.engine.local.attention import register
from reflectgen.engine.local.engine import LocalEngine
from reflectgen.engine.naive import NaiveEngine
from reflectgen.errors import CapacityError
from reflectgen.model.reflective import ReflectiveModel

NAMES = sorted(tiny_models.CONFIGS)
PROMPTS = [tiny_reflective.TOKENIZER.encode(text) for text in ("Add 1 and 2.", "x", "What is 12? Think of [3].", "ab")]


@cache
def model(name: str = "qwen2", slots: bool = True) -> ReflectiveModel:
    """For the local engine, or as the oracle with transformers' own eager attention."""
    return tiny_reflective.model(name, attn_implementation=register() if slots else "eager")


def engine(name: str = "qwen2", *, tokens: int | None = None, max_rows: int = 256, **head: Any) -> LocalEngine:
    """`tokens` is what the cache holds over all branches; None for plenty."""
    grammar = tiny_reflective.grammar(**head)
    budget = None if tokens is None else tokens_to_bytes(name, tokens, grammar.pools)
    return LocalEngine(model(name), grammar, kv_budget=budget, max_rows=max_rows)


def tokens_to_bytes(name: str, tokens: int, states: bool = False) -> int:
    """Keys and values of `tokens` tokens in fp32, perhaps the states, and the largest part that the engine keeps free."""
    config: Any = tiny_models.config(name)
    heads = getattr(config, "num_key_value_heads", config.num_attention_heads)
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    parts = [2 * heads * width] * config.num_hidden_layers + [config.hidden_size] * states
    return 4 * (sum(parts) + max(parts)) * tokens


class TestLocal(Contract):
    def make(self, **head: Any) -> Any:
        return engine(**head)


class TestLocalInLittleMemory(Contract):
    def make(self, **head: Any) -> Any:
        return engine(tokens=128, **head)


class TestLocalOneRowAtATime(Contract):
    seeds = range(12)

    def make(self, **head: Any) -> Any:
        return engine(max_rows=1, **head)


@pytest.mark.parametrize("name", NAMES)
async def test_every_number_is_that_of_one_plain_forward(name: str) -> None:
    await _one_plain_forward(name, {})


@EVERY_HEAD
async def test_every_number_is_that_of_one_plain_forward_however_the_head_reads(head: dict[str, Any]) -> None:
    await _one_plain_forward("qwen2", head)


async def _one_plain_forward(name: str, head: dict[str, Any]) -> None:
    local = engine(name, **head)
    for rows in (1, 3, 16, 64):
        branches = local.branches(PROMPTS[rows % 4], rows, SAMPLING, seed=rows)
        await tokens_of(branches)
        await asyncio.gather(*(branch.answer() for branch in branches))
        assert compare(model(name, slots=False), branches) > 2 * rows
    await local.close()


@pytest.mark.parametrize("name", NAMES)
async def test_forks_force_cancel_and_eviction_change_no_number(name: str) -> None:
    for tokens, head in ((None, "at"), (128, "at"), (128, "at, pooled, end")):
        local = engine(name, tokens=tokens, **HEADS[head])
        branches = await run_programs(local, PROMPTS, range(12))
        assert compare(model(name, slots=False), branches) > 100
        await local.close()


@pytest.mark.parametrize("tokens", [None, 128])
@EVERY_HEAD
async def test_text_that_replaces_what_was_fed_is_fed_anew(tokens: int | None, head: dict[str, Any]) -> None:
    local = engine(tokens=tokens, **head)
    branches = local.branches(PROMPTS[0], 30, SAMPLING, seed=3)
    for branch in branches:
        branch.allow(2)
    await tokens_of(branches)
    for branch in branches:
        branch.allow(10)
        branch.force("</think>so 7")
    await tokens_of(branches)  # where there is no step, the closing tag was fed to grade it, and what follows with it
    for branch in branches:
        branch.force("Wait, no.")
    await tokens_of(branches)
    assert sum(len(branch.ids) > 11 for branch in branches) > 20
    compare(model(slots=False), branches)
    await local.close()


async def test_a_grade_that_is_under_way_is_not_taken_for_the_one_awaited_now() -> None:
    local = engine()
    branches = local.branches(PROMPTS[0], 8, Sampling(max_tokens=5, answer_tokens=2), seed=1)
    await tokens_of(branches)
    for branch in branches:
        branch.force("ab")  # replaces a closing tag, or is cut at the limit: either way an end may have to be graded
    await asyncio.sleep(0)  # the pass that grades it is under way
    await asyncio.gather(*(branch.answer() for branch in branches))  # forces the closing tag: another end
    compare(model(slots=False), branches)
    await local.close()


@SOME_HEADS
async def test_it_draws_what_the_naive_engine_draws(head: dict[str, Any]) -> None:
    local = engine(tokens=128, **head)
    naive = NaiveEngine(model(slots=False), tiny_reflective.grammar(**head), tiny_reflective.CONTEXT)
    ours, theirs = [await _search(each, PROMPTS[0]) for each in (local, naive)]
    assert [(branch.id, branch.ids, branch.finish) for branch in ours] == [
        (branch.id, branch.ids, branch.finish) for branch in theirs
    ]
    for one, other in zip(ours, theirs, strict=True):
        assert_equal_steps(one.steps, other.steps)
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
        assert one.confidences == pytest.approx(other.confidences, abs=1e-4)
    assert ours[0].tree.cost.tokens_generated == theirs[0].tree.cost.tokens_generated
    await local.close()


async def _search(any_engine: Any, prompt: Sequence[int]) -> list[Branch]:
    """A search whose course does not depend on timing: steps, forks old and new, forced text, cuts, answers."""
    branches: list[Branch] = any_engine.branches(prompt, 4, SAMPLING, 5, "step")
    for round_ in range(3):
        for branch in list(branches):
            await anext(branch, None)
        branches += [child for branch in branches[:3] for child in branch.fork(2)]
        branches += branches[round_].fork(1, at=0)
    await tokens_of(branches)
    for branch in branches[::3]:
        branch.force("Wait.\n\n")
        branch.allow(5)
    for branch in branches[1::5]:
        branch.cancel()
    await asyncio.gather(*(branch.answer() for branch in branches))
    return branches


async def test_after_a_failed_pass_the_branches_that_were_not_in_it_go_on_as_if_nothing_had_been() -> None:
    """What the pass was to do to the cache was left undone, so the halted branches must be fed anew."""
    ids = []
    for broken in (False, True):
        local = engine()
        halted = local.branches(PROMPTS[0], 3, SAMPLING, seed=0)
        for number, branch in enumerate(halted):
            branch.allow(10 + number)
        await asyncio.gather(*(branch.ended() for branch in halted))
        if broken:
            await _break(local)
        for branch in halted:
            branch.allow(None)
        ids.append(await tokens_of(halted))
        await local.close()
    assert ids[0] == ids[1]


async def _break(local: LocalEngine) -> None:
    """Let the next pass, of two new branches, fail before it does anything."""

    def fail(plan: Any) -> Any:
        del local._run  # type: ignore[method-assign]
        raise RuntimeError("out of memory")

    local._run = fail  # type: ignore[method-assign]
    branches = local.branches(PROMPTS[1], 2, SAMPLING, seed=1)
    assert [await branch.ended() for branch in branches] == ["failed"] * 2
    assert {branch.error for branch in branches} == {"RuntimeError: out of memory"}


@pytest.mark.parametrize("part", ["planner.plan", "_run", "_apply"])
@pytest.mark.timeout(20)
async def test_an_error_anywhere_in_the_driver_fails_branches_and_leaves_none_waiting(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("broken")

    local = engine(tokens=128)
    owner, _, name = part.rpartition(".")
    monkeypatch.setattr(local.planner if owner else local, name, fail)
    branches = local.branches(PROMPTS[0], 5, SAMPLING, seed=0)
    assert [await branch.ended() for branch in branches] == ["failed"] * 5
    assert local.held == 0


async def test_halted_branches_keep_their_seats_where_a_pass_has_fewer_rows() -> None:
    """Six branches that take turns in passes of two rows write and cost what they do in one of six."""
    costs, texts, occupancies = [], [], []
    for rows in (2, 256):
        one = engine(max_rows=rows)
        branches = one.branches(PROMPTS[2], 6, SAMPLING, 0, "step")
        for _ in range(3):
            await asyncio.gather(*(anext(branch, None) for branch in branches))
            assert one.held == len([branch for branch in branches if branch.state in ("live", "halted", "closed")])
        costs.append(branches[0].tree.cost.tokens_prefilled)
        texts.append([branch.ids for branch in branches])
        occupancies.append(one.occupancy)
        await one.close()
    assert costs == [len(PROMPTS[2]) - 1 + 6] * 2
    assert texts[0] == texts[1]
    assert occupancies[0] > 0.7 and 0 < occupancies[1] <= 6 / 256


async def test_traces_to_be_graded_leave_branches_their_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    local = engine()
    passes, seen = [0], list[int]()  # counted where they are computed
    decode = local.passes.decode

    def decoded(*plan: Any) -> Any:
        passes[0] += 1
        return decode(*plan)

    def graded(*_: Any) -> tuple[()]:
        seen.append(passes[0])
        time.sleep(0.02)
        return ()

    monkeypatch.setattr(local.passes, "decode", decoded)
    monkeypatch.setattr("reflectgen.engine.local.engine.grade_trace", graded)
    (branch,) = local.branches(PROMPTS[0], 1, Sampling(max_tokens=200, answer_tokens=4, temperature=1.0), seed=1)
    while not branch.ids:
        await asyncio.sleep(0)
    await asyncio.gather(*(local.score(PROMPTS[0], [5, 6]) for _ in range(5)), branch.ended())
    assert len(seen) == 5
    before_the_end = [count for count in seen if count < passes[0]]
    assert before_the_end == sorted(set(before_the_end))  # none right after another
    await local.close()


@pytest.mark.parametrize("temperature", [1e-6, 1e-7, 1e-50])
async def test_a_temperature_of_nearly_nothing_draws_the_most_likely_tokens(temperature: float) -> None:
    assert await _greedy(temperature) == await _greedy(0.0)


async def _greedy(temperature: float) -> list[int]:
    local = engine()
    sampling = Sampling(max_tokens=12, answer_tokens=4, temperature=temperature)
    (ids,) = await tokens_of(branches := local.branches(PROMPTS[0], 1, sampling, seed=1))
    await local.close()
    assert branches[0].finish != "failed"
    return ids


def test_a_budget_that_is_too_small_is_told_one_that_is_not() -> None:
    with pytest.raises(CapacityError, match=r"budget of 1 KiB holds no branch .* at least \d+K") as caught:
        LocalEngine(model(), tiny_reflective.grammar(), kv_budget=1024)
    told = int(str(caught.value).split("at least ")[1].split("K")[0]) * 1024
    assert LocalEngine(model(), tiny_reflective.grammar(), kv_budget=told).context == 64


@pytest.mark.timeout(20)
async def test_a_closed_engine_holds_nothing_and_fails_what_is_grown_from_it() -> None:
    local = engine()
    await tokens_of(local.branches(PROMPTS[0], 2, SAMPLING, seed=0))
    await local.close()
    assert local.pressure == local.slots.bytes == 0
    (late,) = local.branches(PROMPTS[0], 1, SAMPLING, seed=0)
    assert await late.ended() == "failed"


@cache
def _shared_engine() -> LocalEngine:
    return engine()


async def _alone(seed: int, prompt: Sequence[int]) -> list[int]:
    [branch] = _shared_engine().branches(prompt, 1, SAMPLING, seed)
    [tokens] = await tokens_of([branch])
    return tokens


async def _crowded(seed: int, prompt: Sequence[int], rng: random.Random) -> list[int]:
    """The same branch, born at a random moment among others that come and go."""
    local = _shared_engine()
    others = []
    for _ in range(rng.randint(1, 4)):
        length, temperature, top_p = rng.randint(1, 40), rng.choice([0.0, 0.6, 1.0]), rng.choice([0.5, 1.0])
        sampling = Sampling(max_tokens=length, temperature=temperature, top_p=top_p)
        others += local.branches(rng.choice(PROMPTS), rng.randint(1, 6), sampling, rng.randrange(100))
    for _ in range(rng.randint(0, 20)):
        await asyncio.sleep(0.0002)
    [branch] = local.branches(prompt, 1, SAMPLING, seed)
    for other in rng.sample(others, len(others) // 2):
        await asyncio.sleep(0)
        other.cancel()
    [tokens] = await tokens_of([branch])
    for other in others:
        other.cancel()
    return tokens


async def _equal_in_any_company(cases: range) -> None:
    for case in cases:
        rng = random.Random(case)
        seed, prompt = rng.randrange(10**6), rng.choice(PROMPTS)
        assert await _crowded(seed, prompt, rng) == await _alone(seed, prompt)


async def test_equal_seeds_give_equal_tokens_in_any_company() -> None:
    await _equal_in_any_company(range(25))


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=500)
@given(seed=st.integers(25, 2**31))
def test_equal_seeds_give_equal_tokens_in_500_companies(seed: int) -> None:
    asyncio.run(_equal_in_any_company(range(seed, seed + 1)))


async def _programs(seeds: range, heads: Iterable[dict[str, Any]]) -> None:
    """One program a seed and way to read, fifty at once."""
    for head in heads:
        local = engine(tokens=128, **head)
        for begin in range(seeds.start, seeds.stop, 50):
            branches = await run_programs(local, PROMPTS, range(begin, begin + 50))
            compare(model(slots=False), branches[::10])
        await local.close()


async def test_random_programs_over_two_slots_end_and_leave_nothing() -> None:
    await _programs(range(1000, 1050), (HEADS["before, pooled"], HEADS["at, end"]))


@pytest.mark.slow
@pytest.mark.timeout(2700)
async def test_3000_random_programs_over_two_slots_end_and_leave_nothing() -> None:
    await _programs(range(1100, 1600), HEADS.values())


async def _shaken(seeds: range) -> int:
    """Programs over two slots while one pass in twenty breaks; returns how many operations they did."""
    local, rng = engine(tokens=128), random.Random(seeds.start)
    run, operations, failed = local._run, 0, 0

    def break_now_and_then(plan: Any) -> Any:
        if rng.random() < 0.05:
            raise RuntimeError("out of memory")
        return run(plan)

    local._run = break_now_and_then  # type: ignore[method-assign]
    for begin in range(seeds.start, seeds.stop, 50):
        some = [Shaken(local, PROMPTS[seed % len(PROMPTS)], seed) for seed in range(begin, min(begin + 50, seeds.stop))]
        programs = await finish(some, local)
        operations += sum(program.operations for program in programs)
        failed += sum(branch.state == "failed" for program in programs for branch in program.branches)
        assert not local.seating.seats and not local.waiting
    assert failed > len(seeds)
    await local.close()
    return operations


async def test_operations_among_broken_passes_leave_every_slot_free() -> None:
    assert await _shaken(range(100)) > 500


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_10000_operations_among_broken_passes_leave_every_slot_free() -> None:
    assert await _shaken(range(100, 1900)) > 10_000
