import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rollouts.made import HEADER, STEP, rollout

from reflectgen.errors import InputError
from reflectgen.rollouts import Rollout
from reflectgen.rollouts.shard import read_header, read_shard, read_table, shard_name, shards, write_shard

FAILED = rollout(
    sample=1, token_ids=(), token_logprobs=(), forced_spans=(), text="", steps=(), score=None, answer=None, correct=None,
    finish="failed", error="out of memory",
)  # fmt: skip


def written(folder: Path, rows: list[Rollout], *, compact: bool = False) -> Path:
    path = folder / "part-00000.parquet"
    write_shard(path, rows, HEADER, compact=compact)
    return path


def test_rows_and_header_come_back_as_they_were(tmp_path: Path) -> None:
    rows = [rollout(), FAILED, rollout("ü", steps=(STEP, STEP))]
    path = written(tmp_path, rows)
    assert list(read_shard(path)) == rows
    assert read_header(path) == HEADER
    assert [found.name for found in tmp_path.iterdir()] == ["part-00000.parquet"]


def test_a_compact_shard_is_its_compact_rows_with_log_probs_of_16_bits(tmp_path: Path) -> None:
    path = written(tmp_path, [rollout(), rollout(sample=1, token_logprobs=(-0.1, 0.0, 0.0))], compact=True)
    first, second = read_shard(path)
    assert first == rollout().compact()
    assert second.token_logprobs == pytest.approx((-0.1, 0.0, 0.0), rel=2**-11)
    assert second.token_logprobs[0] != -0.1
    assert pq.read_schema(path).field("token_logprobs").type == pa.list_(pa.float16())


floats = st.floats(-100, 0, width=32)


@given(st.lists(st.tuples(st.integers(0, 2**31 - 1), floats)), st.text(), st.sampled_from([None, True, False]))
def test_any_tokens_and_texts_come_back(
    tmp_path_factory: pytest.TempPathFactory, tokens: list[tuple[int, float]], text: str, correct: bool | None
) -> None:
    ids, logprobs = tuple(token for token, _ in tokens), tuple(logprob for _, logprob in tokens)
    row = rollout(token_ids=ids, token_logprobs=logprobs, answer=text, correct=correct)
    path = tmp_path_factory.mktemp("store") / "part-00000.parquet"
    write_shard(path, [row], HEADER, compact=False)
    assert list(read_shard(path)) == [row]


def test_a_shard_can_be_read_without_this_package(tmp_path: Path) -> None:
    frame = pq.read_table(written(tmp_path, [rollout(), FAILED])).to_pandas()
    assert list(frame["correct"]) == [True, None]
    assert frame["steps"][0][0]["score"] == 0.75


def test_some_columns_of_a_folder_whose_name_looks_like_one(tmp_path: Path) -> None:
    folder = tmp_path / "seed=7"
    folder.mkdir()
    assert read_table(written(folder, [rollout()]), ("sample", "seed")).to_pylist() == [{"sample": 0, "seed": 0}]


def test_shards_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for index in (100_000, 2, 99_999, 0):
        (tmp_path / shard_name(index)).touch()
    (tmp_path / "labels-outcome.parquet").touch()
    assert [path.name for path in shards(tmp_path)] == [shard_name(index) for index in (0, 2, 99_999, 100_000)]


def test_a_broken_shard_is_one_sentence(tmp_path: Path) -> None:
    path = written(tmp_path, [rollout(text="something long enough to be damaged" * 20)])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    for read in (read_header, lambda path: list(read_shard(path))):
        with pytest.raises(InputError, match=r"part-00000.parquet cannot be read \(.*\): restore or remove it\.$"):
            read(path)
    path.write_bytes(whole[:60] + bytes(byte ^ 255 for byte in whole[60:80]) + whole[80:])
    with pytest.raises(InputError, match="cannot be read"):
        list(read_shard(path))


@pytest.mark.parametrize("metadata", [None, {"other": "x"}, {"reflectgen": "{"}, {"reflectgen": "[]"}, {"reflectgen": "{}"}])
def test_a_parquet_file_of_another_kind_is_told(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata(metadata), tmp_path / "part-00000.parquet")
    with pytest.raises(InputError, match="is no shard of rollouts: move it away"):
        read_header(tmp_path / "part-00000.parquet")


def test_another_version_is_refused_by_its_number(tmp_path: Path) -> None:
    header: dict[str, Any] = {**json.loads(HEADER.encode()), "schema": 2, "new": "x"}
    pq.write_table(
        pa.table({"a": [1]}).replace_schema_metadata({"reflectgen": json.dumps(header)}), tmp_path / "part-0.parquet"
    )
    with pytest.raises(InputError, match="has schema version 2, and this version reads 1: sample it anew"):
        read_header(tmp_path / "part-0.parquet")


def test_a_disk_that_refuses_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written: No such file or directory"):
        write_shard(tmp_path / "none" / "part-00000.parquet", [rollout()], HEADER, compact=False)
