"""Which part of the data a row learns from, and what tells stores apart."""

from pathlib import Path
from typing import Any

import pytest
from planted import READINGS, planted

from reflectgen.config import HeadOptions, RetrofitConfig, StudyConfig
from reflectgen.errors import InputError
from reflectgen.rollouts import Header, Store
from reflectgen.study.bench import Bench, digest
from reflectgen.study.variants import Variant
from reflectgen.train.features import StepFeatures

CONFIG = RetrofitConfig(head=HeadOptions(step_rule="paper", grade_end=False))
BASE = Variant(section="baseline", name="baseline", config=CONFIG, stores=(Path("one"),))
FEATURES = {Path("one"): planted(40), Path("two"): planted(20, seed=1, prefix="q")}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench whose stores are features made by hand."""
    policy: Any = None
    made = Bench(config=StudyConfig(test=Path("two")), policy=policy, folder=Path())

    def extract(cut: Any, folder: Path, data: Any, labels: Any) -> StepFeatures:
        return FEATURES[folder]

    monkeypatch.setattr(made, "_extract", extract)
    return made


def test_a_share_is_of_the_training_part_and_lies_within_larger_ones(bench: Bench) -> None:
    parts = {share: bench.parts(BASE.changed("row", share=share)) for share in (0.25, 0.5, 1.0)}
    names = {share: set(part.train.problems) for share, part in parts.items()}
    assert [len(some) for some in names.values()] == [8, 16, 32]
    assert names[0.25] < names[0.5] < names[1.0]
    assert len({part.validation.problems for part in parts.values()}) == 1
    assert names[1.0].isdisjoint(parts[1.0].validation.problems)


def test_several_stores_are_learnt_from_together(bench: Bench) -> None:
    parts = bench.parts(BASE.changed("both", stores=(Path("one"), Path("two"))))
    assert len(parts.train.problems) + len(parts.validation.problems) == 60


def test_a_cut_is_read_once_for_all_readings_that_were_planned(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    extract = bench._extract

    def counted(cut: Any, folder: Path, data: Any, labels: Any) -> StepFeatures:
        asked.append(folder)
        return extract(cut, folder, data, labels)

    monkeypatch.setattr(bench, "_extract", counted)
    rows = [BASE, BASE.changed("at", offset=0), BASE.changed("last", layer=-1)]
    bench.plan(rows)
    assert bench.needs[BASE.cut] == set(READINGS)
    for row in rows:
        bench.parts(row)
    assert asked == [Path("one")]
    bench.parts(BASE.changed("newline", step_rule="newline"))
    assert asked == [Path("one")] * 2


def test_a_study_needs_a_test_store() -> None:
    policy: Any = None
    with pytest.raises(InputError, match="give it a store with --test"):
        _ = Bench(config=StudyConfig(), policy=policy, folder=Path()).test_store


def test_stores_are_told_apart_by_what_they_hold(tmp_path: Path) -> None:
    header = Header(task="t", model="m", backbone="b", head="", engine="local", step_rule="paper", prompt={}, sampling={})
    stores = [Store.create(tmp_path / name, header) for name in ("one", "two")]
    for store in stores:
        store.write_shard(0, [])
        store.write_labels("judge", {("p", 0): [1.0]})
    one, two = (digest([store.folder], "judge") for store in stores)
    assert one == two != digest([stores[0].folder])
    stores[1].write_labels("judge", {("p", 0): [0.5]})
    assert digest([stores[1].folder], "judge") != one
