from collections import Counter
from itertools import islice

import pytest

from reflectgen import answers
from reflectgen.errors import InputError
from reflectgen.tasks import wordproblems
from reflectgen.tasks.misconceptions import KINDS, PLAIN, TRAP_KINDS, Operation, describe
from reflectgen.tasks.wordproblems import Verdict, generate, judge, judge_steps, problems, remake, side, starts, trace
from reflectgen.types import Problem

WEEK = Problem(
    id="week",
    text="Tom has 12 shells. On Monday, the pile triples. On Tuesday, each of 3 friends brings 4. How many shells is that?",
    answers=("48",),
    meta={
        "start": 12,
        "events": [["grow", [3], "On Monday, the pile triples"], ["gather", [3, 4], "On Tuesday, each of 3 friends brings 4"]],
    },
)


def thinking(*equations: str) -> str:
    return "".join(f"On Monday, the pile triples: {equation}.\n\n" for equation in equations)


def numbers(problem: Problem) -> tuple[int, ...]:
    return (problem.meta["start"], *(number for _, drawn, _ in problem.meta["events"] for number in drawn))


def test_the_right_readings_reach_the_gold_answer_and_the_wrong_ones_follow_their_own_value() -> None:
    assert judge(WEEK, thinking("12 * 3 = 36", "36 + 12 = 48")) == [Verdict(True, True), Verdict(True, True)]
    assert judge(WEEK, thinking("12 + 3 = 15", "15 + 12 = 27")) == [Verdict(False, True), Verdict(True, True)]
    assert judge(WEEK, thinking("12 * 3 = 36", "36 + 4 = 40")) == [Verdict(True, True), Verdict(False, True)]


def test_a_slip_in_a_sum_or_in_what_is_carried_on_is_wrong_arithmetic() -> None:
    assert judge(WEEK, thinking("12 * 3 = 37", "36 + 12 = 48")) == [Verdict(True, False), Verdict(True, False)]
    assert not Verdict(True, False).right
    assert Verdict(True, True).right


@pytest.mark.parametrize("text", ["what now.\n\n", thinking("12 * 3 = ?"), thinking("12 / 0 = 12")])
def test_what_is_no_right_step_is_judged_wrong(text: str) -> None:
    assert [verdict.right for verdict in judge(WEEK, text)] == [False]


def test_a_step_too_many_is_wrong_and_an_unfinished_one_is_not_judged() -> None:
    verdicts = judge(WEEK, thinking("12 * 3 = 36", "36 + 12 = 48", "48 + 0 = 48"))
    assert [verdict.right for verdict in verdicts] == [True, True, False]
    assert len(judge(WEEK, "On Monday, the pile triples: 12 * 3")) == 0


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_oracle_agrees_with_the_generator_on_every_trace(split: wordproblems.Split) -> None:
    for problem in islice(problems(split, 1, (1, 2, 3, 4, 5, 6)), 200):
        made = trace(problem, 0)
        verdicts = judge(problem, made.completion.partition("</think>")[0])
        assert tuple(verdict.reading for verdict in verdicts) == made.readings
        assert all(verdict.arithmetic for verdict in verdicts)
        assert answers.correct(answers.extract(made.completion), problem.answers) == made.correct
        assert made.correct or not all(made.readings)


def test_a_problem_depends_on_split_seed_and_index_alone() -> None:
    assert generate("train", 3, 7) == generate("train", 3, 7)
    assert len({generate(split, seed, index).text for split in ("train", "test") for seed in (0, 1) for index in (0, 1)}) == 8


def test_a_known_problem_stays_what_it_is() -> None:
    assert generate("test", 0, 0).text == (
        "Zoe starts the week with 22 books. On Monday, Zoe buys 4. On Tuesday, each of 4 children gets 3. "
        "On Wednesday, Zoe wins 5 pairs. On Thursday, of 5 new ones 3 are returned. How many books is that?"
    )
    assert generate("test", 0, 0).answers == ("26",)


def test_test_starts_are_never_train_starts_but_end_in_digits_that_those_end_in() -> None:
    assert starts("test") == (8, 15, 22, 29, 36)
    assert sorted(starts("train") + starts("test")) == list(range(6, 41))
    assert {start % 10 for start in starts("test")} <= {start % 10 for start in starts("train")}


def test_the_splits_share_no_template_no_numbers_and_no_starting_count() -> None:
    train = list(islice(problems("train", 0), 300))
    test = list(islice(problems("test", 0), 300))
    assert {side(numbers(problem)) for problem in train} == {"train"}
    assert {side(numbers(problem)) for problem in test} == {"test"}
    assert {problem.meta["start"] for problem in test} == set(starts("test"))
    assert not {problem.meta["start"] for problem in train} & set(starts("test"))


