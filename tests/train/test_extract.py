"""From a store to step features: cached by shard, resumed, and refused where the store does not fit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stored

from reflectgen.errors import InputError, ModelError
from reflectgen.model.fingerprint import fingerprint
from reflectgen.rollouts import Store
from reflectgen.steps import TokenTable
from reflectgen.train import extract
from reflectgen.train.extract import Extractor
from reflectgen.train.features import Reading, StepFeatures

READINGS = (Reading(), Reading(-1, True))


def extractor(**changes: Any) -> Extractor:
    model, tokenizer = stored.bundled()
    given = {"backbone": model.backbone, "table": TokenTable(tokenizer), "readings": READINGS, "step_rule": "paper"}
    return Extractor(**{**given, **changes})


def store(folder: Path, **changes: Any) -> Store:
    return stored.write(folder, *stored.bundled(), **{"problems": 4, "samples": 3, "shard": 2, **changes})


def same(one: StepFeatures, other: StepFeatures) -> bool:
    return all((one.states[reading] == other.states[reading]).all() for reading in READINGS)


def test_what_the_store_knows_stands_beside_the_states(tmp_path: Path) -> None:
    traces = store(tmp_path / "s")
    found, rows = extractor(name="b").features(traces), list(traces)
    assert found.states[READINGS[0]].shape == (len(found.trace), 128) and found.states[READINGS[0]].dtype == np.float16
    assert found.problems[0] == f"wordproblems/{rows[0].problem_id}" and len(found.problems) == 4
    assert found.correct.tolist() == [row.correct for row in rows]
    assert found.answers == tuple(row.answer for row in rows)
    first = rows[0].steps[0]
    assert found.stop[0] == first.token_span[1]
    assert found.step_logprob[0] == pytest.approx(np.mean(rows[0].token_logprobs[slice(*first.token_span)]))
    assert (found.step_confidence == 1).all() and np.isnan(found.labels).all()
    assert (found.origin.backbone_name, found.origin.step_rule) == ("b", "paper")
    assert found.origin.backbone == fingerprint(stored.bundled()[0].backbone)


def test_under_another_rule_the_stored_steps_do_not_count(tmp_path: Path) -> None:
    traces = store(tmp_path / "s")
    one, other = extractor().features(traces), extractor(step_rule="regex: .$|\\d").features(traces)
    assert len(other.trace) > len(one.trace)
    assert np.isnan(other.step_confidence).any()


def test_a_second_time_nothing_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    traces = store(tmp_path / "s")
    first = extractor().features(traces)
    assert sorted(path.name.partition("-0000")[0] for path in (tmp_path / "s-features").iterdir()) == ["part", "part"]
    monkeypatch.setattr(extract, "Reader", None)
    told: list[tuple[int, int]] = []
    assert same(first, extractor().features(traces, progress=lambda done, total: told.append((done, total))))
    assert told == [(6, 12), (12, 12)]


def test_a_pass_that_was_killed_goes_on_with_equal_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    traces = store(tmp_path / "s")
    whole = extractor(cache=tmp_path / "whole").features(traces)
    written: list[Path] = []

    def write(folder: Path, states: Any) -> None:
        if written:
            raise KeyboardInterrupt
        written.append(folder)
        original(folder, states)

    original = extract.write_states
    monkeypatch.setattr(extract, "write_states", write)
    with pytest.raises(KeyboardInterrupt):
        extractor(cache=tmp_path / "cut").features(traces)
    monkeypatch.setattr(extract, "write_states", original)
    assert same(whole, extractor(cache=tmp_path / "cut").features(traces))


def test_only_missing_readings_are_computed(tmp_path: Path) -> None:
    traces = store(tmp_path / "s")
    extractor(readings=READINGS[:1]).features(traces)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "s-features").rglob("*.safetensors")}
    extractor().features(traces)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "s-features").rglob("*.safetensors")}
    assert len(after) == 2 * len(before) and before.items() <= after.items()


def test_other_shards_have_other_states(tmp_path: Path) -> None:
    one, other = store(tmp_path / "a"), store(tmp_path / "b", seed=1)
    cache = tmp_path / "cache"
    extractor(cache=cache).features(one)
    extractor(cache=cache).features(other)
    assert len(list(cache.iterdir())) == 4


def test_traces_that_failed_are_left_out_and_those_cut_off_stay(tmp_path: Path) -> None:
    traces = store(tmp_path / "s")
    rows = list(traces)
    rows[0], rows[1] = replace(rows[0], finish="failed", error="x"), replace(rows[1], finish="length")
    mended = Store.create(tmp_path / "t", traces.header)
    mended.write_shard(0, rows)
    found = extractor().features(mended)
    assert len(found.correct) == 11 and found.ended.tolist() == [False, *[True] * 10]


def test_labels_are_those_of_the_stored_steps(tmp_path: Path) -> None:
    traces = store(tmp_path / "s")
    rows = list(traces)
    traces.write_labels("half", {rows[1].key: [0.5] * len(rows[1].steps)})
    found = extractor().features(traces, labels="half")
    assert found.labelled
    assert np.nanmean(found.labels) == 0.5 and np.isfinite(found.labels).sum() == len(rows[1].steps)
    end = extractor(grade_end=True, step_rule="regex:[.]\n\n$").features(traces, labels="half")
    assert np.isfinite(end.labels).sum() == len(rows[1].steps)
    with pytest.raises(InputError, match=r"are of steps that the rule 'regex:=' does not cut: train under .* 'paper'"):
        extractor(step_rule="regex:=").features(traces, labels="half")
    traces.write_labels("stale", {rows[1].key: [0.5] * (len(rows[1].steps) + 1)})
    with pytest.raises(InputError, match="label it again"):
        extractor().features(traces, labels="stale")


def test_a_compact_store_gives_the_same_states(tmp_path: Path) -> None:
    full, compact = store(tmp_path / "full"), store(tmp_path / "compact", compact=True, task="jsonl")
    texts = {row.problem_id: f'{{"id": "{row.problem_id}", "problem": "{row.problem}"}}' for row in full}
    (tmp_path / "p.jsonl").write_text("\n".join(texts.values()))
    assert same(extractor().features(full), extractor().features(compact, data=[tmp_path / "p.jsonl"]))


def test_another_models_traces_are_refused_unless_they_are_asked_for(tmp_path: Path) -> None:
    foreign = store(tmp_path / "s", backbone="qwen2-4x64-0000")
    with pytest.raises(InputError, match=r"were sampled by tiny \(qwen2-4x64-0000\), and this backbone is llama.*--off-policy"):
        extractor().features(foreign)
    assert extractor(off_policy=True).features(foreign).origin.backbone.startswith("llama")


def test_traces_without_an_outcome_are_refused(tmp_path: Path) -> None:
    traces = store(tmp_path / "s")
    rows = list(traces)
    unknown = Store.create(tmp_path / "t", traces.header)
    unknown.write_shard(0, [*rows[:3], replace(rows[3], correct=None)])
    with pytest.raises(InputError, match="has no outcome, since no right answer is known"):
        extractor().features(unknown)
    failed = Store.create(tmp_path / "u", traces.header)
    failed.write_shard(0, [replace(row, finish="failed") for row in rows])
    with pytest.raises(InputError, match="holds no trace that did not fail"):
        extractor().features(failed)


def test_a_backbone_that_lacks_the_layer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="layer -9"):
        extractor(readings=(Reading(-9),)).features(store(tmp_path / "s"))
