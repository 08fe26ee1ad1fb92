"""A Reflector: an engine with a prompt in front of it and a plain front for people.

Everything is async underneath. The engine lives on an event loop of its own (`reflectgen.background`), so that plain
calls work anywhere, a notebook's running loop included.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack, get_args

from reflectgen import search, select
from reflectgen.background import Background, together
from reflectgen.config import EFFORTS, Blend, Effort, Sampling
from reflectgen.engine.base import Engine, room
from reflectgen.engine.branch import Branch
from reflectgen.engine.tree import limits
from reflectgen.errors import CapacityError, InputError, ModelError, OptionError, unknown
from reflectgen.identity import UNKNOWN, Identity
from reflectgen.prompts import BLANK_LINE, Turn
from reflectgen.scoring import aggregate
from reflectgen.search.base import Answering, Request, check_together
from reflectgen.search.choice import Point
from reflectgen.steps import OFFICIAL, read_index
from reflectgen.types import Problem, Result, Step

LIVE_BRANCHES = 256
"""Branches kept live by `solve_many` where its concurrency is not given: enough to fill a batch."""

AUTO = "auto"
"""The strategy that stands for the one which fits the model (`reflectgen.search.choice`)."""


class Options(TypedDict, total=False):
    """How to solve a problem. What is not given, or None, is the method's or the model's default."""

    effort: str | Effort | None
    """"low", "medium" (default) or "high": 2, 8 or 32 thinkings; "auto": up to 32, until the answer is settled; or an
    `Effort` of one's own. The next five override what it says."""
    k: int | None
    """Thinkings to sample."""
    strategy: str | None
    """Name in `reflectgen.search.STRATEGIES`, or "auto" for the one that fits the model."""
    settings: Mapping[str, Any] | None
    """The strategy's own settings (`reflectgen.config.search`)."""
    budget: int | None
    """Most tokens generated for a problem, over all branches."""
    max_tokens: int | None
    """Longest thinking, in tokens."""
    select: str | None
    """Name of a selector of `reflectgen.select`; by default the strategy's own, else sprm where the model has a head, else
    majority."""
    answer: str | None
    """Whether "all" thinkings get an answer (default) or only the "chosen" one."""
    abstain_below: float | None
    """Least share of the votes that an answer needs, in [0, 1]; 0 by default."""
    seed: int | None
    """Equal seeds give equal results; 0 by default."""
    temperature: float | None
    """Divides the logits; 0 takes the most likely token. By default, as the next two, the model's own setting."""
    top_p: float | None
    """Draw from the smallest set of tokens with at least this probability."""
    top_k: int | None
    """Draw from this many most likely tokens; 0 for all."""
    answer_tokens: int | None
    """Longest reply after the thinking, in tokens."""
    extract: Callable[[str], str | None] | None
    """Reads the answer from a reply; `reflectgen.answers.extract` by default."""
    observe: Callable[[Branch], None] | None
    """Called with a branch when it begins and whenever a step of it was graded or its state has changed, on the engine's
    thread."""
    prompt: Sequence[int] | None
    """Token ids of the prompt, where they are not to be made from the problem's text."""


REQUESTED = ("answer", "abstain_below", "seed", "extract", "observe")
"""Options that a request takes as they are."""


@dataclass(frozen=True, slots=True)
class GradedText:
    """A given text, graded."""

    score: float
    """Trajectory score, in [0, 1]."""
    steps: tuple[Step, ...]
    positions: tuple[int, ...]
    """For each step, the index in the whole text's tokens of the state that the head read."""
    tokens: int
    """Length of the whole text, in tokens."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A problem that may be solved at once: everything that could be wrong with it was looked at."""

    request: Request
    strategy: str
    """Name of the strategy, "auto" replaced by the one that fits the model."""
    notes: tuple[str, ...]
    """What the result will say beside its answer."""


