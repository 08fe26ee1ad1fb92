"""The Branch: one trajectory in the making, the same object on every engine.

A branch is a small state machine over token ids. It knows the step rule, its limits and its pace; it knows nothing of
tensors. An engine draws tokens for the branches that are live and hands them in by `append`; a strategy sees the
scored steps come out.

    live ──step end, pace "step"; allowance spent──> halted ──next step asked; allow(n)──> live
    live ──closing tag, end of text, token limit──> closed ──answer()──> live ──end of text──> finished
    closed ──force(text)──> live           any ──cancel()──> cancelled           any ──engine error──> failed

Where the head reads. At offset -1 the state that predicts a step token is in hand when the token is drawn, so `append`
gets its logit at once. At offset 0, and where a thinking whose end is graded was ended from outside, the state is still to
be computed: the branch is `awaiting` that position, live but not drawing, until the engine calls `settle`. The position may
lie before the last token, and before what an engine has already computed.

Where a separate model grades, a branch whose step has ended is `grading`: no engine draws for it, the tree's grader is told
of it and calls `settle`. To a strategy that is as good as live.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, Self

from reflectgen.engine.completion import Completion
from reflectgen.engine.events import Event, event_of, thinking_stop
from reflectgen.engine.grammar import Grammar
from reflectgen.engine.keys import mix
from reflectgen.engine.record import make_step, mean_drawn
from reflectgen.errors import OptionError
from reflectgen.scoring import aggregate
from reflectgen.types import Finish, Step, Trajectory

if TYPE_CHECKING:
    from reflectgen.engine.tree import Tree

Pace = Literal["free", "step"]
"""`free` decodes on while steps queue; `step` halts at each step end until the next step is asked for."""
State = Literal["live", "grading", "halted", "closed", "finished", "cancelled", "failed"]
BUSY = frozenset({"live", "grading"})
"""States that change without anything being asked of the branch."""
UNENDED = BUSY | {"halted", "closed"}
"""States after which it may be live again."""


class Host(Protocol):
    """What a branch asks of the engine that it lives in."""

    def wake(self, branch: Branch) -> None:
        """The branch has become live."""

    def release(self, branch: Branch) -> None:
        """The branch will never be live again: free what it holds, at once."""


class Branch(Completion):
    """A trajectory in the making. The module's docstring draws its states."""

    def __init__(self, tree: Tree, name: str, parent: Branch | None, key: int) -> None:
        super().__init__(tree.prompt)
        self.tree = tree
        self._grammar: Grammar = tree.grammar
        self.id = name
        self.parent = parent
        self.key = key
        """Seed of its random stream: the draw at position i depends on (key, i) alone."""
        self.state: State = "live"
        self.steps: list[Step] = []
        self.awaiting: int | None = None
        """Index in prompt + ids of the state whose logit is still to come."""
        self.finish: Finish | None = None
        self.error: str | None = None
        self.why = ""
        """Why a strategy gave it up, where one did and said so."""
        self._limit = tree.thinking_limit
        self._allowance: int | None = None
        self.answering = False
        """Whether the thinking is over and the reply is being written."""
        self._thinking_start = 0
        self._thinking_stop: int | None = None  # one past the last token of the thinking, once it is closed
        self._reply_start: int | None = None
        self._step_start = 0
        self._graded_at_end = False
        self._pending: list[int] = []  # one past the last token of each step that is still to be graded
        self._pending_state: State = "live"  # what it turns into once all of them are
        self._delivered = 0
        self._children = 0
        self._waiters: list[asyncio.Future[None]] = []

    # -- what a strategy sees ------------------------------------------------------------------------------------

    @property
    def score(self) -> float | None:
        """The running trajectory score; None without a head."""
        scores = [step.score for step in self.steps if step.score is not None]
        return aggregate(self._grammar.aggregate, scores) if self._grammar.has_head else None

    @property
    def logprob(self) -> float:
        """Mean log-prob at temperature 1 of the thinking's generated tokens so far, in nats."""
        return mean_drawn(self.logprobs, (0, self._thinking_end()), self.forced)

    @property
    def confidence(self) -> float:
        """Mean DeepConf token confidence of the thinking's generated tokens so far, in nats."""
        return mean_drawn(self.confidences, (0, self._thinking_end()), self.forced)

    @property
    def tokens(self) -> int:
        """Length of the thinking so far, in tokens."""
        return self._thinking_end()

    @property
    def text(self) -> str:
        """Everything written so far."""
        return self._grammar.table.decode(self.ids)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Step:
        """The next scored step. Ends when the branch is closed, or halted by its allowance."""
        while self._delivered == len(self.steps):
            if self.state == "halted" and self._allowance != 0 and not self.answering:
                self._go("live")
            if self.state not in BUSY or (self.answering and not self._pending):
                raise StopAsyncIteration
            await self._change()
        self._delivered += 1
        return self.steps[self._delivered - 1]

    def allow(self, tokens: int | None) -> None:
        """Let it draw at most this many more tokens before it halts, in mid-step if need be; None lifts the limit."""
        if tokens is not None and tokens < 0:
            raise OptionError(f"A branch cannot be allowed {tokens} tokens: give 0 or more.")
        self._allowance = tokens
        if tokens == 0 and self.state == "live" and not self._pending:
            self._void()
            self._turn("halted")
        elif tokens != 0 and self.state == "halted" and (self.tree.pace == "free" or self.answering):
            self._go("live")

    def fork(self, n: int, at: int | None = None) -> list[Branch]:
        """`n` new branches that share this one's first `at` steps (0: only the prompt); default: those delivered so far.

        They are live and have no allowance of their own; where the shared steps fill the token limit they are closed.
        """
        most = len(self.steps) - (1 if self._graded_at_end and not self._pending else 0)
        kept = min(self._delivered, most) if at is None else at
        if not 0 <= kept <= most:
            raise OptionError(f"Branch {self.id} cannot be forked at step {at}: it has {most} steps.")
        children = [self._child(kept) for _ in range(n)]
        self.tree.branches += children
        for child in children:
            if child.state == "live":
                self.tree.host.wake(child)
        return children

    def force(self, text: str) -> None:
        """Append `text` to the thinking; on a closed branch it replaces what closed it. Counted as prefilled.

        The text is cut where the thinking reaches its token limit; a closing tag in it closes the thinking.
        """
        if self.state not in UNENDED or self.answering:
            raise OptionError(f"Branch {self.id} is {self.state}: only a live, halted or closed thinking can be forced.")
        then = self._pending_state if self._pending else self.state
        if self._thinking_stop is not None:
            self._reopen()
            then = "halted" if self.tree.pace == "step" else "live"
        self._append_forced(self._grammar.table.encode(text)[: self._limit - len(self.ids)])
        if self._thinking_stop is not None:
            self._end("closed")
        else:
            self._go(then)

    async def answer(self) -> str:
        """Close the thinking, write the reply and return it; without thinking tags the thinking is the reply.

        Returns early, with what is written so far, where the allowance is spent; call `allow` and it again to go on.
        """
        if self.state in UNENDED and not self.answering:
            self._begin_answer()
        await self.ended()
        return self.reply

    async def ended(self) -> State:
        """Wait until it is neither live nor about to be; return its state."""
        while self.state in BUSY:
            await self._change()
        return self.state

    def cancel(self) -> None:
        """Stop it at once and free what it holds; nothing happens to one that has ended."""
        if self.state in UNENDED:
            self.finish = self.finish or "cancelled"
            self._leave("cancelled")

    @property
    def reply(self) -> str:
        """The text after the thinking; the whole text where the model has no tags."""
        start = 0 if self._grammar.segmenter.tags is None else self._reply_start
        return "" if start is None else self._decode(self.ids[start:])

    def trajectory(self, extract: Callable[[str], str | None]) -> Trajectory:
        """What it is now, frozen; `extract` reads the answer from the reply."""
        reply = self.reply
        stop = self._thinking_end()
        return Trajectory(
            id=self.id,
            parent=self.parent.id if self.parent else None,
            token_ids=tuple(self.ids),
            thinking=self._decode(self.ids[self._thinking_start : stop]),
            reply=reply,
            answer=extract(reply) if reply else None,
            steps=tuple(self.steps),
            score=self.score,
            logprob=self.logprob,
            confidence=self.confidence,
            tokens=self.tokens,
            finish=self.finish or "cancelled",
            forced_spans=tuple(self.forced),
            error=self.error,
            text=self.text,
            token_logprobs=tuple(self.logprobs),
        )

    # -- what an engine calls ------------------------------------------------------------------------------------

    @property
    def to_feed(self) -> int:
        """Index of the first token that must be fed whatever is cached: the last, or the one whose state is awaited."""
        return self.length - 1 if self.awaiting is None else min(self.length - 1, self.awaiting)

    @property
    def reading(self) -> int:
        """Index in prompt + ids of the first state that the head reads for the step in the making."""
        return self._grammar.window((self._step_start, len(self.ids) + 1), len(self.prompt))[0]

    @property
    def drawable(self) -> int:
        """Most tokens that it would draw now before it halts or ends, as far as its limits tell.

        0 where it only awaits a grade before that.
        """
        if self._pending and self._pending_state != "live":
            return 0
        left = self._limit - len(self.ids)
        return left if self._allowance is None else min(left, self._allowance)

    def grades(self, token: int) -> bool:
        """Whether the state that predicts `token`, if it is drawn next, is one that the head must read now."""
        if self.answering or not self._grammar.reads or self._grammar.offset == 0:
            return False
        event = self._event(token)
        return event == "step" or self._grades_end(token, event)

    def window(self, token: int | None = None) -> tuple[int, int]:
        """Half-open range in prompt + ids of the states whose mean the head reads.

        That is for the step that the branch awaits the grade of, or for the one that `token` ends if it is drawn next.
        """
        if token is None:
            return self._grammar.window((self._step_start, self._pending[0]), len(self.prompt))
        stop = len(self.ids) + 1
        start = stop if self._event(token) == "open" else self._step_start
        return self._grammar.window((start, stop), len(self.prompt))

    def append(self, token: int, logprob: float, confidence: float, logit: float | None) -> None:
        """A token was drawn. `logit` is the head's output on the state that predicted it, where `grades(token)`."""
        assert self.state == "live" and not self._pending, "only a live branch that awaits no grade takes a token"
        event = self._event(token)
        at_end = not self.answering and self._grades_end(token, event)
        self._draw(token, logprob, confidence)
        self.tree.ledger.tokens_generated += 1
        if self._allowance:
            self._allowance -= 1
        if self.answering:
            self._after_reply_token(token)
        else:
            self._after_thinking_token(token, event, at_end, logit)
        if self.state == "live" and self._allowance == 0 and not self._pending:
            self._turn("halted")

    def settle(self, logit: float | None) -> None:
        """The step that awaited its grade gets it: `logit` is the head's output on `window()`."""
        assert self.state in BUSY and self._pending, "only a branch that awaits a grade is settled"
        self.awaiting = None
        self._add_step(self._pending.pop(0), logit)
        self._go(self._pending_state)

    def fail(self, error: str) -> None:
        """An engine could not go on with it: it becomes a record with its error."""
        if self.state in UNENDED:
            self.error, self.finish = error, "failed"
            self._leave("failed")

    # -- inside --------------------------------------------------------------------------------------------------

    def _event(self, token: int) -> Event | None:
        """What drawing `token` next would do to a thinking."""
        if self.answering or token not in self.tree.watched:
            return None
        return event_of(self._grammar, self.ids, self._thinking_start, token)

    def _grades_end(self, token: int, event: Event | None) -> bool:
        """Whether drawing `token`, which would do `event`, ends the thinking and that end is graded."""
        length = len(self.ids)
        if event == "step" or (event != "close" and length + 1 < self._limit):
            return False
        stop = thinking_stop(self._grammar, length + 1, token) if event == "close" else length
        return self._grades_rest(length if event == "open" else self._step_start, stop)

    def _grades_rest(self, start: int, stop: int) -> bool:
        """Whether the end of a thinking is graded whose tokens `start` to `stop` are those behind its last step."""
        alone = not self.steps and not self._pending
        return self._grammar.segmenter.grades_rest(self.ids[start:stop], alone=alone)

    def _after_thinking_token(self, token: int, event: Event | None, at_end: bool, logit: float | None) -> None:
        """What the token just drawn does to the thinking: `event`, and perhaps it is the last that fits."""
        if event == "open":
            self._thinking_start = self._step_start = len(self.ids)
        elif event == "close":
            self._close(token)
        if self._thinking_stop is None and len(self.ids) >= self._limit:
            self._thinking_stop, self.finish = len(self.ids), "length"
        closed = self._thinking_stop is not None
        if event == "step" or at_end:
            self._graded_at_end = at_end
            self._grade(logit, "closed" if closed else "halted" if self.tree.pace == "step" else "live")
        elif closed:
            self._turn("closed")

    def _close(self, token: int) -> None:
        """The last token closed the thinking: the closing tag, or an end of text."""
        self._thinking_stop = thinking_stop(self._grammar, len(self.ids), token)
        tagged = self._grammar.segmenter.tags is not None and token not in self._grammar.eos
        self._reply_start = len(self.ids) if tagged else None
        self.finish = "stop"

    def _grade(self, logit: float | None, then: State) -> None:
        """The last token ends a step: record it now, or await its grade, and turn to `then`."""
        grammar = self._grammar
        if grammar.has_head and (grammar.separate or grammar.offset == 0):
            self._await(len(self.ids), then)
        else:
            self._add_step(len(self.ids), logit)
            self._turn(then)

    def _await(self, stop: int, then: State) -> None:
        """The step that ends before `stop` is still to be graded; `then` is what the branch turns into after that."""
        self._pending.append(stop)
        self._pending_state = then
        self._wait()

    def _wait(self) -> None:
        """Wait for the first grade that is pending: from the engine that draws, or from a separate model."""
        if self._grammar.separate:
            self._turn("grading")
            self.tree.grader(self)
        else:
            self.awaiting = self.window()[1] - 1
            self._turn("live")

    def _add_step(self, stop: int, logit: float | None) -> None:
        """Record the step that ends before `stop`."""
        start, self._step_start = self._step_start, stop
        step = make_step(self._grammar, self.ids, (start, stop), logit, self.logprobs, self.confidences, self.forced)
        self.steps.append(step)

    def _end(self, then: State) -> None:
        """The thinking was ended from outside: grade its end where that is still to be done, then turn to `then`."""
        assert self._thinking_stop is not None
        start = self._pending[-1] if self._pending else self._step_start
        if self.ids and not self._graded_at_end and self._grades_rest(start, min(self._thinking_stop, len(self.ids) - 1)):
            self._graded_at_end = True
            stop = len(self.ids) if self._reply_start is None else self._reply_start
            if self._grammar.has_head:
                self._await(stop, then)
            else:
                self._add_step(stop, None)
        self._go(then)

    def _go(self, then: State) -> None:
        """Turn to `then`, but first let the grades that are pending come in, and never draw beyond the allowance."""
        if self._pending:
            self._pending_state = then
            self._wait()
        elif then == "finished":
            self._leave("finished")
        else:
            self._turn("halted" if then == "live" and self._allowance == 0 else then)
        if self.state == "live":
            self.tree.host.wake(self)

    def _begin_answer(self) -> None:
        """From any thinking to a reply being written; without tags the thinking ends here and is the reply."""
        tags = self._grammar.segmenter.tags
        if tags is None:
            if self._thinking_stop is None:
                self._void()
                self._thinking_stop, self.finish = len(self.ids), "length"
            self._end("finished")
            return
        if self._reply_start is None:
            self._close_by_force(tags.close.text)
        self.answering = True
        self._limit = len(self.ids) + self.tree.answer_limit
        self._end("live")

    def _close_by_force(self, closing: str) -> None:
        """Write the closing tag where the model did not."""
        finish: Finish = "stop" if self.finish == "stop" else "length"
        if self._thinking_stop is not None:
            self._reopen()
        stop = len(self.ids)
        self._append(self._grammar.table.encode(closing))
        self._thinking_stop, self._reply_start, self.finish = stop, len(self.ids), finish

    def _reopen(self) -> None:
        """Undo the closing of the thinking, and the grade that was given or awaited for its end."""
        assert self._thinking_stop is not None
        self._cut(self._thinking_stop)
        if self._graded_at_end and self._pending:
            self._pending.pop()
            self.awaiting = self.awaiting if self._pending else None
        elif self._graded_at_end:
            self._step_start = self.steps.pop().token_span[0]
            self._delivered = min(self._delivered, len(self.steps))
        self._graded_at_end = False
        self._thinking_stop = self._reply_start = self.finish = None

    def _append_forced(self, tokens: Sequence[int]) -> None:
        """Forced tokens of a thinking: they may open, close or truncate it, and never end a step."""
        self._append(tokens)
        span = self._grammar.segmenter.span(self.ids)
        self._thinking_start = span.start
        self._step_start = max(self._step_start, span.start)
        if span.stop < len(self.ids):
            self._thinking_stop, self._reply_start, self.finish = span.stop, span.end + 1, "stop"
        elif len(self.ids) >= self._limit:
            self._thinking_stop, self.finish = len(self.ids), "length"

    def _after_reply_token(self, token: int) -> None:
        if token in self._grammar.eos:
            self._leave("finished")
        elif len(self.ids) >= self._limit:
            self.finish = "length"
            self._leave("finished")

    def _leave(self, state: Literal["finished", "cancelled", "failed"]) -> None:
        """It will never be live again."""
        self._void()
        self._graded_at_end = self._graded_at_end and not self._pending
        self._pending.clear()
        self.awaiting = None
        self._turn(state)
        self.tree.host.release(self)

    def _child(self, kept: int) -> Branch:
        """A branch that shares the first `kept` steps."""
        child = Branch(self.tree, f"{self.id}.{self._children}", self, mix(self.key, self._children))
        self._children += 1
        length = self.steps[kept - 1].token_span[1] if kept else 0
        child._share(self, length)
        child.steps = self.steps[:kept]
        child._delivered = kept
        child._step_start = length
        child._thinking_start = self._thinking_start if kept else 0
        if length >= self.tree.thinking_limit:
            child.state, child.finish, child._thinking_stop = "closed", "length", length
        return child

    def _turn(self, state: State) -> None:
        """Change to `state`, or stay in it with a new step, and tell everyone who waits."""
        self.state = state
        self.tree.ledger.ended = time.perf_counter()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _change(self) -> None:
        """Wait for the next change."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _thinking_end(self) -> int:
        """One past the thinking's last token so far."""
        return len(self.ids) if self._thinking_stop is None else self._thinking_stop

    def _decode(self, ids: Sequence[int]) -> str:
        """Text of `ids` without the end of text."""
        return self._grammar.table.decode([token for token in ids if token not in self._grammar.eos])
