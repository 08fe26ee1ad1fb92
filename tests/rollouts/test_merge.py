from pathlib import Path

import pytest
from rollouts.made import rollout, store

from reflectgen.errors import InputError
from reflectgen.rollouts import merge


def test_other_problems_keep_their_shards_and_numbers(tmp_path: Path) -> None:
    first = store(tmp_path / "a", [[rollout("p0")], [rollout("p1")]])
    second = store(tmp_path / "b", [[rollout("p2")]], model="another name")
    merged = merge([first, second], tmp_path / "c")
    assert list(merged) == [rollout("p0"), rollout("p1"), rollout("p2")]
    assert len(merged.shards) == 3
    assert merged.header.model == "tiny"
    assert [len(one.shards) for one in (first, second)] == [2, 1]


def test_other_seeds_are_numbered_on_and_labels_follow(tmp_path: Path) -> None:
    stores = [
        store(tmp_path / str(seed), [[rollout("p0", sample, seed=seed) for sample in (0, 1)], [rollout(f"q{seed}", seed=seed)]])
        for seed in (0, 1, 2)
    ]
    for one, value in zip(stores, (0.0, 0.5, 1.0), strict=True):
        one.write_labels("judge", {row.key: (value,) for row in one})
    stores[0].write_labels("oracle", {("p0", 0): (1.0,)})
    merged = merge(stores, tmp_path / "all")
    samples = {name: [(row.sample, row.seed) for row in rows] for name, rows in merged.problems().items()}
    assert samples == {
        "p0": [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (5, 2)],
        "q0": [(0, 0)],
        "q1": [(0, 1)],
        "q2": [(0, 2)],
    }
    assert merged.label_names == ["judge"]  # only what all stores have
    assert {key: merged.labels("judge")[key] for key in (("p0", 1), ("p0", 3), ("p0", 4), ("q2", 0))} == {
        ("p0", 1): (0.0,),
        ("p0", 3): (0.5,),
        ("p0", 4): (1.0,),
        ("q2", 0): (1.0,),
    }


def test_merging_one_store_can_make_it_compact(tmp_path: Path) -> None:
    merged = merge([store(tmp_path / "a", [[rollout()]])], tmp_path / "b", compact=True)
    assert list(merged) == [rollout().compact()]


def test_what_does_not_belong_together_is_refused_and_nothing_stays(tmp_path: Path) -> None:
    first = store(tmp_path / "a", [[rollout()]])
    again = store(tmp_path / "b", [[rollout()]])
    other = store(tmp_path / "c", [[rollout("p1")]], engine="naive")
    namesake = store(tmp_path / "d", [[rollout(seed=1, prompt_hash=5)]])
    with pytest.raises(InputError, match="Problem 'p0' was sampled with seed 0 in two of the stores: leave one of them out"):
        merge([first, again], tmp_path / "new")
    with pytest.raises(InputError, match=r'c has another engine \("local" against "naive"\)'):
        merge([first, other], tmp_path / "new")
    with pytest.raises(InputError, match="Two problems of the stores have the id 'p0'"):
        merge([first, namesake], tmp_path / "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c", "d"]


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    first = store(tmp_path / "a", [[rollout()]])
    for taken in (first.folder, tmp_path):
        with pytest.raises(InputError, match="exists already: name another folder to merge into"):
            merge([first], taken)
    (tmp_path / "empty").mkdir()
    assert list(merge([first], tmp_path / "empty")) == list(first)
