"""An engine that plays scripts: the whole Branch contract without a model and without torch, for tests, docs, examples.

    engine = ScriptedEngine([
        Script("Two and two.\n\nThat is 4.\n\n</think>", reply="\\boxed{4}", logits=(0.5, 2.0)),
        Script("Two and two.\n\nThat is 5.\n\n</think>", reply="\\boxed{5}", logits=(0.5, -1.0)),
    ])
    branches = engine.branches(engine.encode("What is 2 + 2?"), 2, Sampling(), seed=0)

Which script is played. Branch i from a prompt plays script i modulo their number; the child with number c of a branch
on script s (numbers from 0) plays script s + c modulo their number: the first child goes on with its parent's, the
next ones with others. A child that shares k steps enters its script behind the k-th step. The seed plays no part.

One token a round is drawn for every live branch, as in a batched engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from reflectgen.engine.branch import Branch, Pace
from reflectgen.engine.grammar import Grammar
from reflectgen.engine.pieces import PieceTokenizer
from reflectgen.engine.record import Trace, step_spans, trace_steps
from reflectgen.engine.turns import TurnEngine
from reflectgen.errors import InputError
from reflectgen.steps import Segmenter, TokenTable
from reflectgen.types import Step

if TYPE_CHECKING:
    from reflectgen.config import Sampling

DEFAULT_TAGS = ("<think>", "</think>")


@dataclass(frozen=True, slots=True)
class Script:
    """What one trajectory will write. Where a tuple of numbers runs out, its last number is repeated."""

    text: str
    """The thinking, its closing tag included; where it runs out, the end of text is drawn.

    Text behind a closing tag is written where the closed thinking is forced open again.
    """
    reply: str = ""
    """What is written after the thinking; then the end of text is drawn."""
    logits: tuple[float, ...] = (0.0,)
    """The head's output for each step."""
    logprobs: tuple[float, ...] = (-1.0,)
    """Log-prob of each token of `text`; those of `reply` have the last one."""
    confidences: tuple[float, ...] = (1.0,)
    """Confidence of each token of `text`; those of `reply` have the last one."""
    fails_at: int | None = None
    """Number of tokens of `text` after which the branch fails; None if it never does."""


@dataclass(slots=True)
class _Play:
    """Where a branch is in its script."""

    script: Script
    text: list[int]
    reply: list[int]
    at: int
    """Tokens of the text that are behind it."""
    replied: int = 0
    """Tokens of the reply that are behind it."""
    fed: int = 0
    """Forced tokens that were counted as prefilled."""