class Reflector:
    """A model that solves problems and grades texts. Close it, or use it as a context manager, to free its memory."""

    def __init__(
        self,
        engine: Engine,
        encode: Callable[[str], Sequence[int]],
        *,
        identity: Identity = UNKNOWN,
        sampling: Sampling | None = None,
        blend: Blend | None = None,
        frontier: Sequence[Point] = (),
        notes: Sequence[str] = (),
        chat: Callable[[Sequence[Turn]], Sequence[int]] | None = None,
    ) -> None:
        """`encode` turns a problem into the token ids of its prompt; `notes` are repeated in every result.

        `frontier` is what strategies were measured to reach with this model, for the strategy "auto". `chat` turns a
        conversation into the token ids of its prompt; by default its messages are one text, blank lines between them.
        """
        self.engine = engine
        self.encode = encode
        self.chat = chat or (lambda turns: encode(BLANK_LINE.join(turn["content"] for turn in turns)))
        self.identity = identity
        self.sampling = sampling or Sampling()
        self.blend = blend
        self.frontier = tuple(frontier)
        self.notes = tuple(notes)
        self._background = Background()

    def solve(self, problem: str | Problem, **options: Unpack[Options]) -> Result:
        """Think about `problem` in many branches and choose the best; works inside a running event loop too.

        Raises `InputError` for an empty prompt, `CapacityError` for one longer than the context, `OptionError` for an
        option that is unknown or out of range and `ModelError` for a selector that needs a head where there is none.
        """
        return self._background.run(self._solve(problem, options))

    async def asolve(self, problem: str | Problem, **options: Unpack[Options]) -> Result:
        """`solve` for a caller in an event loop, which goes on meanwhile."""
        return await asyncio.wrap_future(self._background.submit(self._solve(problem, options)))

    async def acarry_out(self, prepared: Prepared) -> Result:
        """`asolve` of what `prepare` has looked at. Cancelling it frees its branches before the next token is drawn."""
        return await asyncio.wrap_future(self._background.submit(self._carry_out(prepared)))

    def carry_out_many(self, prepared: Iterable[Prepared], *, concurrency: int) -> Iterator[Result]:
        """`solve_many` of what `prepare` has looked at, each with options of its own."""
        return self._background.as_completed(map(self._carry_out, prepared), concurrency)

    def solve_many(
        self, problems: Iterable[str | Problem], *, concurrency: int | None = None, **options: Unpack[Options]
    ) -> Iterator[Result]:
        """Solve many problems together and yield each result as it is ready, in any order.

        At most `concurrency` problems are in the works at a time; by default as many as fill a batch. Raises what
        `solve` raises; dropping the iterator cancels the rest.
        """
        limit = unit(thinkings(options)) if concurrency is None else concurrency
        return self._background.as_completed((self._solve(problem, options) for problem in problems), limit)

    def solve_together(self, problems: Sequence[str | Problem], **options: Unpack[Options]) -> Iterator[Result]:
        """Solve `problems` all at once, apart from anything else; yield each result as it is ready, in any order.

        What is computed together depends on these problems alone, so the same call gives the same results to the last bit
        (`solve_many` refills the batch as it goes, and in 16 bits tokens may then differ). Nothing else may be solved
        meanwhile. Raises what `solve` raises; dropping the iterator cancels the rest.
        """
        done: SimpleQueue[Result | None] = SimpleQueue()
        work = self._background.submit(self._solve_together(problems, options, done.put))
        work.add_done_callback(lambda _: done.put(None))
        try:
            while (result := done.get()) is not None:
                yield result
            work.result()
        finally:
            work.cancel()

    def request(self, problem: str | Problem, **options: Unpack[Options]) -> Request:
        """What `solve` hands to the strategy; raises what `solve` raises for a wrong prompt or option."""
        return self.prepare(problem, **options).request

    def prepare(self, problem: str | Problem, **options: Unpack[Options]) -> Prepared:
        """Everything of `solve` but the search itself; raises what `solve` raises for a wrong prompt or option."""
        check(options)
        given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
        effort, why = self._effort(options)
        question = Problem(text=problem) if isinstance(problem, str) else problem
        prompt = tuple(given["prompt"] if "prompt" in given else self.encode(question.text))
        sampling = _sampling(self.sampling, options, effort)
        limits(room(prompt, self.engine.context), sampling, self.engine.grammar)
        request = Request(
            problem=question,
            prompt=prompt,
            k=effort.k,
            budget=effort.budget,
            settings=effort.settings,
            select=self._selector(options.get("select"), effort_of(options).strategy),
            sampling=sampling,
            blend=self.blend,
            **{name: given[name] for name in REQUESTED if name in given},
        )
        return Prepared(request, effort.strategy, (*self.notes, *why))

    def score(self, prompt: Sequence[int], completion: Sequence[int]) -> tuple[Step, ...]:
        """The graded steps of a given trace of token ids. Raises `ModelError` where the model has no head."""
        self._need_head("Grading steps")
        return self._background.run(self.engine.score(prompt, completion))

    def score_text(self, prompt: str, completion: str = "") -> GradedText:
        """Grade a given text, `prompt` and `completion` joined; steps are sought in the completion.

        Without a completion the whole text is searched. Raises `ModelError` where the model has no head.
        """
        return next(self.score_texts([(prompt, completion)]))[1]

    async def ascore_text(self, prompt: str, completion: str = "") -> GradedText:
        """`score_text` for a caller in an event loop, which goes on meanwhile."""
        self._need_head("Grading steps")
        _, graded = await asyncio.wrap_future(self._background.submit(self._score_text(0, prompt, completion)))
        return graded

    def score_texts(self, texts: Iterable[tuple[str, str]], *, concurrency: int = 32) -> Iterator[tuple[int, GradedText]]:
        """`score_text` of many pairs, `concurrency` at a time: (index, grades) as each is ready, in any order."""
        self._need_head("Grading steps")
        works = (self._score_text(index, *pair) for index, pair in enumerate(texts))
        return self._background.as_completed(works, concurrency)

    def close(self) -> None:
        """Cancel what is live and free the memory. A second call does nothing."""
        if not self._background.closed:
            self._background.run(self.engine.close())
            self._background.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    async def _solve(self, problem: str | Problem, options: Options) -> Result:
        return await self._carry_out(self.prepare(problem, **options))

    async def _carry_out(self, prepared: Prepared) -> Result:
        result = await search.named(prepared.strategy)(self.engine, prepared.request)
        return replace(result, notes=(*prepared.notes, *self.engine.notes))

    def _effort(self, options: Options) -> tuple[Effort, tuple[str, ...]]:
        """What the options ask for, "auto" replaced by the strategy that fits the model, and why it does."""
        effort = effort_of(options)
        if effort.strategy != AUTO:
            return effort, ()
        name, why = search.pick(self.identity.parameters, self.frontier, effort.k, self._selector(options.get("select"), AUTO))
        return effort.model_copy(update={"strategy": name, "settings": {}}), (f"The strategy is {name}: {why}.",)

    async def _solve_together(
        self, problems: Sequence[str | Problem], options: Options, report: Callable[[Result], None]
    ) -> None:
        async def solve(problem: str | Problem) -> None:
            report(await self._solve(problem, options))

        await together(solve(problem) for problem in problems)

    def _selector(self, name: str | None, strategy: str) -> str:
        """`name`, or where it is None the strategy's own, else the default; raises where the model cannot do it."""
        has_head = self.engine.grammar.has_head
        if name is None:
            own = search.OWN_SELECT.get(strategy, "sprm")
            return own if has_head or not select.needs_head(own) else "majority"
        if select.needs_head(name):
            self._need_head(f"The selector '{name}'")
        return name

    def _need_head(self, what: str) -> None:
        if not self.engine.grammar.has_head:
            raise ModelError(f"{what} needs an SPRM head, and this model has none: give it one with --head.")

    async def _score_text(self, index: int, prompt: str, completion: str) -> tuple[int, GradedText]:
        grammar = self.engine.grammar
        ids = grammar.table.encode(prompt + completion)
        if not ids:
            raise InputError("The text is empty: give at least one word.")
        if len(ids) > self.engine.context:
            raise CapacityError(f"The text has {len(ids)} tokens, the model's context {self.engine.context}: shorten it.")
        start = 0
        if completion and grammar.segmenter.rule not in OFFICIAL:
            start = _common(grammar.table.encode(prompt), ids)
        steps = await self.engine.score(ids[:start], ids[start:])
        scores = [step.score for step in steps if step.score is not None]
        positions = tuple(read_index(start + step.token_span[1] - 1, grammar.offset) for step in steps)
        return index, GradedText(aggregate(grammar.aggregate, scores), steps, positions, len(ids))


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """Length of the longest common beginning."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))


def check(options: Options) -> None:
    """Raise `OptionError` for the first option that is unknown or out of range, as far as no model is needed to tell."""
    for option in options.keys() - Options.__annotations__.keys():
        raise unknown("option", option, Options.__annotations__)
    effort = effort_of(options)
    if effort.strategy != AUTO:
        search.named(effort.strategy)
        search.check_settings(effort.strategy, effort.settings)
    elif effort.settings:
        raise OptionError("The strategy auto chooses for itself, so it takes no settings: name the strategy they are for.")
    if (name := options.get("select")) is not None:
        select.needs_head(name)
    if (answer := options.get("answer")) not in (None, *get_args(Answering)):
        raise unknown("way to answer", str(answer), get_args(Answering))
    if answer == "chosen" and effort.strategy in search.COMPARING:
        raise OptionError(f"The strategy {effort.strategy} compares answers, so all thinkings must have one: let all answer.")
    abstain_below = options.get("abstain_below") or 0.0
    if not 0 <= abstain_below <= 1:
        raise OptionError(f"abstain_below is a share of the votes, from 0 to 1, and not {abstain_below}.")
    selector = name or search.OWN_SELECT.get(effort.strategy, "sprm")
    check_together(k=effort.k, budget=effort.budget, selector=selector, answer=answer or "all", abstain_below=abstain_below)
    _sampling(Sampling(), options, effort)


def unit(k: int) -> int:
    """Problems of k thinkings that are solved together where a run must be resumable: as many as fill a batch."""
    return max(1, LIVE_BRANCHES // k)


def thinkings(options: Options) -> int:
    """How many thinkings the options ask for, at most; raises as `effort_of`."""
    return effort_of(options).k


def effort_of(options: Options) -> Effort:
    """The effort that the options name, with what they say beside it on top.

    Raises `OptionError` for an unknown name and for a value out of range.
    """
    asked = options.get("effort") or "medium"
    if isinstance(asked, str) and asked not in EFFORTS:
        raise unknown("effort", asked, EFFORTS)
    effort = EFFORTS[asked] if isinstance(asked, str) else asked
    k = options.get("k")
    if k is not None and k < 1:
        raise OptionError(f"k must be at least 1, not {k}: it is the number of thinkings to sample.")
    given = {name: value for name, value in options.items() if name in Effort.model_fields and value is not None}
    own = effort.settings if given.get("strategy") in (None, effort.strategy) else {}
    settings = {**own, **(options.get("settings") or {})}
    return Effort.parse({**effort.model_dump(), **given, "settings": settings}, "The options")


def _sampling(own: Sampling, options: Options, effort: Effort) -> Sampling:
    """`own` with what the options and the effort say of it on top."""
    asked = {**options, "max_tokens": effort.max_tokens}
    given = {name: value for name, value in asked.items() if name in Sampling.model_fields and value is not None}
    return Sampling.parse({**own.model_dump(), **given}, "The sampling options")
