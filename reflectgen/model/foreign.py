"""Heads of other projects, both ways: a table of layouts, told apart by the names of their tensors.

`score_module`  the authors of arXiv 2507.01951: `score_module.pt` beside the backbone's files, a torch state dict of
                Sequential(Linear(d, 2d), ReLU, Dropout(0.5), Linear(2d, 1)) on `hidden_states[-2]`, read at offset -1,
                with the step rule of their scorer.
`step`          STEP (arXiv 2601.09093): a state dict of Linear(d, 512), ReLU, Linear(512, 1) on the final-normed last
                state, read at every token with a blank line.

A layout holds tensors only. What they mean is its convention, so a head that means something else is not written in it.
Step rule, graded ends and aggregate are not part of the weights' meaning and are not checked. A temperature goes into the
last layer's weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from reflectgen.config import HeadConfig
from reflectgen.errors import ModelError, unknown
from reflectgen.model.atomic import replace_file
from reflectgen.model.head import SPRMHead

SCORE_MODULE = "score_module.pt"
"""What the authors call the file of their head, beside the backbone's."""

OWN_NAMES = ("up.weight", "up.bias", "down.weight", "down.bias")
"""The tensors of `SPRMHead`: (W, D), (W), (1, W), (1)."""

MEANING = ("layer", "norm", "offset", "pool", "activation")
"""What a layout's tensors presuppose."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How another project stores a head."""

    names: tuple[str, str, str, str]
    """Its names for `OWN_NAMES`, in that order."""
    settings: dict[str, Any]
    """Its convention, as fields of `HeadConfig`."""


LAYOUTS: dict[str, Layout] = {
    "score_module": Layout(
        names=("0.weight", "0.bias", "3.weight", "3.bias"),
        settings={
            "layer": -2,
            "norm": False,
            "offset": -1,
            "pool": "token",
            "activation": "relu",
            "dropout": 0.5,
            "step_rule": "official",
        },
    ),
    "step": Layout(
        names=("net.0.weight", "net.0.bias", "net.2.weight", "net.2.bias"),
        settings={
            "layer": -1,
            "norm": True,
            "offset": 0,
            "pool": "token",
            "activation": "relu",
            "dropout": 0.0,
            "step_rule": "blank_line",
        },
    ),
}


def read_foreign(path: Path) -> SPRMHead:
    """The head in the file `path`, in whichever layout it is; raises `ModelError` where it is in none or broken."""
    state = _read_tensors(path)
    layout = next((layout for layout in LAYOUTS.values() if set(layout.names) == set(state)), None)
    if layout is None:
        raise ModelError(f"{path} holds no head in a known layout ({', '.join(LAYOUTS)}): its tensors are {_some(state)}.")
    tensors = [state[name].float() for name in layout.names]
    head = SPRMHead(_config(path, layout, [tuple(tensor.shape) for tensor in tensors]))
    head.load_state_dict(dict(zip(OWN_NAMES, tensors, strict=True)))
    return head.eval()


def write_foreign(path: Path, head: SPRMHead, layout: str) -> None:
    """Write `head` to the file `path` in the layout of that name, as a torch state dict in fp32.

    Raises `OptionError` for an unknown layout and `ModelError` where the layout cannot say what the head reads.
    """
    if layout not in LAYOUTS:
        raise unknown("layout", layout, LAYOUTS)
    chosen = LAYOUTS[layout]
    for key in MEANING:
        own, other = getattr(head.config, key), chosen.settings[key]
        if own != other:
            raise ModelError(
                f"The layout '{layout}' means heads with {key} {other}, but this head has {key} {own}: keep it native."
            )
    state = head.state_dict()
    for name in ("down.weight", "down.bias"):
        state[name] = state[name] / head.config.temperature
    tensors = {name: state[own].detach().cpu() for own, name in zip(OWN_NAMES, chosen.names, strict=True)}
    with replace_file(path) as scratch:
        torch.save(tensors, scratch)


def _config(path: Path, layout: Layout, shapes: list[tuple[int, ...]]) -> HeadConfig:
    """The head's configuration from the shapes of its four tensors."""
    if len(shapes[0]) != 2 or shapes[1:] != [(shapes[0][0],), (1, shapes[0][0]), (1,)]:
        raise ModelError(f"{path} holds tensors of shapes {shapes}, but a head has (W, D), (W), (1, W) and (1).")
    width, hidden_size = shapes[0]
    return HeadConfig(hidden_size=hidden_size, width=width, **layout.settings)


def _read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors in a safetensors file or a torch state dict, of which nothing is executed."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and pickle raise anything for a broken file
        raise ModelError(f"{path} is no readable file of tensors (it is broken, or holds code, which is never run).") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelError(f"{path} holds no state dict: a head is a mapping of names to tensors.")
    return state


def _some(state: dict[str, Tensor]) -> str:
    names = [str(name) for name in state]
    return ", ".join(names[:6]) + (", ..." if len(names) > 6 else "") if names else "none"
