from pathlib import Path

import pytest

from reflectgen.errors import InputError, OptionError
from reflectgen.tasks import hub, of_file
from reflectgen.tasks.livecodebench import RELEASES, TASK

DATA = Path(__file__).parent / "data" / "livecodebench"
SPREAD, PAIRS = "livecodebench/made_a", "livecodebench/9001"
RIGHT = {
    SPREAD: "input()\nnumbers = list(map(int, input().split()))\nprint(max(numbers) - min(numbers))",
    PAIRS: """class Solution:
    def countPairs(self, nums: List[int], target: int) -> int:
        return sum(a + b < target for i, a in enumerate(nums) for b in nums[:i])""",
}


def ids(split: str, path: Path = DATA) -> list[str]:
    return [problem.id for problem in TASK.load(path, split, None, 0)]


@pytest.mark.parametrize(
    ("split", "found"),
    [
        ("test", [SPREAD, PAIRS]),
        ("v1", [SPREAD]),
        ("v2", [PAIRS]),
        ("release_v2", [SPREAD, PAIRS]),
        ("2024-08-01:2025-02-01", [PAIRS]),
        ("2024-07-20:2024-07-20", [SPREAD]),
        (":2024-08-01", [SPREAD]),
        ("2024-08-01:", [PAIRS]),
        ("release_v2,2024-08-01:", [PAIRS]),
    ],
)
def test_splits_are_releases_and_windows(split: str, found: list[str]) -> None:
    assert ids(split) == found


def test_a_file_of_its_own_takes_windows_and_its_own_release() -> None:
    assert ids("test", DATA / "test2.jsonl") == ids("v2", DATA / "test2.jsonl") == [PAIRS]
    with pytest.raises(OptionError, match=r"The split 'release_v2' names test\.jsonl and test2\.jsonl, and not test2\.jsonl"):
        ids("release_v2", DATA / "test2.jsonl")


@pytest.mark.parametrize("split", ["v7", "train", "2024-08:2025-02", "2024-13-01:", "v1-v2"])
def test_what_is_no_split_is_told(split: str) -> None:
    with pytest.raises(OptionError, match=rf"'{split}' is no split of LiveCodeBench: give test, v1 to v6"):
        ids(split)


def test_a_release_that_is_not_there_and_an_empty_window_are_told() -> None:
    with pytest.raises(InputError, match=r"test3\.jsonl cannot be read"):
        ids("v3")
    with pytest.raises(InputError, match="holds no problems"):
        ids("2026-01-01:")


def test_the_prompt_says_what_form_the_answer_has() -> None:
    spread, pairs = TASK.load(DATA, "test", None, 0)
    assert spread.text.startswith("You are given N numbers.") and "reads from standard input" in spread.text
    assert pairs.text.endswith(
        "answer with all of it in one Python code block:\n"
        "```python\nclass Solution:\n    def countPairs(self, nums: List[int], target: int) -> int:\n```"
    )
    assert TASK.grades(spread) and spread.answers == ()


@pytest.mark.parametrize(("name", "program"), RIGHT.items())
def test_right_programs_pass_and_others_do_not(name: str, program: str) -> None:
    (problem,) = (problem for problem in TASK.load(DATA, "test", None, 0) if problem.id == name)
    reply = f"First a try:\n```python\nprint(0)\n```\nNow right:\n\n```python\n{program}\n```\nThat is it."
    assert TASK.grade(TASK.extract(reply), problem)
    assert not TASK.grade(TASK.extract(reply.replace(program, program.replace("max", "min").replace("<", ">"))), problem)
    assert TASK.extract(program) is None


def test_its_files_are_known_and_its_faults_are_named(tmp_path: Path) -> None:
    assert of_file(DATA / "test.jsonl") is of_file(DATA) is TASK
    path = tmp_path / "test.jsonl"
    path.write_text((DATA / "test.jsonl").read_text().replace("2024-07-20T00:00:00", "soon"))
    with pytest.raises(InputError, match=r"test\.jsonl, line 1: the field 'contest_date' is no date: 'soon'"):
        TASK.load(path, ":2025-01-01", None, 0)
    with pytest.raises(InputError, match=r"reads the publisher's folder of test\.jsonl to test6\.jsonl from https://"):
        TASK.load(None, "test", None, 0)


def test_the_releases_are_files_of_the_hub() -> None:
    assert RELEASES["v5"] == ("test5.jsonl",) and len(RELEASES["release_v6"]) == 6
    assert hub.find(TASK, DATA, "v1") == DATA
