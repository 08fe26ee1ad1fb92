"""The oracle itself, checked against plain forwards written out here."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch
from engine import tiny_reflective
from engine.contract import assert_equal_steps
from engine.tiny_reflective import CONTEXT, grammar, model

from reflectgen.config import Sampling
from reflectgen.engine.branch import Branch
from reflectgen.engine.grading import ROWS, grade_trace, measure
from reflectgen.engine.naive import NaiveEngine
from reflectgen.engine.sampling import uniforms
from reflectgen.errors import CapacityError

PROMPT = tiny_reflective.TOKENIZER.encode("Add 1 and 2.")
PLAIN = Sampling(max_tokens=30, answer_tokens=4, temperature=1.0, top_p=1.0)


def engine(offset: int = -1, **options: Any) -> NaiveEngine:
    return NaiveEngine(model(offset=offset, **options), grammar(offset=offset, has_head=options.get("has_head", True)), CONTEXT)


@torch.no_grad()
def reread(naive: NaiveEngine, branch: Branch) -> Any:
    """One plain forward of the backbone over everything, with all hidden states."""
    return naive.model.backbone(torch.tensor([[*PROMPT, *branch.ids]]), output_hidden_states=True)


async def think(branches: list[Branch]) -> list[Branch]:
    await asyncio.gather(*(branch.ended() for branch in branches))
    return branches


async def test_every_number_is_that_of_one_plain_forward() -> None:
    naive = engine()
    for branch in await think(naive.branches(PROMPT, 4, PLAIN, seed=1)):
        output = reread(naive, branch)
        logprobs = output.logits[0].double().log_softmax(-1)
        before = len(PROMPT) - 1
        for i, token in enumerate(branch.ids):
            assert branch.logprobs[i] == pytest.approx(logprobs[before + i, token].item(), abs=1e-4)
            top = logprobs[before + i].topk(20).values
            assert branch.confidences[i] == pytest.approx(-top.mean().item(), abs=1e-4)
        graded = naive.model.grade(output.hidden_states[-2][0])  # (T,)
        for step in branch.steps:
            assert step.logit == pytest.approx(graded[before + step.token_span[1] - 1].item(), abs=1e-4)


async def test_at_offset_0_the_head_reads_at_the_step_token() -> None:
    naive = engine(offset=0)
    for branch in await think(naive.branches(PROMPT, 4, PLAIN, seed=1)):
        graded = naive.model.grade(reread(naive, branch).hidden_states[-2][0])  # (T,)
        for step in branch.steps:
            assert step.logit == pytest.approx(graded[len(PROMPT) + step.token_span[1] - 1].item(), abs=1e-4)


@pytest.mark.parametrize("name", sorted(tiny_models.CONFIGS))
@pytest.mark.parametrize("piece", [1, 7, 16])
def test_a_long_trace_is_read_in_pieces(name: str, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    reflective, rules = model(name), grammar()
    ids = tiny_reflective.TOKENIZER.encode("First 1.\n\nThen 2, and then 3.\n\nSo it is 3.\n\n")
    for prompt in (PROMPT, []):
        monkeypatch.setattr("reflectgen.engine.grading.PIECE", 10_000)
        whole = grade_trace(reflective, rules, prompt, ids)
        monkeypatch.setattr("reflectgen.engine.grading.PIECE", piece)
        assert len(whole) == 3
        assert_equal_steps(grade_trace(reflective, rules, prompt, ids), whole)


@pytest.mark.parametrize("offset", [-1, 0])
async def test_a_pooling_head_reads_the_mean_over_all_of_a_step_s_tokens(offset: int) -> None:
    naive = NaiveEngine(model(), grammar(offset=offset, pool="step"), CONTEXT)
    for branch in await think(naive.branches(PROMPT, 4, PLAIN, seed=1)):
        states = reread(naive, branch).hidden_states[-2][0]  # (T, D)
        for step in branch.steps:
            tokens = torch.arange(*step.token_span) + len(PROMPT) + offset
            assert step.logit == pytest.approx(naive.model.grade(states[tokens].mean(0)).item(), abs=1e-4)


@pytest.mark.parametrize("offset", [-1, 0])
async def test_a_graded_end_is_read_at_the_token_that_closed_it(offset: int) -> None:
    naive = NaiveEngine(model(), grammar(offset=offset, grade_end=True), CONTEXT)
    branches = await think(naive.branches(PROMPT, 12, PLAIN, seed=1))
    ended = [branch for branch in branches if len(branch.steps) > 1 and branch.steps[-1].token_span[1] == len(branch.ids)]
    assert len(ended) > 3
    for branch in ended:
        graded = naive.model.grade(reread(naive, branch).hidden_states[-2][0])  # (T,)
        assert branch.steps[-1].logit == pytest.approx(graded[offset - 1].item(), abs=1e-4)


async def test_a_draw_depends_on_key_and_position_alone() -> None:
    naive = engine()
    [branch] = await think(naive.branches(PROMPT, 1, PLAIN, seed=2))
    numbers = uniforms(np.full(len(branch.ids), branch.key, np.uint64), np.arange(len(branch.ids), dtype=np.uint64))
    logits = reread(naive, branch).logits[0, len(PROMPT) - 1 : -1]
    falling, order = logits.double().softmax(-1).sort(dim=-1, descending=True)
    columns = (falling.cumsum(-1) <= torch.from_numpy(numbers)[:, None]).sum(-1)
    assert order.gather(1, columns[:, None]).squeeze(1).tolist() == branch.ids


async def test_temperature_0_takes_the_most_likely_token() -> None:
    naive = engine()
    [branch] = await think(naive.branches(PROMPT, 1, Sampling(max_tokens=5, temperature=0), seed=3))
    logits = reread(naive, branch).logits[0, len(PROMPT) - 1 : -1]
    assert branch.ids == logits.argmax(-1).tolist()


async def test_costs_say_that_every_pass_reads_everything() -> None:
    naive = engine()
    [branch] = naive.branches(PROMPT, 1, PLAIN, seed=4)
    branch.allow(3)
    await branch.ended()
    n, cost = len(PROMPT), branch.tree.cost
    assert (cost.tokens_generated, cost.forward_passes) == (3, 3)
    assert cost.tokens_prefilled == n + n + (n + 1)


async def test_without_a_head_it_draws_the_same_and_grades_nothing() -> None:
    with_head, without = engine(), engine(has_head=False)
    [graded] = await think(with_head.branches(PROMPT, 1, PLAIN, seed=5))
    [plain] = await think(without.branches(PROMPT, 1, PLAIN, seed=5))
    assert plain.ids == graded.ids
    assert [step.token_span for step in plain.steps] == [step.token_span for step in graded.steps]
    assert plain.score is None
    steps = await without.score(PROMPT, plain.ids)
    assert_equal_steps(steps, plain.steps)


async def test_a_trace_that_is_too_long_is_refused_and_an_empty_one_has_no_steps() -> None:
    naive = engine()
    assert await naive.score(PROMPT, []) == ()
    with pytest.raises(CapacityError, match="The trace has 257 tokens, the model's context 256"):
        await naive.score(PROMPT, [10] * (257 - len(PROMPT)))


async def test_an_error_in_a_pass_fails_the_branch() -> None:
    naive = engine()
    naive.context = 10**6
    [branch] = naive.branches([10**5], 1, PLAIN, seed=6)
    assert await branch.ended() == "failed"
    assert branch.error is not None
    assert branch.error.startswith("IndexError")


def test_measures_are_the_same_however_many_rows_are_taken_at_once() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2 * ROWS + 3, 30, generator=generator)
    tokens = torch.randint(30, (2 * ROWS + 3,), generator=generator)
    logprobs, confidences = measure(logits, tokens)
    table = logits.log_softmax(-1)
    assert logprobs == pytest.approx(table[torch.arange(len(tokens)), tokens].tolist())
    assert confidences == pytest.approx((-table.sort(descending=True).values[:, :20].mean(-1)).tolist())
