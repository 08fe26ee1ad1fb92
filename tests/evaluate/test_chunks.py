from pathlib import Path

import pytest
from rollouts.made import rollout, store

from reflectgen.errors import InputError, OptionError
from reflectgen.evaluate.chunks import Share, check_stored, cut
from reflectgen.rollouts import prompt_hash
from reflectgen.types import Problem

PROBLEMS = [Problem(text="?", id=f"p{index}") for index in range(5)]
PROMPTS = [(7, index) for index in range(5)]


def test_problems_are_cut_in_order_and_the_last_chunk_may_be_smaller() -> None:
    chunks = cut(PROBLEMS, PROMPTS, 2)
    assert [[problem.id for problem in chunk.problems] for chunk in chunks] == [["p0", "p1"], ["p2", "p3"], ["p4"]]
    assert [chunk.index for chunk in chunks] == [0, 1, 2]
    assert chunks[2].keys(k=2, seed=9) == [("p4", 0, 9, prompt_hash((7, 4))), ("p4", 1, 9, prompt_hash((7, 4)))]


def test_shares_take_every_nth_shard() -> None:
    assert [index for index in range(6) if Share.parse("1/3").takes(index)] == [1, 4]
    assert [index for index in range(3) if Share().takes(index)] == [0, 1, 2]


@pytest.mark.parametrize("text", ["2/2", "1", "-1/2", "a/b", "0/0", "1/2/3", ""])
def test_what_is_no_share_is_one_sentence(text: str) -> None:
    with pytest.raises(OptionError, match=f"--shard '{text}' is no share: of two processes one gets 0/2, the other 1/2."):
        Share.parse(text)


def test_a_shard_must_be_the_one_that_would_be_written(tmp_path: Path) -> None:
    rows = [rollout(f"p{index}", sample, prompt_hash=prompt_hash((7, index))) for index in (0, 1) for sample in (0, 1)]
    made = store(tmp_path, [rows])
    check_stored(made, cut(PROBLEMS, PROMPTS, 2), k=2, seed=0)
    held = r"part-00000.parquet holds 2 problems from 'p0' on with 2 traces each, seed 0, prompts \w{4}; now it would be "
    for chunks, k, seed, told in [
        (cut(PROBLEMS, PROMPTS, 3), 2, 0, "3 problems from 'p0' on with 2 traces each, seed 0"),
        (cut(PROBLEMS, PROMPTS, 2), 3, 0, "2 problems from 'p0' on with 3 traces each, seed 0"),
        (cut(PROBLEMS, PROMPTS, 2), 2, 1, "2 problems from 'p0' on with 2 traces each, seed 1"),
        (cut(PROBLEMS[1:], PROMPTS[1:], 2), 2, 0, "2 problems from 'p1' on with 2 traces each, seed 0"),
        (cut(PROBLEMS, PROMPTS[::-1], 2), 2, 0, "2 problems from 'p0' on with 2 traces each, seed 0"),
        ([], 2, 0, "no shard at all"),
    ]:
        with pytest.raises(InputError, match=held + told):
            check_stored(made, chunks, k, seed)
