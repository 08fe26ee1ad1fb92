from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rollouts.made import HEADER, rollout, store

from reflectgen.errors import InputError, OptionError
from reflectgen.rollouts import Store


def test_shards_are_written_in_any_order_and_read_in_theirs(tmp_path: Path) -> None:
    made = Store.create(tmp_path / "new" / "store", HEADER)
    assert made.shards == []
    for index in (1, 0):
        made.write_shard(index, [rollout(f"p{index}", sample) for sample in (0, 1)])
    assert [made.has_shard(index) for index in (0, 1, 2)] == [True, True, False]
    opened = Store.open(made.folder)
    assert opened.header == HEADER
    assert [row.key for row in opened] == [("p0", 0), ("p0", 1), ("p1", 0), ("p1", 1)]
    assert opened.rollouts == list(made)


def test_problems_have_their_traces_in_order(tmp_path: Path) -> None:
    made = store(tmp_path, [[rollout("b", 1), rollout("a", 0)], [rollout("b", 0)]])
    assert {name: [row.sample for row in rows] for name, rows in made.problems().items()} == {"b": [0, 1], "a": [0]}


def test_each_problem_has_its_prompt_once(tmp_path: Path) -> None:
    one, other = rollout("b", 0), replace(rollout("a", 0), prompt_hash=7)
    assert store(tmp_path, [[one, rollout("b", 1)], [other]]).prompts() == [("a", 7), ("b", one.prompt_hash)]


def test_a_trace_that_is_stored_twice_is_told(tmp_path: Path) -> None:
    made = store(tmp_path, [[rollout()], [rollout()]])
    with pytest.raises(InputError, match="holds sample 0 of problem 'p0' twice"):
        made.problems()


def test_a_compact_store(tmp_path: Path) -> None:
    made = Store.create(tmp_path, HEADER)
    made.write_shard(0, [rollout()], compact=True)
    assert list(made) == [rollout().compact()]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"backbone": "llama-4x128-1"}, r'has another backbone \("llama-4x128-0123456789abcdef" against "llama-4x128-1"\)'),
        ({"head": ""}, r'has another head \("sprm-0123456789abcdef" against none\)'),
        ({"dtype": "bfloat16"}, "has another dtype"),
        ({"sampling": {"temperature": 1.0, "top_p": 1.0}}, r"has another sampling \(temperature: 0.5 against 1.0\)"),
        ({"prompt": {"system": "S", "tags": None}}, r'has another prompt \(system: none against "S"\)'),
    ],
)
def test_another_model_or_setting_is_refused_by_name(tmp_path: Path, change: dict[str, Any], fault: str) -> None:
    made = store(tmp_path, [[rollout()]])
    other = replace(HEADER, **change)
    with pytest.raises(InputError, match=fault):
        Store.create(tmp_path, other)
    with pytest.raises(InputError, match=fault):  # it was begun by another process meanwhile
        Store(tmp_path, other).write_shard(1, [rollout("p1")])
    assert [path.name for path in made.shards] == ["part-00000.parquet"]


def test_a_model_may_be_called_otherwise_and_tuples_are_lists(tmp_path: Path) -> None:
    store(tmp_path, [[rollout()]])
    same = replace(HEADER, model="/elsewhere/tiny", prompt={"system": "", "tags": ("<think>", "</think>")})
    assert Store.create(tmp_path, same).has_shard(0)


def test_shards_of_two_stores_in_one_folder_are_refused(tmp_path: Path) -> None:
    store(tmp_path / "a", [[rollout()]])
    store(tmp_path / "b", [[rollout()]], engine="naive")
    (tmp_path / "b" / "part-00000.parquet").rename(tmp_path / "a" / "part-00001.parquet")
    with pytest.raises(InputError, match=r'part-00001.parquet has another engine \("local" against "naive"\)'):
        Store.open(tmp_path / "a")


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no rollouts"):
        Store.open(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="holds other files and no rollouts: name another folder"):
        Store.create(tmp_path, HEADER)
    with pytest.raises(InputError, match="cannot be written: "):
        Store.create(tmp_path / "file", HEADER)
    assert (tmp_path / "file").read_text() == "x"


def test_a_half_written_shard_is_no_shard(tmp_path: Path) -> None:
    (tmp_path / ".part-00000.parquet.123").write_text("x")
    assert Store.create(tmp_path, HEADER).shards == []


# -- labels ------------------------------------------------------------------------------------------------------------


def test_labels_come_back_and_are_replaced_by_name(tmp_path: Path) -> None:
    made = store(tmp_path, [[rollout()]])
    made.write_labels("judge", {("p0", 0): (0.0, 0.5), ("p0", 1): ()})
    assert made.labels("judge") == {("p0", 0): (0.0, 0.5), ("p0", 1): ()}
    made.write_labels("judge", {("p0", 0): (1.0,)})
    assert Store.open(tmp_path).labels("judge") == {("p0", 0): (1.0,)}
    assert made.label_names == ["judge"]


def test_labels_that_were_not_made_and_names_that_are_no_file(tmp_path: Path) -> None:
    made = store(tmp_path, [[rollout()]])
    with pytest.raises(InputError, match=r"has no labels 'juge' \(it has: none\)"):
        made.labels("juge")
    made.write_labels("judge", {})
    with pytest.raises(InputError, match=r"has no labels 'juge' \(it has: judge\)"):
        made.labels("juge")
    with pytest.raises(OptionError, match=r"Labels cannot be called '../x'"):
        made.write_labels("../x", {})
