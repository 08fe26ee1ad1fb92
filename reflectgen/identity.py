"""What a model's traces are known by after it is gone."""

from __future__ import annotations

from dataclasses import dataclass, field

from reflectgen.config import PromptConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A model, its engine and its way to prompt; what is not known is empty."""

    model: str = ""
    """What the user calls it."""
    backbone: str = ""
    """The backbone's fingerprint (`reflectgen.model.fingerprint`); of one that runs with an adapter, behind a plus, also the
    adapter's (`reflectgen.model.adapter`) or what its server calls it."""
    head: str = ""
    """The head's fingerprint."""
    engine: str = ""
    """Name of the engine."""
    dtype: str = ""
    """Precision of the backbone's weights, e.g. `bfloat16`."""
    parameters: int = 0
    """Parameters of the backbone."""
    prompt: PromptConfig = field(default_factory=PromptConfig)
    """How a problem becomes a prompt."""


UNKNOWN = Identity()
"""Of an engine that was put under a Reflector without saying."""
