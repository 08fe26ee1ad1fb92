"""A study: one baseline, its variations, and the traces that all of them learn from and are measured on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from reflectgen.config.base import Config
from reflectgen.config.retrofit import RetrofitConfig


class StudySampling(Config):
    """How the study samples a store that is not named, as far as that is not there yet."""

    task: str = "wordproblems"
    """A task of `reflectgen.tasks`, an installed one, or `module:attribute`."""
    path: Path | None = None
    """File of the training problems, where the task reads one."""
    test_path: Path | None = None
    """File of the test problems, where the task reads one."""
    problems: int = Field(400, ge=2)
    """Problems of the split "train"."""
    test_problems: int = Field(200, ge=1)
    """Problems of the split "test"."""
    k: int = Field(8, ge=2)
    """Traces of each problem."""
    seed: int = 0
    """Draws the traces, and makes the problems where the task makes its own."""


class StudyConfig(Config):
    """What is varied, and on what (`reflectgen.study`)."""

    model: str = "tiny"
    """The policy whose traces are graded, and the backbone whose states are read."""
    rollouts: tuple[Path, ...] = ()
    """Stores of training traces."""
    test: Path | None = None
    """Store of traces of other problems, on which every row is measured."""
    sampling: StudySampling | None = None
    """Where `rollouts` or `test` is not named, it is sampled into the output folder; None to have both named."""
    data: tuple[Path, ...] = ()
    """Files that the tasks of compact training stores read their problems from."""
    test_data: tuple[Path, ...] = ()
    """The same for the test store."""
    baseline: RetrofitConfig = RetrofitConfig()
    """The head of which every row changes one thing."""
    sections: tuple[str, ...] = ()
    """Names of `reflectgen.study.sections.SECTIONS`; empty for all that what is given here allows."""
    off_policy: Mapping[str, Path] = Field(default_factory=dict)
    """Name of a row -> store of another model's traces of such problems, to train on instead."""
    prm_backbone: str | None = None
    """Another backbone, which re-reads the traces: the separate reward model."""
    finished: Mapping[str, str] = Field(default_factory=dict)
    """Name of a row -> a trained head, or a model with one, which re-reads the traces where its backbone is another."""
    resamples: int = Field(1000, ge=1)
    """Resamples of the bootstrap over problems."""
    seed: int = 0
    """Seed of the bootstrap."""