class ScriptedEngine(TurnEngine):
    """Plays scripts; see the module's docstring. Every prompt gets `scripts`, or those of the first key in its text."""

    def __init__(
        self,
        scripts: Sequence[Script] | Mapping[str, Sequence[Script]],
        *,
        tokenizer: PieceTokenizer | None = None,
        tags: tuple[str, str] | None = DEFAULT_TAGS,
        step_rule: str = "paper",
        aggregate: str = "geometric",
        offset: int = -1,
        grade_end: bool = False,
        has_head: bool = True,
        context: int = 4096,
        memory: int = 0,
    ) -> None:
        """`memory` is how many tokens a pretended cache holds, which sets `pressure`; 0 for no such cache."""
        self.scripts = scripts if isinstance(scripts, Mapping) else {"": scripts}
        texts = [text for chosen in self.scripts.values() for script in chosen for text in (script.text, script.reply)]
        self.tokenizer = tokenizer or PieceTokenizer([*texts, *self.scripts], specials=tags or ())
        table = TokenTable(self.tokenizer)
        grammar = Grammar(
            table=table,
            segmenter=Segmenter.bind(step_rule, tags, table, grade_end),
            eos=frozenset({self.tokenizer.eos_token_id}),
            aggregate=aggregate,
            offset=offset,
            has_head=has_head,
        )
        super().__init__(grammar, context)
        self.memory = memory
        self._plays: dict[Branch, _Play] = {}

    @property
    def pressure(self) -> float:
        """Tokens held by branches that are not freed, as a share of `memory`."""
        return min(1.0, sum(branch.length for branch in self._held) / self.memory) if self.memory else 0.0

    @property
    def waiting(self) -> int:
        """How many of the youngest would have no place in `memory`; they are served all the same."""
        used = list(accumulate(branch.length for branch in self._held))
        return sum(total > self.memory for total in used) if self.memory else 0

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`, e.g. of a prompt."""
        return self.tokenizer.encode(text)

    def branches(self, prompt: Sequence[int], n: int, sampling: Sampling, seed: int, pace: Pace = "free") -> list[Branch]:
        """`n` live branches from the prompt, which counts as prefilled once; must be called while an event loop runs."""
        self._scripts(prompt)
        grown = super().branches(prompt, n, sampling, seed, pace)
        if grown:
            grown[0].tree.ledger.tokens_prefilled += len(prompt)
        return grown

    def wake(self, branch: Branch) -> None:
        """Let `branch` play on."""
        if branch not in self._plays:
            self._plays[branch] = self._play(branch)
        super().wake(branch)

    def release(self, branch: Branch) -> None:
        """Forget `branch` and its place in its script."""
        self._plays.pop(branch, None)
        super().release(branch)

    def advance(self, branch: Branch) -> None:
        """Play one token, or give the step logit that the branch awaits."""
        play = self._plays[branch]
        self._charge(branch, play)
        if branch.awaiting is not None:
            branch.settle(self._logit(branch, play))
        elif not branch.answering and play.at == play.script.fails_at:
            branch.fail(f"The script fails after {play.at} tokens.")
        else:
            self._draw(branch, play)

    def play_round(self, live: Sequence[Branch]) -> None:
        """One pass over all `live` branches, counted once for each tree."""
        super().play_round(live)
        for ledger in {id(branch.tree): branch.tree.ledger for branch in live}.values():
            ledger.forward_passes = (ledger.forward_passes or 0) + 1

    async def score(
        self, prompt: Sequence[int], completion: Sequence[int], forced: Sequence[tuple[int, int]] = ()
    ) -> tuple[Step, ...]:
        """The steps of `completion`, with the numbers of the script that shares its longest beginning."""
        script = max(self._scripts(prompt), key=lambda script: _shared(self.encode(script.text), completion))
        trace = Trace(
            prompt=prompt,
            completion=completion,
            forced=forced,
            logprobs=[_at(script.logprobs, i) for i in range(len(completion))],
            confidences=[_at(script.confidences, i) for i in range(len(completion))],
        )
        count = len(step_spans(self.grammar, prompt, completion, forced))
        logits = [_at(script.logits, i) if self.grammar.has_head else None for i in range(count)]
        return trace_steps(self.grammar, trace, logits)

    def _scripts(self, prompt: Sequence[int]) -> Sequence[Script]:
        text = self.tokenizer.decode(prompt)
        for key, scripts in self.scripts.items():
            if key in text:
                return scripts
        raise InputError(f"No script is for the prompt '{text}': add one under a key that occurs in it, or under ''.")

    def _play(self, branch: Branch) -> _Play:
        scripts = self._scripts(branch.tree.prompt)
        script = scripts[sum(map(int, branch.id.split("."))) % len(scripts)]
        text = self.encode(script.text)
        return _Play(script, text, self.encode(script.reply), self._behind(text, len(branch.steps)), fed=_forced(branch))

    def _behind(self, text: list[int], steps: int) -> int:
        """Index in a script's text behind its step number `steps`; where it has fewer, that of its closing tag."""
        ends = self.grammar.segmenter.ends(text)
        if steps == 0:
            return 0
        return ends[steps - 1] + 1 if steps <= len(ends) else self.grammar.segmenter.span(text).stop

    def _charge(self, branch: Branch, play: _Play) -> None:
        """Count the forced tokens that an engine would feed in this turn."""
        forced = _forced(branch)
        branch.tree.ledger.tokens_prefilled += max(0, forced - play.fed)
        play.fed = forced

    def _draw(self, branch: Branch, play: _Play) -> None:
        stream, at = (play.reply, play.replied) if branch.answering else (play.text, play.at)
        token = stream[at] if at < len(stream) else self.tokenizer.eos_token_id
        index = len(play.text) if branch.answering else at
        logit = self._logit(branch, play) if branch.grades(token) else None
        branch.append(token, _at(play.script.logprobs, index), _at(play.script.confidences, index), logit)
        if branch.answering:
            play.replied += 1
        else:
            play.at += 1

    def _logit(self, branch: Branch, play: _Play) -> float:
        return _at(play.script.logits, len(branch.steps))


def _at(numbers: tuple[float, ...], index: int) -> float:
    """`numbers[index]`, the last one where there are fewer."""
    return numbers[min(index, len(numbers) - 1)]


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """Number of leading tokens that are equal."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _forced(branch: Branch) -> int:
    """Number of forced tokens in `branch`."""
    return sum(high - low for low, high in branch.forced)
