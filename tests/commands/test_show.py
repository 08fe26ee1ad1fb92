import io
from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from reflectgen.commands import show
from reflectgen.types import Choice, Cost, Problem, Result, Step, Trajectory


def step(text: str, score: float | None) -> Step:
    return Step(text=text, token_span=(0, 1), score=score, logit=None, logprob=-0.5, confidence=1.0)


def trajectory(name: str, score: float | None, answer: str | None = "4", error: str | None = None) -> Trajectory:
    return Trajectory(
        id=name,
        parent=None,
        token_ids=(1, 2),
        thinking="Two and two.\n\nFour.\n\nSo be it.",
        reply="\\boxed{4}",
        answer=answer,
        steps=(step("Two and two.\n\n", score), step("Four.\n\n", score)),
        score=score,
        logprob=-0.25,
        confidence=1.0,
        tokens=12,
        finish="failed" if error else "stop",
        error=error,
    )


def result(*trajectories: Trajectory, index: int | None = 0, notes: tuple[str, ...] = ()) -> Result:
    return Result(
        problem=Problem(text="2 + 2?"),
        answer=None if index is None else trajectories[index].answer,
        choice=Choice(index=index, answer=None, share=0.5, values=tuple(one.score or 0.0 for one in trajectories)),
        trajectories=trajectories,
        cost=Cost(tokens_generated=1200, seconds=2.0),
        strategy="best_of_n",
        select="sprm",
        seed=0,
        notes=notes,
    )


def drawn(what: RenderableType) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=80).print(what)
    return [line.rstrip() for line in file.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("score", "colour"), [(0.0, "rgb(220,60,60)"), (0.5, "rgb(220,200,60)"), (0.75, "rgb(140,200,60)"), (1.0, "rgb(60,200,60)")]
)
def test_colours_run_from_red_over_yellow_to_green(score: float, colour: str) -> None:
    assert show.colour(score) == colour


def test_the_chosen_branch_comes_first_and_then_the_best() -> None:
    shown = result(trajectory("0", 0.2), trajectory("1", 0.9), trajectory("2", 0.5), index=2)
    lines = drawn(show.branches(shown))
    assert [line.split()[0] for line in lines[1:]] == ["→", "1", "0"]
    assert lines[1].split() == ["→", "2", "4", "0.500", "-0.250", "2", "12", "stop"]
    assert len(drawn(show.branches(shown, most=2))) == 3


def test_a_thinking_shows_each_step_behind_its_score_and_what_follows_them() -> None:
    assert drawn(show.thinking(trajectory("0", 0.75))) == [
        "0.750 Two and two.",
        "0.750 Four.",
        "      So be it.",
        "",
        "      \\boxed{4}",
    ]


def test_what_closed_a_thinking_without_steps_is_not_shown() -> None:
    shown = replace(trajectory("0", 0.5), thinking="So be it.", reply="", steps=(step("So be it.</think>", 0.5),))
    assert drawn(show.thinking(shown)) == ["0.500 So be it."]


def test_without_a_head_there_are_dashes() -> None:
    assert drawn(show.thinking(trajectory("0", None)))[0] == "- Two and two."


def test_the_verdict_names_answer_selector_and_cost() -> None:
    assert drawn(show.verdict(result(trajectory("0", 0.75)))) == [
        "Answer: 4  (sprm, 1 thinking, votes 50%, 1,200 tokens in 2.0 s, 600 tokens/s)"
    ]
    assert drawn(show.verdict(result(trajectory("0", 0.75), index=None)))[0].startswith("No answer  (sprm")


def test_the_verdict_names_another_strategy_and_counts_branches_where_some_are_forks() -> None:
    shown = replace(result(trajectory("0", 0.75), replace(trajectory("0.0", 0.5), parent="0")), strategy="beam")
    assert show.verdict(shown).plain.startswith("Answer: 4  (beam, sprm, 2 branches, votes 50%")
    alone = replace(result(trajectory("0", 0.75), trajectory("1", 0.5)), strategy="pruned")
    assert show.verdict(alone).plain.startswith("Answer: 4  (pruned, sprm, 2 thinkings, votes 50%")


def test_a_table_of_very_many_branches_holds_the_best_and_says_how_many_there_are() -> None:
    many = [replace(trajectory(str(number), number / 100), finish="cancelled") for number in range(40)]
    lines = drawn(show.whole(result(*many[:39], trajectory("39", 0.01))))
    assert [line.split()[:2] for line in lines[1:4]] == [["→", "0"], ["39", "4"], ["38", "4"]]
    assert lines[1 + show.MOST] == "  and 8 more"


def test_an_answer_of_many_lines_stands_on_one() -> None:
    shown = trajectory("0", 0.5, answer="def f(x):\n    return x")
    assert show.answer(shown) == "def f(x): return x"
    assert show.answer(replace(shown, answer="1" * 30)) == "1" * 23 + "…"


def test_notes_tell_of_failures_too() -> None:
    told = show.notes(result(trajectory("0", 0.5, error="out of memory"), notes=("Mind the gap.",)))
    assert [note.plain for note in told] == ["Note: Mind the gap.", "Note: branch 0 failed: out of memory"]


def test_facts_are_written_as_a_person_would() -> None:
    facts = {"parameters": 137_152, "tags": ["<think>", "</think>"], "head": None, "fits": True, "rule": "paper"}
    assert [line.split(maxsplit=1)[1] for line in drawn(show.pairs(facts))] == [
        "137,152",
        "<think> </think>",
        "none",
        "yes",
        "paper",
    ]
