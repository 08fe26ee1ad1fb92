"""Train a head alone, on features that a frozen backbone left of stored traces: seconds to minutes on a CPU.

Whole problems make a batch, so that a loss sees right and wrong traces of one problem together. After every epoch the mean
AUC within the validation part's problems is taken, training stops when that no longer rises, and the best epoch's weights
are kept; the heads of several seeds become one (`reflectgen.train.ensemble`). On the same part the temperature and the
scales of the blend are fitted (`reflectgen.train.calibration`), so figures on it flatter the head a little: report those of
other problems. Wherever traces are chosen among, one that was cut off counts as what it was graded; nothing is taught of it.

States of large models have a few dimensions a thousand times larger than the rest, so each dimension is standardised over
the training part. Afterwards that is folded into the head's first layer, which leaves a plain `SPRMHead`:
W ((x - m) / s) + b = (W / s) x + (b - (W / s) m).

Equal arguments give equal heads on one number of threads; nothing is kept on the way, since the whole is done again in
little more time than it would take to find out where it stopped.

Shapes: S graded steps, B traces, D the backbone's width, I inputs of the head (D and further columns).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reflectgen import metrics
from reflectgen.config import Blend, HeadConfig, HeadOptions, RetrofitConfig
from reflectgen.errors import InputError, ModelError
from reflectgen.metrics import Floats, Ints
from reflectgen.model.head import SPRMHead
from reflectgen.train.calibration import auc_by_problem, fit_blend, fit_temperature, trace_scores
from reflectgen.train.ensemble import average
from reflectgen.train.features import Origin, Reading, StepFeatures
from reflectgen.train.loss import Graded, Loss, named_loss
from reflectgen.train.selection import Figures, measure

CHUNK = 8192
"""Steps that are graded at once outside of training."""

Build = Callable[[HeadConfig], nn.Module]
"""From a head's configuration, whose `hidden_size` is the number of inputs I, to a module (..., I) -> (...)."""
Columns = Callable[[StepFeatures], Floats]
"""Further inputs of each step beside its states: (S, C)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How the training with one seed went."""

    seed: int
    epoch: int
    """The epoch whose weights were kept, from 1."""
    epochs: int
    """Epochs until it stopped."""
    auc_within: float
    """Mean AUC within the validation part's problems at that epoch."""
    metrics: dict[str, float]
    """The loss's own metrics in that epoch, means over its batches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A trained head."""

    head: nn.Module
    """Maps inputs (..., I) to logits (...), at temperature 1; an `SPRMHead` unless another was asked for."""
    config: HeadConfig
    trainings: tuple[Training, ...]
    """One for each seed."""
    validation: Figures
    """What it reaches on the validation part, which also stopped its training and calibrated it."""

    def scores(self, features: StepFeatures, columns: Columns | None = None) -> Floats:
        """Its trajectory scores (B,), calibrated."""
        logits = grade(self.head, inputs_of(features, Reading.of(self.config), columns))
        return trace_scores(logits, features.steps, self.config.aggregate, self.config.temperature)

    def measure(self, features: StepFeatures, columns: Columns | None = None) -> Figures:
        """What it reaches on other traces."""
        return measure(features, self.scores(features, columns), self.config.blend or Blend())


