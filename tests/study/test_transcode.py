"""The same traces in another vocabulary."""

import math
from pathlib import Path
from typing import Any

import pytest
import stored
import tiny_folder

from reflectgen.errors import InputError
from reflectgen.rollouts import Store
from reflectgen.steps import TokenTable
from reflectgen.study.transcode import same_vocabulary, transcode


class Reader:
    """A backbone by name, with another vocabulary than the bundled model's."""

    name = "other"
    fingerprint = "other-4x64-00"
    table = TokenTable(tiny_folder.tokenizer())


@pytest.fixture(scope="module")
def policy() -> tuple[Any, Any]:
    return stored.bundled()


def make(folder: Path, policy: tuple[Any, Any], **changes: Any) -> Store:
    return stored.write(folder, *policy, problems=3, samples=2, shard=2, **changes)


def test_texts_outcomes_and_mean_log_probs_stay(tmp_path: Path, policy: tuple[Any, Any]) -> None:
    store, table = make(tmp_path / "store", policy), TokenTable(policy[1])
    reader: Any = Reader()
    made = transcode(store, table, reader, tmp_path / "made")
    assert (made.header.backbone, made.header.step_rule) == (reader.fingerprint, store.header.step_rule)
    assert len(made.shards) == len(store.shards) == 2
    for old, new in zip(store.rollouts, made.rollouts, strict=True):
        assert reader.table.decode(new.token_ids) == table.decode(old.token_ids)
        assert (new.key, new.correct, new.logprob, new.answer) == (old.key, old.correct, old.logprob, old.answer)
        assert reader.table.decode(new.prompt_ids or ()).startswith((old.problem or "")[:20])
        assert new.steps == () and len(new.token_logprobs) == len(new.token_ids)
        assert all(math.isnan(value) for value in new.token_logprobs)


def test_what_is_there_is_kept(tmp_path: Path, policy: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    store, table = make(tmp_path / "store", policy), TokenTable(policy[1])
    reader: Any = Reader()
    transcode(store, table, reader, tmp_path / "made")
    monkeypatch.setattr("reflectgen.study.transcode._encode", None)
    assert len(transcode(store, table, reader, tmp_path / "made").rollouts) == 6


def test_a_compact_store_has_no_texts(tmp_path: Path, policy: tuple[Any, Any]) -> None:
    store = make(tmp_path / "store", policy, compact=True)
    reader: Any = Reader()
    with pytest.raises(InputError, match="is compact, so wordproblems/train/0/0 has no text"):
        transcode(store, TokenTable(policy[1]), reader, tmp_path / "made")


def test_vocabularies(policy: tuple[Any, Any]) -> None:
    table = TokenTable(policy[1])
    assert same_vocabulary(table, TokenTable(policy[1]))
    assert not same_vocabulary(table, Reader.table)
