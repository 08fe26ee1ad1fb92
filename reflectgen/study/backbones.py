"""The backbones of a study, each with its vocabulary and, where it has one, its head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from reflectgen.load import locate
from reflectgen.model.fingerprint import fingerprint
from reflectgen.model.head import SPRMHead
from reflectgen.model.shipped import open_model
from reflectgen.model.tap import anatomy, hidden_size
from reflectgen.model.tokenizer import load_tokenizer
from reflectgen.steps import OFFICIAL, PRESETS, TokenTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Backbone:
    """A frozen language model that reads traces."""

    name: str
    model: nn.Module
    table: TokenTable
    head: SPRMHead | None
    """The head that lies beside it, or was named with it."""

    @property
    def fingerprint(self) -> str:
        """Of its weights (`reflectgen.model.fingerprint`)."""
        return fingerprint(self.model)

    @property
    def blocks(self) -> int:
        """Number of its blocks."""
        return len(anatomy(self.model).blocks)

    @property
    def normed(self) -> bool:
        """Whether its final norm is known."""
        return anatomy(self.model).norm is not None

    @property
    def width(self) -> int:
        """Width D of its states."""
        return hidden_size(self.model)

    @property
    def rules(self) -> tuple[str, ...]:
        """Presets of the step rule under which its vocabulary has step tokens, those that cut alike left out."""
        rules: dict[Any, str] = {}
        for rule, tokens_of in PRESETS.items():
            tokens = tokens_of(self.table)
            if tokens:
                rules.setdefault((rule in OFFICIAL, tokens), rule)
        return tuple(rules.values())


def open_backbone(name: str, *, head: str | None = None, device: str = "auto", dtype: str = "auto") -> Backbone:
    """Load the model called `name`, with the head `head` in place of its own; raises `ModelError` where that fails."""
    place = locate(name)
    model = open_model(place, head=head, device=device, dtype=dtype)
    return Backbone(name=name, model=model.backbone, table=TokenTable(load_tokenizer(place)), head=model.head)
