"""LoRA adapters on disk: what tells two apart, their ranks, and what is none."""

from pathlib import Path

import pytest
import tiny_adapter
import torch

from reflectgen.errors import ModelError
from reflectgen.model.adapter import CONFIG, WEIGHTS, adapter_fingerprint, largest_rank


def test_the_fingerprint_is_of_weights_and_scale_and_not_of_the_place(tmp_path: Path) -> None:
    first = adapter_fingerprint(tiny_adapter.write(tmp_path / "a"))
    assert first.startswith("lora-") and len(first) == 21
    assert adapter_fingerprint(tiny_adapter.write(tmp_path / "b", base_model_name_or_path="elsewhere")) == first
    assert adapter_fingerprint(tiny_adapter.write(tmp_path / "c", {"lora_A.weight": torch.zeros(4, 8)})) != first
    assert adapter_fingerprint(tiny_adapter.write(tmp_path / "d", lora_alpha=16)) != first


def test_the_largest_rank_counts(tmp_path: Path) -> None:
    assert largest_rank(tiny_adapter.write(tmp_path, r=4)) == 4
    assert largest_rank(tiny_adapter.write(tmp_path, r=4, rank_pattern={"q_proj": 32, "v_proj": 2})) == 32


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("{", "is no readable JSON"), ("[]", "holds no JSON object"), ("{}", "names no rank of a LoRA adapter")],
)
def test_what_is_no_adapter_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    (tiny_adapter.write(tmp_path) / CONFIG).write_text(text)
    with pytest.raises(ModelError, match=sentence):
        largest_rank(tmp_path)


def test_a_folder_without_an_adapter_is_refused(tmp_path: Path) -> None:
    (tiny_adapter.write(tmp_path) / WEIGHTS).unlink()
    with pytest.raises(ModelError, match=f"is no folder with {CONFIG} and {WEIGHTS}"):
        adapter_fingerprint(tmp_path)
