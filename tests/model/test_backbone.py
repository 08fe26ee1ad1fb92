from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from safetensors.torch import load_file, save_file

from reflectgen.config import HeadConfig
from reflectgen.errors import ModelError
from reflectgen.model.backbone import count_parameters, load_backbone, map_backbone
from reflectgen.model.fingerprint import check_backbone, fingerprint
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.model.source import resolve


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved tiny Qwen2."""
    tiny_models.backbone("qwen2").save_pretrained(tmp_path)
    return tmp_path


def test_parameters_are_counted_without_allocating() -> None:
    for name in tiny_models.CONFIGS:
        expected = sum(parameter.numel() for parameter in tiny_models.backbone(name).parameters())
        assert count_parameters(tiny_models.config(name)) == expected


def test_a_small_checkpoint_runs_in_fp32_on_a_cpu(tmp_path: Path) -> None:
    tiny_models.backbone("qwen2").to(torch.bfloat16).save_pretrained(tmp_path)
    assert load_backbone(resolve(tmp_path), device="cpu").dtype == torch.float32
    assert load_backbone(resolve(tmp_path), device="cpu", dtype="bf16").dtype == torch.bfloat16


def test_it_is_called_what_the_user_called_it(folder: Path) -> None:
    backbone = load_backbone(resolve(folder), device="cpu")
    assert backbone.name_or_path == backbone.config._name_or_path == str(folder)


def test_missing_tensors_are_not_made_up(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    del state["model.layers.1.mlp.up_proj.weight"], state["model.norm.weight"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"incomplete: 2 tensors are missing, e\.g\. model\.layers\.1\.mlp\.up_proj\.weight"):
        load_backbone(resolve(folder), device="cpu")


def truncate(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])


def configure(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "config.json").write_text(text)


HARMS: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (truncate, "incomplete metadata"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "no file named"),
    "no JSON": (configure("{"), "not a valid JSON file"),
    "unknown architecture": (configure('{"model_type": "unheard-of"}'), "unheard-of"),
    "no causal LM": (configure('{"model_type": "t5"}'), "T5Config"),
    "another width": (configure('{"model_type": "qwen2", "hidden_size": 128}'), "asked for"),
}


@pytest.mark.parametrize("harm", sorted(HARMS))
def test_broken_folders_are_one_sentence(folder: Path, harm: str) -> None:
    do, named = HARMS[harm]
    do(folder)
    with pytest.raises(ModelError, match=r"^The (model|weights) in [^\n]*\.$") as caught:
        load_backbone(resolve(folder), device="cpu")
    assert named in str(caught.value)


def write_gguf(path: Path) -> None:
    """The tiny Qwen2 as a `.gguf` file in fp32, with a vocabulary of its size."""
    gguf = pytest.importorskip("gguf")
    backbone = tiny_models.backbone("qwen2")
    config, writer = backbone.config, gguf.GGUFWriter(path, "qwen2")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_token_list([f"t{index}" for index in range(tiny_models.VOCABULARY)])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN2, config.num_hidden_layers)
    for name, tensor in backbone.state_dict().items():
        writer.add_tensor(names.get_name(name, (".weight", ".bias")), tensor.numpy().astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@torch.no_grad()
def test_a_gguf_file_is_read_and_can_be_saved_as_an_ordinary_model(tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf")
    model, ids = ReflectiveModel.from_pretrained(tmp_path / "tiny.gguf", device="cpu"), tiny_models.token_ids(1, 12)
    torch.testing.assert_close(model(ids).logits, tiny_models.backbone("qwen2")(ids).logits)
    model.save_pretrained(tmp_path / "saved")
    again = ReflectiveModel.from_pretrained(tmp_path / "saved", device="cpu")
    torch.testing.assert_close(again(ids).logits, model(ids).logits, rtol=0, atol=0)


def test_a_broken_gguf_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF" + bytes(40))
    with pytest.raises(ModelError, match=r"^The model in .*tiny\.gguf cannot be loaded: [^\n]*\.$"):
        load_backbone(resolve(tmp_path / "tiny.gguf"), device="cpu")


# -- weights that are left on the disk ---------------------------------------------------------------------------------


def test_a_mapped_backbone_has_the_fingerprint_and_the_shape_of_the_one_that_is_read(folder: Path) -> None:
    mapped, read = map_backbone(resolve(folder)), load_backbone(resolve(folder), device="cpu")
    assert fingerprint(mapped) == fingerprint(read)
    assert [parameter.shape for parameter in mapped.parameters()] == [parameter.shape for parameter in read.parameters()]
    assert mapped.name_or_path == str(folder)
    tied = tiny_models.backbone("llama")
    tied.generation_config.eos_token_id = 7
    tied.save_pretrained(folder / "tied")
    assert fingerprint(map_backbone(resolve(folder / "tied"))) == fingerprint(tied)
    assert map_backbone(resolve(folder / "tied")).generation_config.eos_token_id == 7


def test_without_weights_there_is_a_shape_and_no_fingerprint(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    mapped = map_backbone(resolve(folder))
    assert fingerprint(mapped) == ""
    head = HeadConfig(hidden_size=tiny_models.WIDTH, width=8, backbone="another")
    assert check_backbone(head, mapped, allow_mismatch=False) is False
    with pytest.raises(ModelError, match="states of width 5"):
        check_backbone(HeadConfig(hidden_size=5, width=8), mapped, allow_mismatch=False)


def test_a_gguf_file_cannot_be_mapped(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelError, match="which only the engines local and naive read"):
        map_backbone(resolve(tmp_path / "model.gguf"))