def told_template(problem: Problem) -> wordproblems.Template:
    """The template of a problem, read back from its sentences."""
    sentences = [part.split(", ", 1)[1] for part in problem.text.split(". ") if part.startswith("On ")]
    return tuple(
        (kind, next(phrasing for phrasing in range(3) if sentence in ways_to_tell(kind, phrasing, tuple(drawn))))
        for sentence, (kind, drawn, _) in zip(sentences, problem.meta["events"], strict=True)
    )


def ways_to_tell(kind: str, phrasing: int, drawn: tuple[int, ...]) -> set[str]:
    return {describe(kind, phrasing, drawn, name=name, other=name) for name in wordproblems.NAMES}


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_problem_tells_its_events_in_order_and_its_template_is_of_its_split(split: wordproblems.Split) -> None:
    for problem in islice(problems(split, 4), 50):
        assert side(told_template(problem)) == split


def test_every_count_stays_in_bounds_and_no_trap_comes_twice() -> None:
    for problem in islice(problems("train", 2, (6,)), 100):
        kinds = Counter(kind for kind, *_ in problem.meta["events"])
        assert 1 <= sum(kinds[kind] for kind in TRAP_KINDS) <= 3
        assert all(kinds[kind] == 1 for kind in kinds if kind not in PLAIN)
        for seed in range(5):
            results = [int(part.split(".")[0]) for part in trace(problem, seed, 0.5).completion.split(" = ")[1:]]
            assert all(2 <= result <= 99 for result in results)


@pytest.mark.parametrize(("dial", "traps", "plain"), [(0.0, 0.0, 0.0), (1.0, 1.0, 0.02), (None, 0.46, 0.02)])
def test_the_dial_sets_how_often_traps_are_misread(dial: float | None, traps: float, plain: float) -> None:
    """Over 4,308 traps and 5,732 plain events: 0.03 is four standard deviations of the one, 0.01 five of the other."""
    wrong, count = Counter[bool](), Counter[bool]()
    for problem in islice(problems("train", 0), 2000):
        for (kind, *_), right in zip(problem.meta["events"], trace(problem, 1, dial).readings, strict=True):
            count[kind in PLAIN] += 1
            wrong[kind in PLAIN] += not right
    assert wrong[False] / count[False] == pytest.approx(traps, abs=0.03)
    assert wrong[True] / count[True] == pytest.approx(plain, abs=0.01)


@pytest.mark.parametrize("dial", [0.0, 1.0])
def test_a_step_repeats_its_events_words_whatever_the_reading(dial: float) -> None:
    problem = generate("train", 0, 0)
    steps = trace(problem, 5, dial).completion.split("\n\n")[:-1]
    assert len(steps) == len(problem.meta["events"])
    for step in steps:
        assert f"{step.split(':')[0]}." in problem.text


ONE, TWO = (3,), (4, 2)


@pytest.mark.parametrize(
    ("kind", "drawn", "right", "wrong"),
    [
        ("grow", ONE, ("*", 3), ("+", 3)),
        ("shrink", ONE, ("/", 3), ("-", 3)),
        ("gather", TWO, ("+", 8), ("+", 2)),
        ("share", TWO, ("-", 8), ("-", 2)),
        ("pairs in", ONE, ("+", 6), ("+", 3)),
        ("pairs out", ONE, ("-", 6), ("-", 3)),
        ("bystander", ONE, ("+", 0), ("+", 3)),
        ("order", TWO, ("+", 2), ("+", 4)),
        ("gain", ONE, ("+", 3), ("-", 3)),
        ("loss", ONE, ("-", 3), ("+", 3)),
    ],
)
def test_both_readings_of_a_kind(kind: str, drawn: tuple[int, ...], right: Operation, wrong: Operation) -> None:
    assert (KINDS[kind].right(*drawn), KINDS[kind].wrong(*drawn)) == (right, wrong)


def test_steps_are_judged_however_they_were_cut() -> None:
    """Right; right but for a line break; a wrong reading of what is no event any more."""
    steps = ["On Monday, the pile triples: 12 * 3 = 36.\n\n", "On Tuesday, each of 3 friends brings 4:\n36 + 12 = 48.\n", "48."]
    assert judge_steps(WEEK, steps) == [True, True, False]
    assert judge_steps(WEEK, []) == []


def test_a_problem_is_made_again_from_its_id() -> None:
    for problem in (generate("train", 3, 7), generate("test", 0, 12)):
        assert remake(problem.id) == problem


@pytest.mark.parametrize("name", ["gsm8k/1", "wordproblems/dev/0/1", "wordproblems/test/0", "wordproblems/test/a/1", ""])
def test_another_id_names_no_problem(name: str) -> None:
    with pytest.raises(InputError, match="names no problem of the task wordproblems"):
        remake(name)
