import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import scripted_store as rig

from reflectgen import tasks
from reflectgen.config import Sampling
from reflectgen.engine.scripted import Script
from reflectgen.rollouts import Rollout
from reflectgen.train.labels import MonteCarlo, Problems, Unit

RIGHT = Script("That is 4.\n\n</think>", reply="\\boxed{4}")
WRONG = Script("That is 5.\n\n</think>", reply="\\boxed{5}")
CLOSE = Script("</think>", reply="\\boxed{5}")
WORDS = rig.tokenizer("so 4", "Go on.\n\nIt is \\boxed{4}.\n\n", "Nothing")
THREE_OF_FOUR = {"That is": [CLOSE], "": [RIGHT, WRONG, RIGHT, RIGHT]}
"""After the first step three of four continuations are right; after a second one the thinking is closed with 5."""


def label(tmp_path: Path, rows: Sequence[Rollout], scripts: rig.Scripts, **settings: Any) -> Unit:
    """The unit for `rows`, whose steps an engine goes on from with `scripts`; engine settings are those of ScriptedEngine."""
    own = {name: settings.pop(name) for name in ("n", "hard", "seed") if name in settings}
    sampling = Sampling(max_tokens=settings.pop("max_tokens", 4096))
    store = rig.store(tmp_path / "store", rows)
    problems = Problems(store, WORDS.encode, [rig.data(tmp_path / "data.jsonl")])
    engine = rig.engine(scripts, WORDS, has_head=False, **settings)
    work = MonteCarlo(engine=engine, task=tasks.named("jsonl"), problems=problems, sampling=sampling, **{"n": 4, **own})
    (unit,) = work([rows])
    return unit


def test_a_soft_label_is_the_share_of_continuations_that_end_right(tmp_path: Path) -> None:
    unit = label(tmp_path, rig.rollouts([rig.POOR], WORDS), THREE_OF_FOUR)
    assert unit.labels == {("sum", 0): (0.75, 0.0)}


def test_a_hard_label_says_whether_any_does(tmp_path: Path) -> None:
    unit = label(tmp_path, rig.rollouts([rig.POOR], WORDS), THREE_OF_FOUR, hard=True)
    assert unit.labels == {("sum", 0): (1.0, 0.0)}


def test_the_number_of_continuations_is_the_users(tmp_path: Path) -> None:
    unit = label(tmp_path, rig.rollouts([rig.POOR], WORDS), THREE_OF_FOUR, n=2)
    assert unit.labels == {("sum", 0): (0.5, 0.0)}


def test_the_tokens_of_all_continuations_are_counted(tmp_path: Path) -> None:
    """Thinking, reply and end of text, of four continuations after each step."""
    reply = len(WORDS.encode("\\boxed{5}")) + 1
    thinking, close = len(WORDS.encode("That is 4.\n\n</think>")), len(WORDS.encode("</think>"))
    unit = label(tmp_path, rig.rollouts([rig.POOR], WORDS), THREE_OF_FOUR)
    assert unit.tokens == 4 * (thinking + reply) + 4 * (close + reply)


def test_a_continuation_that_is_cut_off_or_fails_is_left_out_of_the_share(tmp_path: Path) -> None:
    """The limit of 8 tokens leaves the first step four, and RIGHT needs no more than its own six of the second."""
    long = replace(RIGHT, text="so 4 " * 30)
    fails = replace(WRONG, fails_at=1)
    unit = label(
        tmp_path, rig.rollouts([rig.GOOD], WORDS), {"That is": [CLOSE], "": [RIGHT, long, fails, WRONG]}, max_tokens=40
    )
    assert unit.labels[("sum", 0)][0] == 0.5


def test_a_step_without_a_finished_continuation_is_unlabelled(tmp_path: Path) -> None:
    unit = label(tmp_path, rig.rollouts([rig.POOR], WORDS), [replace(RIGHT, text="so 4 " * 30)], max_tokens=20)
    assert all(map(math.isnan, unit.labels[("sum", 0)]))


def test_what_the_trace_has_written_counts_toward_the_token_limit(tmp_path: Path) -> None:
    """RIGHT fits in its own length more than the first step's, and in no less."""
    rows = rig.rollouts([rig.POOR], WORDS)
    fits = rows[0].steps[0].token_span[1] + len(WORDS.encode(RIGHT.text))
    assert label(tmp_path / "a", rows, {"That is": [CLOSE], "": [RIGHT]}, max_tokens=fits).labels[("sum", 0)][0] == 1.0
    cut = label(tmp_path / "b", rows, {"That is": [CLOSE], "": [RIGHT]}, max_tokens=fits - 1)
    assert math.isnan(cut.labels[("sum", 0)][0])


def test_where_the_context_is_full_there_is_no_label(tmp_path: Path) -> None:
    rows = rig.rollouts([rig.POOR], WORDS)
    first = len(WORDS.encode(rig.SUM.text)) + rows[0].steps[0].token_span[1]
    unit = label(tmp_path, rows, {"That is": [CLOSE], "": [RIGHT]}, context=first)
    assert all(map(math.isnan, unit.labels[("sum", 0)]))


def test_a_trace_that_was_cut_off_is_not_continued(tmp_path: Path) -> None:
    rows = rig.rollouts([rig.GOOD], WORDS, max_tokens=6)
    assert rows[0].finish == "length"
    unit = label(tmp_path, rows, [RIGHT])
    assert unit.tokens == 0
    assert len(rows[0].steps) == len(unit.labels[("sum", 0)]) > 0
    assert all(map(math.isnan, unit.labels[("sum", 0)]))


def test_a_step_that_ends_with_the_closing_tag_is_continued_from_before_it(tmp_path: Path) -> None:
    """A thinking without a step token is graded at its closing tag; were that in the prompt, the answer would be 5."""
    rows = rig.rollouts([Script("so 4</think>", reply="\\boxed{4}")], WORDS)
    assert len(rows[0].steps) == 1
    unit = label(tmp_path, rows, {"</think>": [WRONG], "": [RIGHT, CLOSE]})
    assert unit.labels == {("sum", 0): (0.5,)}


def test_without_thinking_tags_the_answer_may_stand_in_what_was_written_before(tmp_path: Path) -> None:
    """After the second step nothing follows, and the answer before it counts; after the first one there is none."""
    rows = rig.rollouts([Script("Go on.\n\nIt is \\boxed{4}.\n\n")], WORDS, tags=None)
    assert len(rows[0].steps) == 2
    unit = label(tmp_path, rows, {"boxed": [Script("")], "": [Script("It is \\boxed{4}.\n\n"), Script("Nothing")]}, tags=None)
    assert unit.labels == {("sum", 0): (0.5, 1.0)}


def test_all_traces_of_a_problem_are_one_unit(tmp_path: Path) -> None:
    unit = label(
        tmp_path,
        rig.rollouts([rig.GOOD, rig.POOR], WORDS),
        {"That is 4": [replace(CLOSE, reply="\\boxed{4}")], **THREE_OF_FOUR},
    )
    assert unit.labels == {("sum", 0): (0.75, 1.0), ("sum", 1): (0.75, 0.0)}


def test_a_beginning_that_two_traces_share_is_continued_once(tmp_path: Path) -> None:
    """Both have the same first step; each second step closes the thinking."""
    one = label(tmp_path / "a", rig.rollouts([rig.POOR], WORDS), THREE_OF_FOUR)
    two = label(tmp_path / "b", rig.rollouts([rig.POOR, rig.POOR], WORDS), THREE_OF_FOUR)
    assert two.tokens == one.tokens
    assert set(two.labels.values()) == set(one.labels.values())
