"""The rows of a study, by section: each a list of changes to the baseline. A new section is a new entry of the table.

Neighbours. `STEP` is the head of arXiv 2601.09093: Linear(d, 512) -> ReLU -> Linear(512, 1) on the final-normed last state
at tokens that hold a blank line, taught every trace's outcome by plain cross-entropy; here its step scores are aggregated as
everywhere, and its inputs are standardised as everywhere. `ReProbe-like` stands for arXiv 2511.06209 (`study.probe`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reflectgen.config import StudyConfig
from reflectgen.errors import OptionError, unknown
from reflectgen.scoring import AGGREGATES
from reflectgen.study.thresholds import NAMES as THRESHOLDS
from reflectgen.study.variants import Variant

WIDTHS, DROPOUTS, SHARES = (16, 64), (0.0, 0.1, 0.5), {"1/8": 0.125, "1/4": 0.25, "1/2": 0.5, "all": 1.0}
LOSSES = (
    "bce",
    "paper",
    "official",
    "even",
    "even_paper",
    "group",
    "group_paper",
    "pairwise",
    "pairwise_paper",
)
LAST_ONLY = ("orm", "group_orm")
"""Losses of outcome reward models: the last step's score is the trace's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What there is to vary."""

    config: StudyConfig
    blocks: int
    """Blocks of the backbone."""
    width: int
    """Width D of its states."""
    normed: bool
    """Whether its final norm is known."""
    rule: str
    """The step rule that the traces were sampled under."""
    rules: tuple[str, ...]
    """Step rules that cut its vocabulary's texts differently."""
    labels: tuple[str, ...]
    """Step labels that all training stores have."""

    @property
    def baseline(self) -> Variant:
        """The first row."""
        given = self.config
        row = Variant(section="baseline", name="baseline", config=given.baseline, stores=given.rollouts)
        return row.changed(row.name, step_rule=given.baseline.head.step_rule or self.rule)


Rows = Callable[[Setting], Sequence[Variant]]


def _aggregate(setting: Setting) -> list[Variant]:
    return [setting.baseline.changed(name, regrade=name) for name in AGGREGATES]


def _layer(setting: Setting) -> list[Variant]:
    rows = [setting.baseline.changed(f"layer {-depth}", layer=-depth, norm=False) for depth in range(1, setting.blocks + 1)]
    return [setting.baseline.changed("layer -1, final norm", layer=-1, norm=True), *rows] if setting.normed else rows


def _offset(setting: Setting) -> list[Variant]:
    return [setting.baseline.changed(f"offset {offset}", offset=offset) for offset in (-1, 0)]


def _pool(setting: Setting) -> list[Variant]:
    return [setting.baseline.changed(f"pool {pool}", pool=pool) for pool in ("token", "step")]


def _grade_end(setting: Setting) -> list[Variant]:
    names = {True: "end graded", False: "end not graded"}
    return [setting.baseline.changed(name, grade_end=graded) for graded, name in names.items()]


def _step_rule(setting: Setting) -> list[Variant]:
    return [setting.baseline.changed(f"rule {rule}", step_rule=rule) for rule in setting.rules]


def _threshold(setting: Setting) -> list[Variant]:
    return [setting.baseline.changed(f"paper, threshold {value}", loss=name) for value, name in THRESHOLDS.items()]


def _width(setting: Setting) -> list[Variant]:
    widths = sorted({*WIDTHS, setting.width, 2 * setting.width})
    linear = setting.baseline.changed("linear", method="linear")
    return [linear, *(setting.baseline.changed(f"width {width}", width=width) for width in widths)]


def _dropout(setting: Setting) -> list[Variant]:
    return [setting.baseline.changed(f"dropout {dropout}", dropout=dropout) for dropout in DROPOUTS]


def _loss(setting: Setting) -> list[Variant]:
    every = [setting.baseline.changed(f"loss {name}", loss=name) for name in LOSSES]
    last = [setting.baseline.changed(f"loss {name}", loss=name, aggregate="last") for name in LAST_ONLY]
    return [*every, *last]


