import math
from collections.abc import Iterator

import pytest
import scripted_store as rig
from scripted_server import Answer, Server, serve

from reflectgen.errors import InputError
from reflectgen.rollouts import Rollout
from reflectgen.train.labels import Unit, judge
from reflectgen.train.labels.endpoint import Endpoint
from reflectgen.train.labels.judge import question, verdicts

WORDS = rig.tokenizer()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("no_proxy", "*")
    yield


def ask(server: Server, rows: list[Rollout], concurrency: int = 4) -> list[Unit]:
    endpoint = Endpoint(base_url=server.url, model="judge", patience=0.01, timeout=5)
    groups = [[row] for row in rows]
    return list(
        judge(groups, endpoint=endpoint, text=lambda row: row.problem or "", decode=WORDS.decode, concurrency=concurrency)
    )


def of_the_five(question: str) -> Answer:
    """Finds the step that says 5."""
    return Answer("1: right\n2: wrong" if "2: That is 5." in question else "1: right\n2: right")


def test_a_question_holds_the_problem_and_the_numbered_steps() -> None:
    (message,) = question(" What is 2 + 2? ", ["Two and two.\n\n", "That\nis 4.\n\n"])
    assert message["role"] == "user"
    assert message["content"].endswith("Problem:\nWhat is 2 + 2?\n\nSteps:\n1: Two and two.\n2: That is 4.")


def test_each_trace_is_one_request_and_each_step_gets_its_verdict() -> None:
    with serve(of_the_five) as server:
        units = ask(server, rig.rollouts([rig.GOOD, rig.POOR], WORDS))
    labels = {key: values for unit in units for key, values in unit.labels.items()}
    assert labels == {("sum", 0): (1.0, 1.0), ("sum", 1): (1.0, 0.0)}
    assert [unit.tokens for unit in units] == [7, 7]
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("1: right\n2: wrong", (1.0, 0.0)),
        ("Step 1: Right.\n- **2: wrong**\n", (1.0, 0.0)),
        ("<think>1: wrong\n2: wrong</think>\n1. right\n2. right", (1.0, 1.0)),
        ("Here you are:\n1: right\n2: right", (1.0, 1.0)),
        ("1: right", None),
        ("2: wrong\n1: right", None),
        ("1: right\n2: wrong\n3: right", None),
        ("1: right\n1: wrong\n2: right", None),
        ("1: right\n2: perhaps", None),
        ("The first step is right, the second wrong.", None),
        ("", None),
    ],
)
def test_only_one_verdict_for_each_step_in_order_is_an_answer(answer: str, expected: tuple[float, ...] | None) -> None:
    assert verdicts(answer, 2) == expected


def test_an_answer_that_is_none_leaves_the_trace_unlabelled() -> None:
    with serve([Answer("I cannot tell.")]) as server:
        (unit,) = ask(server, rig.rollouts([rig.GOOD], WORDS))
    assert len(unit.labels[("sum", 0)]) == 2 and all(map(math.isnan, unit.labels[("sum", 0)]))


def test_nothing_is_asked_of_a_trace_that_was_cut_off() -> None:
    with serve([Answer("1: right")]) as server:
        (unit,) = ask(server, rig.rollouts([rig.GOOD], WORDS, max_tokens=6))
    assert server.requests == [] and unit.tokens == 0
    assert all(map(math.isnan, unit.labels[("sum", 0)]))


def test_no_more_requests_run_at_once_than_allowed() -> None:
    with serve([Answer("1: right\n2: right", delay=0.05)]) as server:
        ask(server, rig.rollouts([rig.GOOD] * 9, WORDS), concurrency=3)
    assert len(server.requests) == 9
    assert 1 < server.at_once <= 3


def test_a_refusal_ends_the_work_and_asks_no_more() -> None:
    with serve([Answer(status=401, delay=0.02)]) as server, pytest.raises(InputError, match="check the key"):
        ask(server, rig.rollouts([rig.GOOD] * 40, WORDS), concurrency=2)
    assert len(server.requests) < 20
