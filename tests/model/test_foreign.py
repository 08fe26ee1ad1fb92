import os
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from safetensors.torch import save_file

from reflectgen.errors import ModelError, OptionError
from reflectgen.model.foreign import LAYOUTS, read_foreign, write_foreign

OWN_SETTINGS = {name: {**layout.settings, "width": 16} for name, layout in LAYOUTS.items()}


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_a_head_comes_back_the_same(layout: str, tmp_path: Path) -> None:
    head = tiny_models.head(**OWN_SETTINGS[layout])
    write_foreign(tmp_path / "head.pt", head, layout)
    again = read_foreign(tmp_path / "head.pt")
    assert again.config == head.config
    features = torch.randn(3, tiny_models.WIDTH, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(again(features), head(features), rtol=0, atol=0)
    assert [path.name for path in tmp_path.iterdir()] == ["head.pt"]


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_a_temperature_goes_into_the_weights(layout: str, tmp_path: Path) -> None:
    head = tiny_models.head(**OWN_SETTINGS[layout], temperature=2.5)
    write_foreign(tmp_path / "head.pt", head, layout)
    again = read_foreign(tmp_path / "head.pt")
    features = torch.randn(3, tiny_models.WIDTH, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(again(features), head(features))
    assert again.config.temperature == 1.0


def score_module(d: int = 4) -> dict[str, torch.Tensor]:
    """The authors' head as they build and save it, in bfloat16."""
    torch.manual_seed(0)
    modules = torch.nn.Linear(d, 2 * d), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(2 * d, 1)
    return torch.nn.Sequential(*modules).to(torch.bfloat16).state_dict()


def test_the_authors_own_module_is_read_as_they_run_it(tmp_path: Path) -> None:
    state = score_module()
    torch.save(state, tmp_path / "score_module.pt")
    head, x = read_foreign(tmp_path / "score_module.pt"), torch.tensor([1.0, -2.0, 0.5, 3.0])
    by_hand = (state["0.weight"].float() @ x + state["0.bias"].float()).clamp(min=0)
    torch.testing.assert_close(head(x), (state["3.weight"].float() @ by_hand + state["3.bias"].float()).squeeze())
    settings = head.config
    assert (settings.hidden_size, settings.width, settings.dropout) == (4, 8, 0.5)
    assert (settings.layer, settings.norm, settings.offset, settings.step_rule) == (-2, False, -1, "official")
    assert settings.backbone == ""


def test_a_step_scorer_is_read_with_its_convention(tmp_path: Path) -> None:
    shapes = {"net.0.weight": (512, 4), "net.0.bias": (512,), "net.2.weight": (1, 512), "net.2.bias": (1,)}
    torch.save({name: torch.zeros(shape) for name, shape in shapes.items()}, tmp_path / "scorer.pth")
    settings = read_foreign(tmp_path / "scorer.pth").config
    assert (settings.hidden_size, settings.width, settings.dropout) == (4, 512, 0.0)
    assert (settings.layer, settings.norm, settings.offset, settings.step_rule) == (-1, True, 0, "blank_line")


def test_a_safetensors_file_in_a_known_layout_is_read_too(tmp_path: Path) -> None:
    save_file(score_module(), tmp_path / "head.safetensors")
    assert read_foreign(tmp_path / "head.safetensors").config.hidden_size == 4


@pytest.mark.parametrize(
    ("layout", "settings", "named"),
    [
        ("score_module", {"layer": -1}, "layer -2, but this head has layer -1"),
        ("score_module", {"norm": True}, "norm False, but this head has norm True"),
        ("score_module", {"offset": 0}, "offset -1, but this head has offset 0"),
        ("score_module", {"pool": "step"}, "pool token, but this head has pool step"),
        ("step", {"layer": -1, "norm": True, "offset": 0, "activation": "gelu"}, "activation relu"),
    ],
)
def test_a_layout_that_cannot_say_what_a_head_reads_is_refused(
    layout: str, settings: dict[str, Any], named: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=named):
        write_foreign(tmp_path / "head.pt", tiny_models.head(**settings), layout)
    assert not list(tmp_path.iterdir())


def test_an_unknown_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"Unknown layout 'stepp': .* Did you mean 'step'"):
        write_foreign(tmp_path / "head.pt", tiny_models.head(), "stepp")


class Payload:
    """Pickled, it is code that would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_code_in_a_pickle_is_never_run(tmp_path: Path) -> None:
    torch.save({"0.weight": Payload(tmp_path / "made")}, tmp_path / "head.pt")
    with pytest.raises(ModelError, match="broken, or holds code, which is never run"):
        read_foreign(tmp_path / "head.pt")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_one_sentence(suffix: str, keep: float, tmp_path: Path) -> None:
    path = tmp_path / f"head{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(score_module(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(ModelError, match="is no readable file of tensors"):
        read_foreign(path)


def test_other_tensors_are_named(tmp_path: Path) -> None:
    torch.save({f"layer.{index}": torch.zeros(1) for index in range(9)}, tmp_path / "head.pt")
    with pytest.raises(ModelError, match=r"known layout \(score_module, step\): its tensors are layer\.0, .*layer\.5, \.\.\."):
        read_foreign(tmp_path / "head.pt")


def test_something_else_than_tensors_is_refused(tmp_path: Path) -> None:
    for index, content in enumerate(([1, 2], {"0.weight": 3})):
        torch.save(content, tmp_path / f"{index}.pt")
        with pytest.raises(ModelError, match="holds no state dict"):
            read_foreign(tmp_path / f"{index}.pt")


@pytest.mark.parametrize(
    ("name", "shape"), [("0.weight", (8,)), ("0.bias", (7,)), ("3.weight", (2, 8)), ("3.weight", (1, 9)), ("3.bias", ())]
)
def test_tensors_that_do_not_fit_each_other_are_refused(name: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    torch.save({**score_module(), name: torch.zeros(shape)}, tmp_path / "head.pt")
    with pytest.raises(ModelError, match=r"but a head has \(W, D\), \(W\), \(1, W\) and \(1\)"):
        read_foreign(tmp_path / "head.pt")
