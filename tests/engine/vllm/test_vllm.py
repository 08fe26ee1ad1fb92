"""vLLM in this process with the bundled model: the contract, parity with plain forwards, every strategy.

Prefix caching is on, and prefills come in chunks of 96 tokens among the decoding of others.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from engine.contract import HEADS, Contract, tokens_of
from engine.programs import released, run_programs
from engine.vllm.real import LIKELY, OPTIONS, UNLIKELY, compare, engine_like

from reflectgen import load, search, zoo
from reflectgen.config import Sampling
from reflectgen.engine.grading import grade_trace
from reflectgen.engine.vllm.engine import VLLMEngine
from reflectgen.engine.vllm.heads import PROCESSOR
from reflectgen.engine.vllm.inprocess import InProcess
from reflectgen.errors import ModelError
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.reflector import Reflector
from reflectgen.tasks import wordproblems

pytest.importorskip("vllm", reason="vLLM is not installed: make test-vllm")
pytestmark = [
    pytest.mark.vllm,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # vLLM leaves a socket context open
]

PROBLEMS = [wordproblems.generate("test", 0, index).text for index in range(16)]
POOLED: dict[str, Any] = {"pool": "step", "grade_end": True}
FREE = Sampling(**LIKELY, max_tokens=120, answer_tokens=40)


@pytest.fixture(scope="module")
def tiny() -> Iterator[Reflector]:
    """Its engine is used on the tests' own loop."""
    options = {**OPTIONS, "logits_processors": [PROCESSOR]}  # so that its head may read whole steps as well
    with load("tiny", engine="vllm", engine_options=options) as reflector:
        yield reflector


@pytest.fixture(scope="module")
def shared(tiny: Reflector) -> VLLMEngine:
    assert isinstance(tiny.engine, VLLMEngine)
    return tiny.engine


@pytest.fixture(scope="module")
def plain() -> ReflectiveModel:
    return ReflectiveModel.from_pretrained(zoo.path("tiny"))


class TestContract(Contract):
    seeds = range(6)

    @pytest.fixture(autouse=True)
    def over(self, shared: VLLMEngine) -> None:
        self.shared = shared

    def make(self, **head: Any) -> Any:
        return engine_like(self.shared, **head)

    async def test_equal_seeds_give_equal_tokens_whatever_else_is_in_the_batch(self) -> None:
        """vLLM is exempt: equal seeds give equal distributions."""


