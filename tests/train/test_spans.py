"""Stored traces cut by any rule, and the prompts of compact stores."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import stored

from reflectgen import marks
from reflectgen.config import PromptConfig
from reflectgen.engine.pieces import PieceTokenizer
from reflectgen.errors import InputError
from reflectgen.rollouts import Rollout, prompt_hash
from reflectgen.steps import TokenTable
from reflectgen.train.features import Reading
from reflectgen.train.spans import Prompts, Trace, cut
from reflectgen.types import Cost

TAGS = PromptConfig(tags=("<think>", "</think>"))


def rollout(**changes: Any) -> Rollout:
    given = {
        "problem_id": "1",
        "sample": 0,
        "seed": 0,
        "prompt_hash": 0,
        "problem": None,
        "prompt_ids": None,
        "token_ids": (),
        "token_logprobs": (),
        "text": None,
        "steps": (),
        "score": None,
        "logprob": 0.0,
        "confidence": 0.0,
        "tokens": 0,
        "answer": None,
        "correct": True,
        "finish": "stop",
        "error": None,
        "cost": Cost(),
    }
    return Rollout(**{**given, **changes})


def pieces(rule: str, prompt: PromptConfig, text: str, grade_end: bool = False) -> list[str]:
    """The text of each step of a completion after a prompt of two tokens."""
    tokenizer = PieceTokenizer([text])
    table = TokenTable(tokenizer)
    ids = tuple(tokenizer.encode(text))
    trace = cut(marks.segmenter(rule, prompt, table, grade_end), (0, 0), rollout(token_ids=ids))
    return [table.decode([*trace.prompt, *trace.completion][low:high]) for low, high in trace.spans]


def test_steps_are_cut_by_the_rule_that_is_given() -> None:
    text = "one.\n\ntwo\nthree.\n\n</think>four\n\n"
    assert pieces("paper", TAGS, text) == ["one.\n\n", "two\nthree.\n\n"]
    assert pieces("newline", TAGS, text) == ["one.\n\n", "two\n", "three.\n\n"]


def test_the_end_is_graded_where_that_is_asked_for() -> None:
    text = "one.\n\ntwo</think>"
    assert pieces("paper", TAGS, text) == ["one.\n\n"]
    assert pieces("paper", TAGS, text, grade_end=True) == ["one.\n\n", "two</think>"]


def test_official_rules_look_for_the_authors_tags() -> None:
    assert pieces("official", PromptConfig(), "<think>a b.\n\n</think>c d.\n\n") == ["a b.\n\n"]


def test_what_ends_a_reply_ends_no_step() -> None:
    text = "x\ny```\n"
    assert pieces("newline", PromptConfig(), text, grade_end=True) == ["x\n", "y```\n"]
    fenced = marks.segmenter("newline", PromptConfig(stop="`\n"), TokenTable(PieceTokenizer([text])), False)
    assert fenced.tokens == marks.segmenter("newline", PromptConfig(), TokenTable(PieceTokenizer([text])), False).tokens - {
        PieceTokenizer([text]).encode(text)[-1]
    }


def test_forced_tokens_end_nothing() -> None:
    tokenizer = PieceTokenizer()
    ids = tuple(tokenizer.encode("a b.\n\nc d.\n\n"))
    segmenter = marks.segmenter("paper", PromptConfig(), TokenTable(tokenizer), False)
    whole = cut(segmenter, (0,), rollout(token_ids=ids))
    forced = cut(segmenter, (0,), rollout(token_ids=ids, forced_spans=((0, len(ids) // 2),)))
    assert len(whole.spans) == 2 and len(forced.spans) == 1


def test_what_is_read_and_how_far_a_trace_is_fed() -> None:
    trace = Trace((1, 2, 3), (4, 5, 6, 7, 8), ((3, 5), (5, 7)))
    assert list(trace.positions(1, Reading())) == [5]
    assert list(trace.positions(1, Reading(offset=0))) == [6]
    assert list(trace.positions(0, Reading(pool="step"))) == [2, 3]
    assert trace.length([Reading()]) == 6 and trace.length([Reading(), Reading(offset=0)]) == 7
    assert Trace((1,), (2,), ()).length([Reading()]) == 0


# -- prompts -----------------------------------------------------------------------------------------------------------


def store_of(task: str, prompt: PromptConfig) -> Any:
    return SimpleNamespace(folder=Path("runs/x"), header=SimpleNamespace(task=task, prompt=prompt.model_dump(mode="json")))


def test_a_stored_prompt_is_taken_as_it_is() -> None:
    assert Prompts(store_of("jsonl", TAGS), None).of(rollout(prompt_ids=(1, 2))) == (1, 2)


def test_a_compact_stores_prompt_is_made_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    file.write_text('{"id": "7", "problem": "Why?", "answer": "1"}\n')
    tokenizer, prompt = PieceTokenizer(), PromptConfig(instruction="")
    asked = tokenizer.encode("Why?\n\n")
    found = Prompts(store_of("jsonl", prompt), tokenizer, [file])
    row = rollout(problem_id="7", prompt_hash=prompt_hash(asked))
    assert found.of(row) == tuple(asked) == found.of(row)
    with pytest.raises(InputError, match="was sampled from another prompt"):
        found.of(replace(row, prompt_hash=1))
    with pytest.raises(InputError, match=r"The store runs/x is compact: name the files .* with --data"):
        Prompts(store_of("jsonl", prompt), tokenizer).of(row)


def test_a_compact_store_has_the_same_prompts_as_a_full_one(tmp_path: Path) -> None:
    model, tokenizer = stored.bundled()
    full = stored.write(tmp_path / "full", model, tokenizer, problems=2, samples=1)
    compact = stored.write(tmp_path / "compact", model, tokenizer, problems=2, samples=1, compact=True, task="jsonl")
    file = tmp_path / "p.jsonl"
    file.write_text("\n".join(f'{{"id": "{row.problem_id}", "problem": "{row.problem}"}}' for row in full))
    made = Prompts(compact, tokenizer, [file])
    assert [made.of(row) for row in compact] == [row.prompt_ids for row in full]