def _warmup(setting: Setting) -> list[Variant]:
    lengths = {f"paper, {epochs} epochs with w = 1": epochs for epochs in sorted({0, setting.config.baseline.warmup or 5})}
    return [setting.baseline.changed(name, loss="paper", warmup=epochs) for name, epochs in lengths.items()]


def _labels(setting: Setting) -> list[Variant]:
    """Cross-entropy on every step, against the outcome and against what other sources say of the step."""
    given = [setting.baseline.changed(f"labels {name}", loss="soft", labels=name) for name in setting.labels]
    return [setting.baseline.changed("labels outcome", loss="bce"), *given] if given else []


def _data(setting: Setting) -> list[Variant]:
    return [setting.baseline.changed(f"{name} of the problems", share=share) for name, share in SHARES.items()]


def _stores(setting: Setting) -> list[Variant]:
    stores = setting.config.rollouts
    return [setting.baseline.changed(f"only {store.name}", stores=(store,)) for store in stores] if len(stores) > 1 else []


def _off_policy(setting: Setting) -> list[Variant]:
    given = setting.config.off_policy.items()
    return [setting.baseline.changed(f"traces of {name}", stores=(store,)) for name, store in given]


def _separate(setting: Setting) -> list[Variant]:
    name = setting.config.prm_backbone
    return [setting.baseline.changed(f"separate model {name}", reader=name)] if name else []


def _neighbours(setting: Setting) -> list[Variant]:
    step = {"layer": -1, "norm": True, "offset": 0, "pool": "token", "grade_end": False, "width": 512, "dropout": 0.0}
    rule = {"step_rule": "blank_line"} if "blank_line" in setting.rules else {}
    steps = [setting.baseline.changed("STEP", loss="bce", **step, **rule)] if setting.normed else []
    return [
        *steps,
        setting.baseline.changed("ReProbe-like", method="tokens"),
        setting.baseline.changed("log-prob in the head", method="logprobs"),
    ]


def _finished(setting: Setting) -> list[Variant]:
    given = setting.config.finished.items()
    return [setting.baseline.changed(name, method="finished", finished=path) for name, path in given]


@dataclass(frozen=True, slots=True)
class Section:
    """A group of rows that vary one thing."""

    title: str
    rows: Rows
    needs: str = ""
    """What it takes to have any row, where that is more than traces and a backbone."""


SECTIONS: dict[str, Section] = {
    "aggregate": Section("Trajectory score from step scores (one head)", _aggregate),
    "layer": Section("Layer", _layer),
    "offset": Section("Offset", _offset),
    "pool": Section("One token or the whole step", _pool),
    "grade_end": Section("End of the thinking", _grade_end),
    "step_rule": Section("Step rule", _step_rule),
    "width": Section("Width of the head", _width),
    "dropout": Section("Dropout", _dropout),
    "loss": Section("Loss", _loss),
    "warmup": Section("Warm-up of the dynamic weight", _warmup),
    "threshold": Section("Threshold of the dynamic weight", _threshold),
    "labels": Section("Step labels", _labels, "labels in the training stores: make some with reflectgen label"),
    "data": Section("Amount of data", _data),
    "stores": Section("Each training store alone", _stores, "more than one training store"),
    "off_policy": Section("Another model's traces", _off_policy, "a store of another model's traces (--off-policy)"),
    "separate": Section("A separate reward model", _separate, "a second backbone (--prm-backbone)"),
    "neighbours": Section("Neighbours", _neighbours),
    "finished": Section("Finished heads and models", _finished, "a head or a model (--finished)"),
}
"""Name -> section."""


def variants(setting: Setting) -> list[Variant]:
    """The baseline and the rows of the sections that were asked for, or of all that have any here.

    Raises `OptionError` for an unknown section, and for one that was asked for and lacks what it needs.
    """
    asked = setting.config.sections
    rows = [setting.baseline]
    for name in asked or SECTIONS:
        if name not in SECTIONS:
            raise unknown("section", name, SECTIONS)
        found = SECTIONS[name].rows(setting)
        if asked and not found:
            raise OptionError(f"The section '{name}' has no row here: it needs {SECTIONS[name].needs}.")
        rows += [row.changed(row.name, section=name) for row in found]
    return rows