@pytest.mark.parametrize("rows", [1, 2, 7, 64])
@pytest.mark.parametrize("head", [HEADS["before"], HEADS["at, end"], POOLED], ids=["before", "at, end", "pooled, end"])
async def test_scores_are_those_of_a_plain_forward_at_every_batch_size(
    tiny: Reflector, shared: VLLMEngine, plain: ReflectiveModel, rows: int, head: dict[str, Any]
) -> None:
    engine = engine_like(shared, **head)
    each = max(1, rows // 8)
    prompts = [tiny.encode(problem) for problem in PROBLEMS[: math.ceil(rows / each)]]
    branches = [branch for prompt in prompts for branch in engine.branches(prompt, each, FREE, seed=0)][:rows]
    await tokens_of(branches)
    await asyncio.gather(*(branch.answer() for branch in branches))
    assert {(branch.state, branch.error) for branch in branches} == {("finished", None)}
    assert compare(plain, branches) >= rows


@pytest.mark.parametrize("head", [HEADS["before"], POOLED], ids=["before", "pooled"])
async def test_forks_and_aborts_change_no_score(
    tiny: Reflector, shared: VLLMEngine, plain: ReflectiveModel, head: dict[str, Any]
) -> None:
    engine = engine_like(shared, **head)
    branches = engine.branches(tiny.encode(PROBLEMS[0]), 8, FREE, seed=1, pace="step")
    for depth in range(3):
        await asyncio.gather(*(anext(branch, None) for branch in branches if branch.state in ("live", "halted")))
        for branch in branches[: 4 - depth]:
            branches += branch.fork(2)
        for branch in branches[depth::3]:
            branch.cancel()
    rest = [branch for branch in branches if branch.state != "cancelled"]
    await asyncio.gather(*(branch.answer() for branch in rest))
    await released(engine)
    assert {branch.state for branch in rest} == {"finished"}
    assert compare(plain, branches) > len(rest)


async def test_a_fork_is_fed_only_what_the_cache_lacks(tiny: Reflector, shared: VLLMEngine) -> None:
    engine = engine_like(shared)
    [parent] = engine.branches(tiny.encode(PROBLEMS[1]), 1, FREE, seed=2)
    await parent.ended()
    before = parent.tree.cost.tokens_prefilled
    forks = parent.fork(6, at=len(parent.steps) - 1)
    await tokens_of(forks)
    fed = parent.tree.cost.tokens_prefilled - before
    assert 6 <= fed <= 6 * OPTIONS["block_size"]


@pytest.mark.parametrize("head", [HEADS["at, end"], POOLED], ids=["at, end", "pooled, end"])
async def test_random_programs_report_what_a_plain_forward_says(
    tiny: Reflector, shared: VLLMEngine, plain: ReflectiveModel, head: dict[str, Any]
) -> None:
    engine = engine_like(shared, **head)
    branches = await run_programs(engine, [tiny.encode(problem) for problem in PROBLEMS[:3]], range(30, 36))
    assert compare(plain, branches, UNLIKELY) > 10


@pytest.mark.parametrize("head", [HEADS["before, end"], POOLED], ids=["before, end", "pooled, end"])
async def test_given_traces_are_graded_as_by_a_plain_forward(
    tiny: Reflector, shared: VLLMEngine, plain: ReflectiveModel, head: dict[str, Any]
) -> None:
    engine = engine_like(shared, **head)
    ids = engine.grammar.table.encode("Ann has 3.\n\nThen 4.\n\nSo 7 it is")
    for prompt, completion in ((ids[:2], ids[2:]), ([], ids), (ids, ids)):
        ours = await engine.score(prompt, completion)
        theirs = grade_trace(plain, engine.grammar, prompt, completion)
        assert [step.token_span for step in ours] == [step.token_span for step in theirs]
        for one, other in zip(ours, theirs, strict=True):
            numbers = (other.logit, other.logprob, other.confidence)
            assert (one.logit, one.logprob, one.confidence) == pytest.approx(numbers, abs=1e-4)


@pytest.mark.parametrize("head", [HEADS["before"], POOLED], ids=["before", "pooled, end"])
@pytest.mark.parametrize("strategy", sorted(search.STRATEGIES))
async def test_every_strategy_runs_over_it(
    tiny: Reflector, shared: VLLMEngine, plain: ReflectiveModel, strategy: str, head: dict[str, Any]
) -> None:
    request = tiny.request(PROBLEMS[2], k=4, strategy=strategy, max_tokens=120, seed=3)
    engine = engine_like(shared, **head)
    result = await search.named(strategy)(engine, request)
    await released(engine)
    assert all(trajectory.finish != "failed" for trajectory in result.trajectories)
    assert result.answer is not None
    assert result.cost.tokens_generated > 0
    for trajectory in result.trajectories:
        steps = grade_trace(plain, engine.grammar, request.prompt, trajectory.token_ids, trajectory.forced_spans)
        for one, other in zip(trajectory.steps, steps, strict=False):
            assert one.logit == pytest.approx(other.logit, abs=1e-4)


async def test_a_budget_is_never_exceeded_by_a_search(tiny: Reflector, shared: VLLMEngine) -> None:
    request = tiny.request(PROBLEMS[3], k=6, strategy="beam", budget=300, seed=4)
    result = await search.named("beam")(engine_like(shared), request)
    assert result.cost.tokens_generated <= 300


async def test_greedy_tokens_are_those_of_the_local_engine(tiny: Reflector, shared: VLLMEngine) -> None:
    engine = engine_like(shared)
    with load("tiny") as local:
        for problem in PROBLEMS[:3]:
            expected = local.solve(problem, k=1, temperature=0.0)
            request = tiny.request(problem, k=1, temperature=0.0)
            result = await search.named("best_of_n")(engine, request)
            assert result.trajectories[0].token_ids == expected.trajectories[0].token_ids


async def test_draws_follow_the_distribution_and_never_hit_a_reserved_id(
    tiny: Reflector, shared: VLLMEngine, plain: ReflectiveModel
) -> None:
    """1,500 first tokens at temperature 2 against the softmax: by a chi-square bound, a false alarm in 10,000 runs."""
    import torch

    engine = engine_like(shared)
    prompt = [*tiny.encode(PROBLEMS[4]), *engine.grammar.table.encode("<think>")]
    sampling = replace_sampling(FREE, temperature=2.0, top_p=1.0, max_tokens=1)
    branches = engine.branches(prompt, 1500, sampling, seed=5)
    await tokens_of(branches)
    counts = Counter(branch.ids[0] for branch in branches)
    with torch.inference_mode():
        logits = plain(torch.tensor([prompt])).logits[0, -1].double() / 2
    weights = logits.softmax(-1)
    common = [token for token in range(len(weights)) if weights[token] * 1500 >= 5]
    rest = 1500 - sum(counts[token] for token in common)
    expected = [float(weights[token]) * 1500 for token in common] + [1500 * (1 - float(sum(weights[common])))]
    seen = [counts[token] for token in common] + [rest]
    chi_square = sum((one - mean) ** 2 / mean for one, mean in zip(seen, expected, strict=True) if mean > 0)
    freedom = len(common)
    bound = freedom * (1 - 2 / (9 * freedom) + 3.719 * math.sqrt(2 / (9 * freedom))) ** 3  # Wilson and Hilferty
    assert chi_square < bound
    [replica] = shared.fleet.replicas
    assert not counts.keys() & set(replica.reader.ids)  # type: ignore[attr-defined]


def replace_sampling(sampling: Sampling, **values: Any) -> Sampling:
    return sampling.model_copy(update=values)


async def test_pressure_is_vllms_own(tiny: Reflector, shared: VLLMEngine) -> None:
    engine = engine_like(shared)
    branches = [branch for problem in PROBLEMS for branch in engine.branches(tiny.encode(problem), 6, FREE, seed=6)]
    seen = []
    while any(branch.state == "live" for branch in branches):
        seen.append((engine.pressure, engine.waiting))
        await asyncio.sleep(0.01)
    assert 0 < max(pressure for pressure, _ in seen) <= 1
    assert max(waiting for _, waiting in seen) > 0  # 96 branches for 64 places


async def test_without_a_head_it_draws_and_measures(shared: VLLMEngine, tiny: Reflector, plain: ReflectiveModel) -> None:
    """The replica of a model with a head, read as one without."""
    from reflectgen.engine.vllm.channel import Plain

    [replica] = shared.fleet.replicas
    assert isinstance(replica, InProcess)
    reader, replica.reader = replica.reader, Plain()
    try:
        engine = engine_like(shared)
        engine.grammar = replace(engine.grammar, has_head=False)
        branches = engine.branches(tiny.encode(PROBLEMS[5]), 4, FREE, seed=7)
        await tokens_of(branches)
    finally:
        replica.reader = reader
    bare = ReflectiveModel(plain.backbone)
    assert {branch.score for branch in branches} == {None}
    assert compare(bare, branches) > 4


async def test_an_option_that_vllm_does_not_know_is_refused() -> None:
    with pytest.raises(ModelError, match="no option 'tensor_parallel'"):
        load("tiny", engine="vllm", engine_options={"tensor_parallel": 2})
