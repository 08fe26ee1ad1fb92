"""A Reflector whose thinkings come out of a store: strategies decide over what was sampled once, without the model.

The recordings of a problem are made when it is first asked for, and only those of the latest `KEPT` problems are held, so that
a store of millions of tokens costs little more memory than its columns.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from reflectgen.config import Sampling
from reflectgen.engine.replay import Recording, ReplayEngine
from reflectgen.errors import InputError
from reflectgen.reflector import Reflector
from reflectgen.rollouts import Store, prompt_hash
from reflectgen.rollouts.shard import read_table
from reflectgen.types import Problem, Step

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

KEPT = 512
"""Problems whose recordings are held at a time; more than are ever solved together."""
KEYS = ("problem_id", "sample", "seed", "prompt_hash")
COLUMNS = (*KEYS, "token_ids", "token_logprobs", "steps", "confidence", "tokens", "forced_spans", "error")
SAME = ("backbone", "head", "dtype", "step_rule", "prompt")
"""Fields of a store's header that must be the model's own."""

Prompt = tuple[int, ...]


def replayed(model: Reflector, problems: Sequence[Problem], store: Store, *, seed: int | None = None) -> Reflector:
    """A Reflector that is `model` in everything but its thinkings: branch i of a problem plays its i-th trace in `store`.

    Only the traces of `seed` are played, or all in the order of their samples where it is None. The sampling is the store's.
    Close it as any other; `model` stays open, and is only asked for prompts. Raises `InputError` where the store was filled
    by another model or prompt, or lacks one of the problems.
    """
    check_model(model, store)
    recordings = Recordings(model, problems, store, seed)
    grammar = replace(model.engine.grammar, separate=False)  # whoever graded, the grades are in the store
    engine = ReplayEngine(grammar, model.engine.context, recordings)
    return Reflector(
        engine,
        model.encode,
        identity=model.identity,
        sampling=Sampling.parse(dict(store.header.sampling), str(store.folder)),
        blend=model.blend,
        frontier=model.frontier,
        notes=model.notes,
    )


def check_model(model: Reflector, store: Store) -> None:
    """Raise `InputError` naming the first thing in which the model that filled `store` differs from `model`."""
    identity, header = model.identity, store.header
    ours = {
        "backbone": identity.backbone,
        "head": identity.head,
        "dtype": identity.dtype,
        "step_rule": model.engine.grammar.segmenter.rule,
        "prompt": identity.prompt.model_dump(mode="json"),
    }
    check_equal(store, {name: getattr(header, name) for name in SAME}, ours)


def check_equal(store: Store, stored: dict[str, Any], asked: dict[str, Any]) -> None:
    """Raise `InputError` naming the first thing in which `stored` differs from what is `asked` for."""
    for name, value in asked.items():
        if _plain(stored[name]) != _plain(value):
            told = f"{_plain(stored[name])} against {_plain(value)}"
            raise InputError(
                f"The store {store.folder} was filled with another {name.replace('_', ' ')} ({told}), so it cannot be replayed "
                "here: give another store, or the same model and options."
            )


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False) if value != "" else "none"


class Recordings(dict[Prompt, list[Recording]]):
    """Prompt -> its recordings, made when they are first looked up."""

    def __init__(self, model: Reflector, problems: Sequence[Problem], store: Store, seed: int | None) -> None:
        """Raises `InputError` where the store has no trace of a problem, or another prompt of it."""
        super().__init__()
        self._shards = [_Shard.read(path) for path in store.shards]
        self._places: dict[Prompt, list[tuple[int, int]]] = {}  # prompt -> shard and row of each of its traces, in order
        stored = self._stored(seed)
        for problem in problems:
            prompt = tuple(model.encode(problem.text))
            found = stored.get((problem.id, prompt_hash(prompt)))
            if found is None:
                sown = "" if seed is None else f" with seed {seed}"
                raise InputError(
                    f"The store {store.folder} has no thinkings of the problem '{problem.id}'{sown}, or of another prompt: "
                    "replay the problems and the prompt that it was filled with."
                )
            self._places[prompt] = [place for _, place in sorted(found.items())]
        self.least = min(map(len, self._places.values()), default=0)
        """Fewest traces of a problem."""

    def _stored(self, seed: int | None) -> dict[tuple[str, int], dict[int, tuple[int, int]]]:
        """Problem id and hash of its prompt -> sample -> shard and row."""
        found: dict[tuple[str, int], dict[int, tuple[int, int]]] = {}
        for number, shard in enumerate(self._shards):
            for row, (problem, sample, sown, hashed) in enumerate(shard.keys):
                if seed is None or sown == seed:
                    found.setdefault((problem, hashed), {})[sample] = (number, row)
        return found

    def __contains__(self, prompt: object) -> bool:
        return prompt in self._places

    def __missing__(self, prompt: Prompt) -> list[Recording]:
        made = [self._shards[shard].recording(row) for shard, row in self._places[prompt]]
        while len(self) >= KEPT:
            del self[next(iter(self))]
        self[prompt] = made
        return made


@dataclass(frozen=True, slots=True)
class _Lists:
    """A column of lists: all elements in a row, and where each list begins."""

    values: dict[str, NDArray[Any]]
    """Of the elements, by the name of their field; "" where they have none."""
    starts: list[int]

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Self:
        """From a column of parquet."""
        import pyarrow as pa

        lists = column.combine_chunks()
        lists = lists.chunk(0) if isinstance(lists, pa.ChunkedArray) else lists
        starts, inner = lists.offsets.to_pylist(), lists.values
        if not pa.types.is_struct(inner.type):
            return cls({"": inner.to_numpy(zero_copy_only=False)}, starts)
        names = [inner.type.field(index).name for index in range(inner.type.num_fields)]
        return cls({name: inner.field(name).to_numpy(zero_copy_only=False) for name in names}, starts)

    def list(self, row: int, name: str = "") -> list[Any]:
        """The list at `row`, or that field of its elements."""
        found: list[Any] = self.values[name][self.starts[row] : self.starts[row + 1]].tolist()
        return found


@dataclass(frozen=True, slots=True)
class _Shard:
    """What replaying needs of a shard, by columns."""

    keys: list[tuple[str, int, int, int]]
    """Of each row: problem id, sample, seed, hash of its prompt."""
    token_ids: _Lists
    token_logprobs: _Lists
    steps: _Lists
    confidences: list[float]
    tokens: list[int]
    forced: list[Any]
    errors: list[str | None]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises `InputError` where the file cannot be read."""
        table = read_table(path, COLUMNS)
        plain = {name: table.column(name).to_pylist() for name in (*KEYS, "confidence", "tokens", "forced_spans", "error")}
        return cls(
            keys=list(zip(*(plain[name] for name in KEYS), strict=True)),
            token_ids=_Lists.of(table.column("token_ids")),
            token_logprobs=_Lists.of(table.column("token_logprobs")),
            steps=_Lists.of(table.column("steps")),
            confidences=plain["confidence"],
            tokens=plain["tokens"],
            forced=plain["forced_spans"],
            errors=plain["error"],
        )

    def recording(self, row: int) -> Recording:
        """The trace at `row`."""
        return Recording(
            token_ids=tuple(self.token_ids.list(row)),
            token_logprobs=tuple(self.token_logprobs.list(row)),
            steps=self._steps(row),
            confidence=self.confidences[row],
            tokens=self.tokens[row],
            forced_spans=tuple((span["start"], span["stop"]) for span in self.forced[row] or ()),
            error=self.errors[row],
        )

    def _steps(self, row: int) -> tuple[Step, ...]:
        names = ("start", "stop", "score", "logit", "logprob", "confidence")
        return tuple(
            Step(
                text="",
                token_span=(start, stop),
                score=_known(score),
                logit=_known(logit),
                logprob=logprob,
                confidence=confidence,
            )
            for start, stop, score, logit, logprob, confidence in zip(
                *(self.steps.list(row, name) for name in names), strict=True
            )
        )


def _known(value: float | None) -> float | None:
    """None for what parquet held nothing in."""
    return None if value is None or math.isnan(value) else value
