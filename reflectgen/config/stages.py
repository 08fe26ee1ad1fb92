"""The stages of training, and which configuration a recipe of each holds."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict

from reflectgen.config.base import Config
from reflectgen.config.joint import GrpoConfig, JointConfig
from reflectgen.config.retrofit import RetrofitStage
from reflectgen.config.supervised import SupervisedConfig


class Recipe(Config):
    """A recipe of any stage, not yet checked."""

    model_config = ConfigDict(frozen=True, extra="allow")

    stage: str = "sft"
    """A name of `STAGES`."""

    @property
    def settings(self) -> dict[str, Any]:
        """Everything but the stage."""
        return dict(self.model_extra or {})


STAGES: dict[str, type[Config]] = {
    "sft": SupervisedConfig,
    "joint": JointConfig,
    "grpo": GrpoConfig,
    "retrofit": RetrofitStage,
}
"""Stage -> its configuration."""
