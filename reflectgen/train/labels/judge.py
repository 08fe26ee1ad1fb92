"""Labels by a language model as judge, behind any OpenAI-compatible endpoint: one request a trace, one verdict a step.

Each step is judged by itself, taking the steps before it as given, as the oracles of tasks do. An answer that does not hold
exactly one verdict for every step, in their order, is not guessed at: its trace is left unlabelled. So are traces that did
not end by themselves, which losses leave out; for these nothing is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from reflectgen.rollouts import Rollout
from reflectgen.train.labels.base import Decode, Labels, Unit, is_left_out, step_texts, unlabelled
from reflectgen.train.labels.endpoint import Endpoint

INSTRUCTION = (
    "Below are a problem and the numbered steps of an attempt at it. Judge every step by itself, taking the steps before it "
    "as given: it is right if it reads the problem correctly, follows from what precedes it, and computes without a mistake; "
    "else it is wrong. Answer with one line for each step and nothing else, like this:\n1: right\n2: wrong"
)
VERDICT = re.compile(r"^\W*(?:step\s+)?(\d+)\W+(right|wrong)\W*$", re.IGNORECASE | re.MULTILINE)
THOUGHT = "</think>"
"""What a judge that thinks aloud writes before its answer."""


def question(problem: str, steps: Sequence[str]) -> list[dict[str, str]]:
    """The chat that asks for verdicts on `steps`."""
    numbered = "\n".join(f"{number}: {' '.join(step.split())}" for number, step in enumerate(steps, start=1))
    return [{"role": "user", "content": f"{INSTRUCTION}\n\nProblem:\n{problem.strip()}\n\nSteps:\n{numbered}"}]


def verdicts(answer: str, steps: int) -> Labels | None:
    """1 for each step called right, 0 for each called wrong; None where not every step has its one verdict, in order."""
    found = VERDICT.findall(answer.rpartition(THOUGHT)[2])
    if [int(number) for number, _ in found] != list(range(1, steps + 1)):
        return None
    return tuple(float(verdict.lower() == "right") for _, verdict in found)


def judge(
    groups: Sequence[Sequence[Rollout]],
    *,
    endpoint: Endpoint,
    text: Callable[[Rollout], str],
    decode: Decode,
    concurrency: int = 8,
) -> Iterator[Unit]:
    """A unit for each group, as it is done; `text` gives the problem's text, `concurrency` requests run at once.

    Raises what `Endpoint.complete` raises; what was not begun by then is not asked.
    """

    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="reflectgen-judge")
    asked = [[(rollout, question(text(rollout), step_texts(rollout, decode))) for rollout in group] for group in groups]
    try:
        for done in as_completed([pool.submit(_ask_all, endpoint, group) for group in asked]):
            yield done.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _ask_all(endpoint: Endpoint, group: Sequence[tuple[Rollout, list[dict[str, str]]]]) -> Unit:
    units = [_ask(endpoint, rollout, chat) for rollout, chat in group]
    labels = {key: values for unit in units for key, values in unit.labels.items()}
    return Unit(labels, sum(unit.tokens for unit in units))


def _ask(endpoint: Endpoint, rollout: Rollout, chat: list[dict[str, str]]) -> Unit:
    if is_left_out(rollout):
        return Unit({rollout.key: unlabelled(rollout)})
    answer = endpoint.complete(chat)
    labels = verdicts(answer.text, len(rollout.steps))
    return Unit({rollout.key: unlabelled(rollout) if labels is None else labels}, answer.tokens)
