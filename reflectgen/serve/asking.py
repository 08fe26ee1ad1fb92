"""What every route that generates may be asked, and what it comes to: a search that is ready to run."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from reflectgen.config import COLDEST, Effort, ServeConfig
from reflectgen.errors import unknown
from reflectgen.reflector import AUTO, Options, Prepared, Reflector
from reflectgen.search import STRATEGIES
from reflectgen.select import SELECTORS
from reflectgen.serve.efforts import EFFORTS
from reflectgen.serve.faults import Fault
from reflectgen.serve.wire import Wire
from reflectgen.types import Problem

EffortName = Literal["none", "minimal", "low", "medium", "high", "xhigh", "auto"]
Stop = Annotated[str, Field(min_length=1, max_length=256)]
Stops = Stop | Annotated[list[Stop], Field(max_length=16)]
Label = Annotated[str, Field(max_length=512)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]


class Extension(Wire):
    """The field `reflectgen`: what OpenAI's fields cannot say."""

    strategy: str | None = None
    """One of the package's search strategies, or "auto"."""
    select: str | None = None
    """One of the package's selectors."""
    k: int | None = Field(None, ge=1)
    """Thinkings; the effort's by default."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """The strategy's own settings."""
    budget: int | None = Field(None, ge=1)
    """As `max_completion_tokens`."""
    stream_steps: bool = False
    """Whether the stream tells of every branch."""


class Knobs(Wire):
    """Fields that all routes share."""

    model: str
    reflectgen: Extension = Extension()
    seed: Seed | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    stream: bool = False
    user: Label | None = None
    metadata: dict[Annotated[str, Field(max_length=64)], Label] = Field(default_factory=dict, max_length=16)
    safety_identifier: Label | None = None
    prompt_cache_key: Label | None = None


class StreamOptions(Wire):
    """What a stream holds beside the answer."""

    include_usage: bool = False
    include_obfuscation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request that is ready to run."""

    id: str
    """Of the response."""
    prepared: Prepared
    effort: str
    n: int = 1
    """Answers that are wanted."""
    stop: tuple[str, ...] = ()
    steps: bool = False
    """Whether the stream tells of every branch."""
    single: bool = False
    """Whether there is one thinking only, between tags: it is the chosen one from its beginning."""
    raw: bool = False
    """Whether everything that was written is the content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a route says beside the knobs."""

    id: str
    problem: str
    prompt: Sequence[int]
    effort: str
    budgets: Sequence[int | None] = ()
    """Every limit on the tokens of the request; the least one counts."""
    n: int = 1
    k: int | None = None
    """Thinkings; the extension's or the effort's by default."""
    stop: str | Sequence[str] | None = None
    raw: bool = False


def ask(model: Reflector, limits: ServeConfig, knobs: Knobs, wanted: Wanted) -> Ask:
    """The search that is asked for; raises what `Reflector.prepare` raises, and a `Fault` for what goes beyond the limits."""
    extension = knobs.reflectgen
    _check_names(extension)
    given = [tokens for tokens in (*wanted.budgets, extension.budget) if tokens is not None]
    if limits.tokens is not None:
        _check("max_completion_tokens", max(given, default=0), limits.tokens)
        given.append(limits.tokens)
    budget = min(given, default=None)
    effort = EFFORTS[wanted.effort]
    _check("n", wanted.n, limits.choices)
    k = _thinkings(effort, knobs, wanted, budget)
    _check("reflectgen.k", k, limits.thinkings)
    options = Options(
        effort=effort,
        k=k,
        strategy=extension.strategy,
        select=extension.select,
        settings=extension.settings,
        budget=budget,
        seed=secrets.randbits(31) if knobs.seed is None else knobs.seed,
        temperature=knobs.temperature,
        top_p=knobs.top_p,
        prompt=wanted.prompt,
    )
    stop = (wanted.stop,) if isinstance(wanted.stop, str) else tuple(wanted.stop or ())
    prepared = model.prepare(Problem(text=wanted.problem), **options)
    return Ask(
        id=wanted.id,
        prepared=prepared,
        effort=wanted.effort,
        n=wanted.n,
        stop=stop,
        steps=extension.stream_steps,
        single=k == 1 and prepared.strategy == "best_of_n" and model.engine.grammar.segmenter.tags is not None,
        raw=wanted.raw,
    )


def _thinkings(effort: Effort, knobs: Knobs, wanted: Wanted, budget: int | None) -> int:
    """How many thinkings. Without a word of `k` they are fitted: one where all would be equal, enough for all answers, and
    no more than the budget has tokens.
    """
    asked = knobs.reflectgen.k or wanted.k
    if asked is not None:
        if asked < wanted.n:
            raise Fault("invalid_value", f"{asked} thinkings cannot give {wanted.n} answers: ask for fewer.", param="n")
        return asked
    alike = knobs.temperature is not None and knobs.temperature < COLDEST and knobs.reflectgen.strategy is None
    k = max(wanted.n, 1 if alike else effort.k)
    return k if budget is None else min(k, budget)


def _check(name: str, value: int, most: int) -> None:
    if value > most:
        raise Fault("invalid_value", f"{name} is {value}, and this service allows {most}.", param=name)


def _check_names(extension: Extension) -> None:
    """Only names of the package: what else the library takes for a name, it imports."""
    if extension.strategy not in (None, AUTO, *STRATEGIES):
        raise unknown("strategy", str(extension.strategy), (*STRATEGIES, AUTO))
    if extension.select not in (None, *SELECTORS):
        raise unknown("selector", str(extension.select), SELECTORS)
