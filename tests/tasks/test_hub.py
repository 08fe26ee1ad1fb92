from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

from reflectgen.errors import InputError, OptionError
from reflectgen.tasks import TASKS, hub
from reflectgen.tasks.base import Hub

DATA = Path(__file__).parent / "data"


def http_error(kind: type[Exception], text: str) -> Exception:
    """An error of the Hub without the response that it would have come with."""
    error = kind.__new__(kind)
    Exception.__init__(error, text)
    return error


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """The Hub holds `tests/tasks/data`; what was asked of it is noted."""
    asked: list[tuple[str, dict[str, Any]]] = []

    def snapshot_download(dataset: str, **options: Any) -> str:
        asked.append((dataset, options))
        return str(DATA)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return asked


def test_without_a_file_the_publishers_is_fetched_and_read_as_if_it_had_been_given(served: list[Any]) -> None:
    task = replace(TASKS["math500"], hub=Hub(dataset="owner/name", files={"test": ("math500.jsonl",)}))
    assert hub.problems(task, None, "test", 2, 3) == task.load(DATA / "math500.jsonl", "test", 2, 3)
    ((dataset, options),) = served
    assert dataset == "owner/name"
    assert (options["repo_type"], options["allow_patterns"]) == ("dataset", ["math500.jsonl"])


def test_several_files_are_read_as_a_folder(served: list[Any]) -> None:
    files = {"gsm8k": ("processbench/gsm8k.json",), "all": ("processbench/gsm8k.json", "processbench/math.json")}
    task = replace(TASKS["processbench"], hub=Hub(dataset="owner/name", files=files))
    assert hub.find(task, None, "gsm8k") == DATA / "processbench" / "gsm8k.json"
    assert hub.find(task, None, "all") == DATA


def test_a_given_file_asks_nothing_of_the_hub(served: list[Any]) -> None:
    assert len(hub.problems(TASKS["math500"], DATA / "math500.jsonl", "test", None, 0)) == 3
    assert len(hub.problems(TASKS["wordproblems"], None, "test", 3, 0)) == 3
    assert served == []


def test_a_split_that_the_hub_has_not_is_told(served: list[Any]) -> None:
    with pytest.raises(OptionError, match="Unknown split 'dev': choose one of test, train"):
        hub.find(TASKS["gsm8k"], None, "dev")
    assert hub.find(replace(TASKS["livecodebench"], hub=Hub(dataset="a/b", files={}, other=("*.csv",))), None, "2024:") == (
        DATA / "gpqa.csv"
    )


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (LocalEntryNotFoundError("offline"), "no connection"),
        (http_error(GatedRepoError, "gated"), "accept its terms there and log in with `hf auth login`"),
        (http_error(RepositoryNotFoundError, "Not here.\nAt all."), "Not here"),
        (OSError("disk full"), "disk full"),
    ],
)
def test_where_nothing_can_be_fetched_it_names_the_file_to_give(
    monkeypatch: pytest.MonkeyPatch, error: Exception, why: str
) -> None:
    def snapshot_download(dataset: str, **options: Any) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(InputError) as told:
        hub.problems(TASKS["math500"], None, "test", None, 0)
    assert str(told.value) == (
        "The task math500 reads the publisher's test.jsonl from https://huggingface.co/datasets/HuggingFaceH4/MATH-500: "
        f"give the file (HuggingFaceH4/MATH-500 on the Hub: {why})."
    )


def test_a_folder_without_the_files_is_told(served: list[Any]) -> None:
    task = replace(TASKS["math500"], hub=Hub(dataset="owner/name", files={"test": ("none.jsonl",)}))
    with pytest.raises(InputError, match=r"owner/name on the Hub: the files are not there\)\.$"):
        hub.problems(task, None, "test", None, 0)


@pytest.mark.parametrize("task", [task for task in TASKS.values() if task.hub])
def test_every_task_of_the_hub_asks_for_a_file_without_it(task: Any) -> None:
    with pytest.raises(InputError, match=rf"^The task {task.name} reads .* from https://.*: give the file\.$"):
        task.load(None, "test", None, 0)
