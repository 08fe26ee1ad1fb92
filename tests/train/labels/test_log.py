import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import scripted_store as rig

from reflectgen.errors import InputError
from reflectgen.rollouts import Rollout, Store
from reflectgen.train.labels import Unit, finish, resumed
from reflectgen.train.labels.log import log_path

SETTINGS = {"source": "monte_carlo", "n": 8}
WORDS = rig.tokenizer()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (row,) = rig.rollouts([rig.GOOD], WORDS)
    return rig.store(tmp_path / "store", [replace(row, sample=sample) for sample in range(4)])


class Work:
    """Labels a group by the number of its sample, and is killed at a given one."""

    def __init__(self, killed_at: int | None = None) -> None:
        self.killed_at = killed_at
        self.asked: list[int] = []

    def __call__(self, groups: Sequence[Sequence[Rollout]]) -> Iterator[Unit]:
        for (rollout,) in groups:
            if rollout.sample == self.killed_at:
                raise KeyboardInterrupt
            self.asked.append(rollout.sample)
            yield Unit({rollout.key: (float(rollout.sample), math.nan)}, tokens=10)


def run(store: Store, work: Work, **changes: Any) -> list[Unit]:
    return list(resumed(store, "mc", {**SETTINGS, **changes}, [[rollout] for rollout in store.rollouts], work))


def test_what_was_killed_goes_on_and_comes_to_the_same(store: Store) -> None:
    whole = run(store, Work())
    log_path(store, "mc").unlink()
    with pytest.raises(KeyboardInterrupt):
        run(store, Work(killed_at=2))
    again = Work()
    assert repr(run(store, again)) == repr(whole)
    assert again.asked == [2, 3]
    nothing = Work()
    assert repr(run(store, nothing)) == repr(whole)
    assert nothing.asked == []


def test_a_group_that_has_grown_is_done_anew(store: Store) -> None:
    run(store, Work())
    asked: list[int] = []

    def work(groups: Sequence[Sequence[Rollout]]) -> Iterator[Unit]:
        asked.extend(rollout.sample for group in groups for rollout in group)
        return iter(())

    added = replace(store.rollouts[0], sample=4)
    list(resumed(store, "mc", SETTINGS, [store.rollouts[:2], [*store.rollouts[2:], added]], work))
    assert asked == [2, 3, 4]


@pytest.mark.parametrize("lines", [0, 1, 2])
def test_a_row_that_a_kill_left_half_written_is_done_anew(store: Store, lines: int) -> None:
    whole = run(store, Work())
    path = log_path(store, "mc")
    rows = path.read_text().splitlines(keepends=True)
    path.write_text("".join(rows[:lines]) + rows[lines][:15])
    assert repr(run(store, Work())) == repr(whole)


def test_other_settings_do_not_go_on(store: Store) -> None:
    run(store, Work())
    with pytest.raises(InputError, match="begun with n 8, and now n is 4: give the same options or another --name"):
        run(store, Work(), n=4)


def test_another_file_is_not_taken_for_a_log(store: Store) -> None:
    log_path(store, "mc").write_text('{"id": "sum"}\n')
    with pytest.raises(InputError, match="this is no log of labels: remove it"):
        run(store, Work())


def test_when_all_is_done_the_labels_are_there_and_the_log_is_not(store: Store) -> None:
    labels = {key: values for unit in run(store, Work()) for key, values in unit.labels.items()}
    finish(store, "mc", labels)
    assert not log_path(store, "mc").exists()
    assert repr(store.labels("mc")) == repr(labels)
