from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny_folder
import tiny_models
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from reflectgen.errors import ModelError
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.model.tokenizer import THINKING_TAGS, default_tags, load_tokenizer


def knowing(*tokens: str, template: str | None = None) -> SimpleNamespace:
    """A tokenizer with these tokens and this chat template."""
    return SimpleNamespace(get_vocab=lambda: {token: index for index, token in enumerate(tokens)}, chat_template=template)


@pytest.mark.parametrize("pair", THINKING_TAGS)
def test_every_pair_is_found_in_a_vocabulary_and_in_a_template(pair: tuple[str, str]) -> None:
    assert default_tags(knowing("a", *pair)) == pair
    assert default_tags(knowing("a", template=f"{{{{ x }}}} {pair[0]} {pair[1]}")) == pair


def test_the_vocabulary_comes_before_the_template() -> None:
    assert default_tags(knowing("[THINK]", "[/THINK]", template="<think></think>")) == ("[THINK]", "[/THINK]")


def test_half_a_pair_is_none() -> None:
    assert default_tags(knowing("<think>", template="</think>")) is None
    assert default_tags(knowing("a", "b")) is None


def save_tokenizer(folder: Path) -> None:
    inner = Tokenizer(models.WordLevel({"<unk>": 0, "</think>": 1, "<think>": 2}, unk_token="<unk>"))
    PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="<unk>").save_pretrained(folder)


def test_it_is_loaded_in_silence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    save_tokenizer(tmp_path)
    assert default_tags(load_tokenizer(tmp_path)) == ("<think>", "</think>")
    assert capfd.readouterr() == ("", "")


def test_a_head_alone_has_its_backbone_s_tokenizer(tmp_path: Path) -> None:
    tiny_models.backbone("qwen2").save_pretrained(tmp_path / "backbone")
    save_tokenizer(tmp_path / "backbone")
    backbone = ReflectiveModel.from_pretrained(tmp_path / "backbone", device="cpu").backbone
    ReflectiveModel(backbone, tiny_models.head()).save_head(tmp_path / "head")
    assert len(load_tokenizer(tmp_path / "head")) == 3


def test_a_tokenizer_of_its_own_stays_what_it_is_beside_a_qwen2(tmp_path: Path) -> None:
    own, loaded = tiny_folder.tokenizer(), load_tokenizer(tiny_folder.write(tmp_path / "model"))
    text = "Why?\n<think>a. b.\n\nc</think>"
    assert loaded.encode(text) == own.encode(text)
    assert loaded.decode(loaded.encode(text)) == text and loaded.chat_template == own.chat_template


def test_a_folder_without_a_tokenizer_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds neither a model"):
        load_tokenizer(tmp_path)
    (tmp_path / "config.json").touch()
    with pytest.raises(ModelError, match="holds no tokenizer"):
        load_tokenizer(tmp_path)


def test_a_broken_tokenizer_is_one_sentence(tmp_path: Path) -> None:
    save_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match=r"^The tokenizer in .* cannot be loaded: [^\n]*\.$"):
        load_tokenizer(tmp_path)
