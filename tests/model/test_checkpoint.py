import json
from pathlib import Path

import pytest
import tiny_models
import torch

from reflectgen.config import PromptConfig, ReflectiveConfig
from reflectgen.errors import ModelError
from reflectgen.model.checkpoint import (
    CONFIG_FILE,
    HEAD_FILE,
    find_head,
    load_head,
    read_config,
    read_head,
    write_head,
)
from reflectgen.model.foreign import SCORE_MODULE, write_foreign
from reflectgen.model.source import resolve


def saved(folder: Path, **settings: object) -> ReflectiveConfig:
    """A head written to `folder`; returns its configuration."""
    head = tiny_models.head(**settings)
    config = ReflectiveConfig(head=head.config, prompt=PromptConfig(tags=("<思>", "</思>")))
    write_head(folder, head, config)
    return config


def rewrite(folder: Path, **changes: object) -> None:
    """Change keys of the `reflectgen.json` in `folder`."""
    path = folder / CONFIG_FILE
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def test_a_head_comes_back_the_same(tmp_path: Path) -> None:
    config = saved(tmp_path, width=24, activation="gelu", offset=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == [CONFIG_FILE, HEAD_FILE]
    again = read_head(tmp_path)
    assert again.head.config == config.head and again.prompt == config.prompt and read_config(tmp_path) == config
    original = tiny_models.head(width=24, activation="gelu", offset=0)
    features = torch.randn(3, tiny_models.WIDTH, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(again.head(features), original(features), rtol=0, atol=0)


def test_the_file_says_which_format_it_has(tmp_path: Path) -> None:
    saved(tmp_path)
    assert json.loads((tmp_path / CONFIG_FILE).read_text(encoding="utf-8"))["format"] == 1


def test_a_head_is_found_by_folder_and_by_file(tmp_path: Path) -> None:
    config = saved(tmp_path)
    assert load_head(tmp_path).head.config == load_head(tmp_path / HEAD_FILE).head.config == config.head


def test_the_native_head_comes_before_the_authors(tmp_path: Path) -> None:
    write_foreign(tmp_path / SCORE_MODULE, tiny_models.head(), "score_module")
    found = find_head(resolve(tmp_path))
    assert found is not None and found.prompt is None and found.head.config.step_rule == "official"
    assert load_head(tmp_path / SCORE_MODULE).head.config == found.head.config
    saved(tmp_path)
    found = find_head(resolve(tmp_path))
    assert found is not None and found.head.config.step_rule == "paper"


def test_a_folder_without_a_head(tmp_path: Path) -> None:
    assert find_head(resolve(tmp_path)) is None and read_config(tmp_path) is None
    with pytest.raises(ModelError, match="holds no head"):
        load_head(tmp_path)


def test_a_head_without_its_configuration(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / CONFIG_FILE).unlink()
    with pytest.raises(ModelError, match=f"lies without its configuration: put its {CONFIG_FILE} beside it"):
        read_head(tmp_path)


@pytest.mark.parametrize("keep", [0, 20, 400])
def test_truncated_weights(tmp_path: Path, keep: int) -> None:
    saved(tmp_path)
    content = (tmp_path / HEAD_FILE).read_bytes()
    (tmp_path / HEAD_FILE).write_bytes(content[:keep])
    with pytest.raises(ModelError, match=r"^The head .* is no readable safetensors file: [^\n]*$"):
        read_head(tmp_path)


def test_weights_of_another_width(tmp_path: Path) -> None:
    config = saved(tmp_path, width=24)
    rewrite(tmp_path, head=config.head.model_dump() | {"width": 32})
    with pytest.raises(ModelError, match=r"'up.weight': \(24, 64\).* asks for .*'up.weight': \(32, 64\)"):
        read_head(tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("{", "is no readable JSON"), ("[]", "holds no JSON object"), ('{"head": {}}', "has format None")],
)
def test_a_configuration_that_is_no_configuration(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / CONFIG_FILE).write_text(text)
    with pytest.raises(ModelError, match=sentence):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"format": 2}, "has format 2, and this reflectgen reads up to 1: upgrade"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"head": {"hidden_size": 0}}, "head.hidden_size: Input should be greater than 0"),
    ],
)
def test_a_configuration_with_a_fault(tmp_path: Path, changes: dict[str, object], sentence: str) -> None:
    saved(tmp_path)
    rewrite(tmp_path, **changes)
    with pytest.raises(ModelError, match=sentence):
        read_config(tmp_path)
