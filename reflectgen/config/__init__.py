"""One frozen configuration per stage: keyword-only, unknown keys are errors, no I/O and no torch at import.

A recipe is a YAML file of one of these; `load_recipe` reads it and applies dotted overrides (`optimizer.lr=1e-3`).
"""

from __future__ import annotations

from reflectgen.config.base import Config, load_recipe, yaml_value
from reflectgen.config.evaluation import EvalConfig
from reflectgen.config.joint import (
    FSDPConfig,
    GrpoConfig,
    JointConfig,
    JointSPRConfig,
    LoraConfig,
    PolicyConfig,
    RolloutConfig,
    TaskConfig,
    VLLMConfig,
)
from reflectgen.config.model import INSTRUCTION, Blend, HeadConfig, PromptConfig, ReflectiveConfig
from reflectgen.config.retrofit import HeadOptions, RetrofitConfig, RetrofitStage
from reflectgen.config.sampling import COLDEST, EFFORTS, Effort, Efforts, Sampling
from reflectgen.config.serve import ServeConfig
from reflectgen.config.stages import STAGES, Recipe
from reflectgen.config.study import StudyConfig, StudySampling
from reflectgen.config.supervised import BackboneConfig, CorpusConfig, OptimizerConfig, SPRConfig, SupervisedConfig

__all__ = [
    "COLDEST",
    "EFFORTS",
    "INSTRUCTION",
    "STAGES",
    "BackboneConfig",
    "Blend",
    "Config",
    "CorpusConfig",
    "Effort",
    "Efforts",
    "EvalConfig",
    "FSDPConfig",
    "GrpoConfig",
    "HeadConfig",
    "HeadOptions",
    "JointConfig",
    "JointSPRConfig",
    "LoraConfig",
    "OptimizerConfig",
    "PolicyConfig",
    "PromptConfig",
    "Recipe",
    "ReflectiveConfig",
    "RetrofitConfig",
    "RetrofitStage",
    "RolloutConfig",
    "SPRConfig",
    "Sampling",
    "ServeConfig",
    "StudyConfig",
    "StudySampling",
    "SupervisedConfig",
    "TaskConfig",
    "VLLMConfig",
    "load_recipe",
    "yaml_value",
]