def fit(
    train: StepFeatures,
    validation: StepFeatures,
    config: RetrofitConfig,
    *,
    build: Build = SPRMHead,
    columns: Columns | None = None,
) -> Fitted:
    """Train `config.seeds` heads on `train`, each as long as it gains on `validation`, and average them; calibrated.

    `build` makes another module than the paper's, and `columns` gives it further inputs. Raises `OptionError` for an
    unknown loss or one that lacks labels, `InputError` where no problem of a part has right and wrong traces, and
    `ModelError` where training diverges.
    """
    taught = train.of_traces(train.ended)
    for part, name in ((taught, "training"), (validation, "validation")):
        if not part.mixed:
            raise InputError(
                f"No problem of the {name} part has both right and wrong traces, so nothing can be learnt from it: "
                "sample more problems, more traces of each, or easier or harder ones."
            )
    inputs, held_out = (inputs_of(part, reading_of(config.head), columns) for part in (train, validation))
    head_config = configure(config, train.origin, inputs.shape[1])
    loss = named_loss(config.loss)
    course = Course(train, validation, inputs, held_out, config, head_config, loss, build)
    members, trainings = zip(*(course.run(config.seed + index) for index in range(config.seeds)), strict=True)
    head = average(members)
    logits = grade(head, held_out)
    calibrated = calibrate(head.config if isinstance(head, SPRMHead) else head_config, validation, logits)
    scores = trace_scores(logits, validation.steps, calibrated.aggregate, calibrated.temperature)
    figures = measure(validation, scores, calibrated.blend or Blend())
    return Fitted(head=head, config=calibrated, trainings=trainings, validation=figures)


def reading_of(options: HeadOptions) -> Reading:
    """What a head of these options reads."""
    return Reading(options.layer, options.norm, options.offset, options.pool)


def configure(config: RetrofitConfig, origin: Origin, inputs: int) -> HeadConfig:
    """The configuration of the head that `config` asks for, on the backbone and the rule that the features are of."""
    made = {"hidden_size": inputs, "step_rule": origin.step_rule, "grade_end": origin.grade_end}
    backbone = {"backbone": origin.backbone, "backbone_name": config.backbone_name or origin.backbone_name}
    return HeadConfig(**{**config.head.model_dump(), **made, **backbone})


def inputs_of(features: StepFeatures, reading: Reading, columns: Columns | None = None) -> Tensor:
    """The head's inputs (S, I): the states as they are stored, float16, or with further columns float32."""
    states = torch.from_numpy(features.states[reading])
    if columns is None:
        return states
    return torch.cat([states.float(), torch.from_numpy(columns(features)).float()], dim=1)


@torch.inference_mode()
def grade(head: nn.Module, inputs: Tensor) -> Floats:
    """The head's logits (S,) of inputs (S, I)."""
    head.eval()
    chunks = [head(inputs[begin : begin + CHUNK].float()) for begin in range(0, len(inputs), CHUNK)]
    logits: Floats = torch.cat([torch.zeros(0), *chunks]).double().numpy()
    return logits


# -- one training ------------------------------------------------------------------------------------------------------


