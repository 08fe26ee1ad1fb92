import pytest

from reflectgen.tasks.choice import extract, mutate, render
from reflectgen.types import Problem


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("Because of this.\n\nANSWER: C", "C"),
        ("**ANSWER: C**", "C"),
        ("**Answer**: **C**", "C"),
        ("ANSWER: (C) 4.5 m", "C"),
        ("ANSWER: C. 4.5 m", "C"),
        ("ANSWER: $C$", "C"),
        ("ANSWER: 'C'", "C"),
        (r"ANSWER: \boxed{C}", "C"),
        (r"ANSWER: \text{(C)}", "C"),
        ("answer: c", "C"),
        ("ANSWER:\nC", "C"),
        ("ANSWER: Option C", "C"),
        ("ANSWER\N{FULLWIDTH COLON}\N{FULLWIDTH LATIN CAPITAL LETTER C}\N{IDEOGRAPHIC FULL STOP}", "C"),
        ("ANSWER: B\nNo, wait.\nANSWER: C", "C"),
        ("ANSWER: C\n\nOption A is wrong, option B as well.", "C"),
        ("ANSWER: C\n(the last line is of the form 'ANSWER: $LETTER')", "C"),
        ("The answer is (C).", "C"),
        ("So the correct option is C, since B is too small.", "C"),
        ("答案是C。", "C"),
        ("正确答案为 C", "C"),
        ("故选C", "C"),
        ("所以选择C。", "C"),
        (r"Hence $\boxed{\text{C}}$ is right.", "C"),
        ("It is the third one.\n\n(C)", "C"),
        ("ANSWER: J", "J"),
        ("C. {4 m}", "C"),
        ("It must be long.\n\n**C.** 4 m", "C"),
        ("(C) 4 m", "C"),
        ("C) 4 m", "C"),
    ],
)
def test_a_stated_letter_is_read(reply: str, letter: str) -> None:
    assert extract(reply) == letter


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "ANSWER:",
        "ANSWER: $LETTER",
        "ANSWER: X",
        "ANSWER: K",
        "ANSWER: A or B",
        "ANSWER: A, C",
        "ANSWER: **A** and **C**",
        "ANSWER: AB",
        "ANSWER: I do not know",
        "ANSWER: A lot of them",
        "ANSWER: None of the above",
        "ANSWER: C\n\nANSWER: B or D",
        "The answer is not C.",
        "A selection of options shows that B is best.",
        "Either (A) or rather (B)",
        "选项A和B都有道理。",
        "下面是一道选择题。",
        "The choices are:\nA. 1 m\nB. 2 m",
        "B. 2 m is too short, so it is longer.\nI cannot tell.",
        "A car. It drives.",
        "The answer is a dog.",
    ],
)
def test_what_states_no_letter_or_several_has_none(reply: str) -> None:
    assert extract(reply) is None


def test_a_long_reply_is_read_at_its_end_in_no_time() -> None:
    assert extract("answer " * 200_000 + "\nANSWER: C") == "C"
    assert extract("选择" * 500_000) is None
    assert extract("ANSWER: " + r"\boxed" * 200_000) is None


def test_a_question_with_its_choices() -> None:
    assert render(" Which? ", ["one", "two"]) == "Which?\n\nA. one\nB. two"


def test_another_letter_of_the_choices() -> None:
    assert [mutate(Problem(text="", answers=(letter,), meta={"choices": 4})) for letter in "ABD"] == ["B", "C", "A"]
