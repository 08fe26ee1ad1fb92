"""A recipe of `reflectgen eval`: what is measured, on which model, and how its thinkings are drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from reflectgen.config.base import Config


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str | int) else value


Names = Annotated[tuple[str, ...] | None, BeforeValidator(_listed), Field(min_length=1)]
Counts = Annotated[tuple[Annotated[int, Field(ge=1)], ...] | None, BeforeValidator(_listed), Field(min_length=1)]


class EvalConfig(Config):
    """Each key is an option of `reflectgen eval`, and means what the option means; a list stands for its values.

    What concerns the machine's safety (`trust_remote_code`) or where the run is written is not said in a recipe.
    """

    task: str | None = None
    data: Path | None = None
    split: str | None = None
    limit: int | None = Field(None, ge=1)
    data_seed: int | None = None
    instruction: str | None = None
    strategy: Names = None
    select: Names = None
    k: Counts = None
    budget: Counts = None
    seeds: int | None = Field(None, ge=1)
    """How many, from 0."""
    temperature: float | None = Field(None, ge=0)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=0)
    max_tokens: int | None = Field(None, ge=1)
    answer_tokens: int | None = Field(None, ge=1)
    model: str | None = None
    head: str | None = None
    prm: str | None = None
    step_rule: str | None = None
    engine: str | None = None
    adapter: str | None = None
    device: str | None = None
    dtype: str | None = None
    kv_budget: str | None = None

    def options(self) -> dict[str, Any]:
        """Name of an option -> its value as on a command line, of the keys that are given."""
        given = self.model_dump(exclude_none=True)
        return {name: ",".join(map(str, value)) if name in JOINED else value for name, value in given.items()}


JOINED = ("select", "k", "budget")
"""Lists that an option takes as one text; `strategy` may be given again."""
