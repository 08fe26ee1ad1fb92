"""Opens a model as a user names it: with the head beside its weights, another one, the one that ships for it, or none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reflectgen import zoo
from reflectgen.model.checkpoint import read_head
from reflectgen.model.fingerprint import check_backbone, fingerprint
from reflectgen.model.reflective import ReflectiveModel

NO_HEAD = "none"
"""What a user gives as head who wants none."""


def open_model(name: str | Path, *, head: str | Path | None = None, **options: Any) -> ReflectiveModel:
    """As `ReflectiveModel.from_pretrained`, whose `options` these are; without a head the one that ships for the backbone.

    Such a head is meant for every copy of that model, so it is put on one of another fingerprint, too, and the model's
    `mismatch` says so. The head "none" leaves every head away, the model's own as well.
    """
    if head == NO_HEAD:
        return _without_head(ReflectiveModel.from_pretrained(name, **options))
    model = ReflectiveModel.from_pretrained(name, head=head, **options)
    return model if model.head is not None else _with_shipped_head(model, str(name))


def shipped_for(model: ReflectiveModel, name: str) -> str | None:
    """Name of the head in the zoo that ships for this backbone, which the user called `name`."""
    return zoo.head_for(name, fingerprint(model.backbone)) if zoo.HEADS else None


def _with_shipped_head(model: ReflectiveModel, name: str) -> ReflectiveModel:
    found = shipped_for(model, name)
    if found is None:
        return model
    stored = read_head(zoo.head_path(found))
    mismatch = check_backbone(stored.head.config, model.backbone, allow_mismatch=True)
    return ReflectiveModel(model.backbone, stored.head.beside(model.backbone), prompt=stored.prompt, mismatch=mismatch).eval()


def _without_head(model: ReflectiveModel) -> ReflectiveModel:
    if model.tap is not None:
        model.tap.remove()
    return ReflectiveModel(model.backbone, prompt=model.prompt).eval()
