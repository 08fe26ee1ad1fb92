"""A reflective model without its backbone's weights: enough to put prompts, check options and know limits, at once and
anywhere.

The backbone is on PyTorch's meta device, so that nothing is allocated; the head is read, since its files are small. Of a
model on the Hub the weights are not fetched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reflectgen import zoo
from reflectgen.model.backbone import empty_backbone
from reflectgen.model.checkpoint import StoredHead, backbone_source, find_head, load_head, read_config, read_head
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.model.shipped import NO_HEAD
from reflectgen.model.source import Source, resolve
from reflectgen.model.tokenizer import load_tokenizer


def open_unweighted(
    name: str | Path, *, head: str | Path | None = None, trust_remote_code: bool = False
) -> tuple[ReflectiveModel, Any]:
    """The model called `name` as `open_model` gives it, but for the weights, and its tokenizer.

    A head that ships for the backbone is found by the backbone's name alone, and no fingerprint is compared. Raises
    `ModelError` where something is missing or broken.
    """
    source = resolve(name, weights=False)
    backed = backbone_source(source, weights=False)
    tokenizer = load_tokenizer(name, trust_remote_code=trust_remote_code, weights=False)
    stored = _head(source, head)
    backbone = empty_backbone(backed, trust_remote_code=trust_remote_code)
    beside = read_config(source.folder)
    prompt = (stored.prompt if stored else None) or (beside.prompt if beside else None)
    kept = None if stored is None or head == NO_HEAD else stored.head
    return ReflectiveModel(backbone, kept, prompt=prompt), tokenizer


def _head(source: Source, head: str | Path | None) -> StoredHead | None:
    """The head that was named, else the one beside the weights, else the one that ships for a model of this name."""
    if head not in (None, NO_HEAD):
        return load_head(head)
    own = find_head(source)
    shipped = zoo.head_for(source.name, "") if own is None and head is None else None
    return read_head(zoo.head_path(shipped)) if shipped else own
