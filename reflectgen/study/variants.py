"""One row of a study: what is trained, on which traces, and how its grades become trajectory scores."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

from reflectgen.config import HeadOptions, RetrofitConfig
from reflectgen.train.features import Reading
from reflectgen.train.head_only import reading_of

Method = Literal["head", "linear", "logprobs", "tokens", "finished"]
"""A name of `reflectgen.study.methods.METHODS`."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How traces are cut into steps, and by which backbone they are read: rows of one cut share their features."""

    reader: str
    """Name of the backbone; empty for the policy itself."""
    step_rule: str
    grade_end: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What one row does; fields without a word here are those of the baseline."""

    section: str
    name: str
    config: RetrofitConfig
    stores: tuple[Path, ...]
    """Training traces."""
    method: Method = "head"
    regrade: str | None = None
    """Aggregates step scores in place of the one that the head was trained for."""
    labels: str | None = None
    """Step labels of the stores that take the outcome's place."""
    share: float = 1.0
    """Share of the problems of the training part."""
    reader: str = ""
    """Backbone that reads the traces; empty for the policy itself."""
    finished: str = ""
    """A trained head or model (method "finished")."""

    @property
    def step_rule(self) -> str:
        """The step rule: the baseline has the one of its traces, where its configuration names none."""
        assert self.config.head.step_rule is not None
        return self.config.head.step_rule

    @property
    def cut(self) -> Cut:
        """The cut of its traces."""
        return Cut(self.reader, self.step_rule, self.config.head.grade_end)

    @property
    def reading(self) -> Reading:
        """The states that it reads."""
        return reading_of(self.config.head)

    @property
    def training(self) -> Self:
        """What its head's training depends on: rows that agree in it share one head."""
        return replace(self, section="", name="", regrade=None)

    def identity(self) -> dict[str, Any]:
        """All that its grades depend on beside the contents of stores and models, as JSON."""
        values = {**asdict(replace(self, section="", name="")), "config": self.config.model_dump(mode="json")}
        return {**values, "stores": [str(store) for store in self.stores]}

    def changed(self, name: str, **changes: Any) -> Self:
        """The same under another name, with other options of the head, of its training, or other fields."""
        head, training, fields = self.config.head.model_dump(), self.config.model_dump(), dict[str, Any]()
        for key, value in changes.items():
            owner = head if key in HeadOptions.model_fields else training if key in RetrofitConfig.model_fields else fields
            owner[key] = value
        config = RetrofitConfig.parse({**training, "head": head}, f"study row '{name}'")
        return replace(self, name=name, config=config, **fields)