class Standardised(nn.Module):
    """A module behind inputs that are standardised by dimension."""

    mean: Tensor
    scale: Tensor

    def __init__(self, module: nn.Module, inputs: Tensor) -> None:
        """`inputs` (S, I) give means and standard deviations; a dimension that does not vary is only centred."""
        super().__init__()
        self.module = module
        values = inputs.float()
        spread = values.std(dim=0, correction=0)
        self.register_buffer("mean", values.mean(dim=0))
        self.register_buffer("scale", torch.where(spread > 0, spread, 1.0))

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., I) -> (...)."""
        logits: Tensor = self.module((inputs.float() - self.mean) / self.scale)
        return logits

    @torch.no_grad()
    def folded(self) -> nn.Module:
        """The same function as a plain `SPRMHead` where that is what it holds, else itself."""
        if not isinstance(self.module, SPRMHead):
            return self
        head = deepcopy(self.module)
        head.up.weight.div_(self.scale)
        head.up.bias.sub_(head.up.weight @ self.mean)
        return head


@dataclass(frozen=True, slots=True)
class Course:
    """What the trainings of one head share whatever their seeds."""

    train: StepFeatures
    validation: StepFeatures
    inputs: Tensor
    """Of the training part (S, I)."""
    held_out: Tensor
    """Of the validation part (S, I)."""
    config: RetrofitConfig
    head: HeadConfig
    loss: Loss
    build: Build

    @property
    def warmup(self) -> int:
        """Epochs in which every step is kept; none of them is the best, or the head would never have seen its own loss."""
        return 0 if self.loss == self.loss.unfiltered else min(self.config.warmup, self.config.epochs - 1)

    def run(self, seed: int) -> tuple[nn.Module, Training]:
        """One head, trained with one seed, with the weights of its best epoch."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = Standardised(self.build(self.head), self.inputs)
            optimizer = torch.optim.AdamW(
                module.parameters(), lr=self.config.learning_rate, weight_decay=self.config.weight_decay
            )
            best = Training(seed=seed, epoch=0, epochs=0, auc_within=-math.inf, metrics={})
            kept: dict[str, Any] = {}
            for epoch in range(1, self.config.epochs + 1):
                noted = self._epoch(module, optimizer, self.loss if epoch > self.warmup else self.loss.unfiltered)
                found = self._auc_within(module)
                if epoch > self.warmup and found > best.auc_within:
                    kept = deepcopy(module.state_dict())
                    best = Training(seed=seed, epoch=epoch, epochs=epoch, auc_within=found, metrics=noted)
                if epoch - max(best.epoch, self.warmup) >= self.config.patience:
                    break
        module.load_state_dict(kept)
        return module.eval().folded(), replace(best, epochs=epoch)

    def _epoch(self, module: nn.Module, optimizer: torch.optim.Optimizer, loss: Loss) -> dict[str, float]:
        """One pass over the training part; the means of the loss's metrics over the batches that define them."""
        module.train()
        noted: dict[str, list[float]] = {}
        order = torch.randperm(len(self.train.problems)).numpy()
        for begin in range(0, len(order), self.config.batch):
            steps, graded = batch_of(self.train, order[begin : begin + self.config.batch])
            value, found = loss(replace(graded, logits=module(self.inputs[steps])))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            for name, metric in found.items():
                noted.setdefault(name, []).append(metric.item())
        return {name: metrics.mean(np.array(values)) for name, values in noted.items()}

    def _auc_within(self, module: nn.Module) -> float:
        """Mean AUC within the validation part's problems; raises `ModelError` where the weights have run away."""
        logits = grade(module, self.held_out)
        if not np.isfinite(logits).all():
            raise ModelError("The head's training diverged (its scores are no numbers): choose a lower learning_rate.")
        scores = trace_scores(logits, self.validation.steps, self.head.aggregate)
        return metrics.mean(auc_by_problem(self.validation.correct, scores, self.validation.rows))


def batch_of(features: StepFeatures, problems: Ints) -> tuple[Tensor, Graded]:
    """Whole problems: the places of their steps (S,), and these steps before any verdict (all logits 0)."""
    traces = np.concatenate([features.rows[problem] for problem in problems])
    of_traces = [features.steps[trace] for trace in traces]
    steps = torch.from_numpy(np.concatenate(of_traces))
    return steps, Graded(
        logits=torch.zeros(len(steps)),
        trace=torch.from_numpy(np.repeat(np.arange(len(traces)), list(map(len, of_traces)))),
        correct=torch.from_numpy(features.correct[traces]),
        ended=torch.from_numpy(features.ended[traces]),
        group=torch.from_numpy(features.problem[traces]),
        labels=torch.from_numpy(features.labels)[steps].float() if features.labelled else None,
    )


def calibrate(config: HeadConfig, held_out: StepFeatures, logits: Floats) -> HeadConfig:
    """`config` with the temperature and the scales of the blend that fit held-out traces, whose step logits are (S,).

    Traces that were cut off have no known outcome, so the temperature is fitted without them; the scales are of all.
    """
    ended = np.flatnonzero(held_out.ended)
    steps = [held_out.steps[trace] for trace in ended]
    temperature = fit_temperature(logits, steps, held_out.correct[ended], config.aggregate) if len(ended) else 1.0
    scores = trace_scores(logits, held_out.steps, config.aggregate, temperature)
    blend = fit_blend(scores, held_out.logprob, held_out.correct, held_out.rows)
    return config.model_copy(update={"temperature": temperature, "blend": blend})
