"""A probe that reads all of a step's tokens: a small transformer over their states, with log-prob and confidence beside them.

It stands for ReProbe (arXiv 2511.06209), whose probe of under 10M parameters reads hidden states, attention and logits of a
frozen model. Deviations: one layer's states and no attention maps; labels as the study has them; the last
`token_states.LONGEST` tokens of a step.

Shapes: K steps, T tokens of the longest of them, I = D + 2 inputs of a token, W the probe's width.
"""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from reflectgen import metrics
from reflectgen.config import RetrofitConfig
from reflectgen.metrics import Floats
from reflectgen.study.token_states import LONGEST, TokenStates
from reflectgen.train.calibration import auc_by_problem, trace_scores
from reflectgen.train.features import StepFeatures
from reflectgen.train.head_only import batch_of
from reflectgen.train.loss import Loss, named_loss

WIDTH, HEADS, DROPOUT = 64, 4, 0.1
CHUNK = 1024
"""Steps that are graded at once outside of training."""
EPOCHS, PATIENCE = 20, 4
"""Most epochs, and epochs without gain before it stops: an epoch does many times the work of a head's."""


class StepProbe(nn.Module):
    """One block of self-attention over a step's tokens, their mean, one logit."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        """`mean` and `scale` (I,) standardise the inputs."""
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.up = nn.Linear(len(mean), WIDTH)
        self.place = nn.Embedding(LONGEST, WIDTH)
        self.block = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, DROPOUT, batch_first=True, norm_first=True)
        self.norm = nn.LayerNorm(WIDTH)
        self.down = nn.Linear(WIDTH, 1)

    def forward(self, inputs: Tensor, real: Tensor) -> Tensor:
        """Logits (K,) of steps whose tokens' inputs are (K, T, I); `real` (K, T) says where there is a token."""
        hidden = self.up((inputs - self.mean) / self.scale) + self.place.weight[: inputs.shape[1]]  # (K, T, W)
        hidden = self.block(hidden, src_key_padding_mask=~real)
        weights = real.unsqueeze(-1) / real.sum(dim=1).view(-1, 1, 1)  # (K, T, 1)
        logits: Tensor = self.down(self.norm((hidden * weights).sum(dim=1))).squeeze(-1)
        return logits


@dataclass(frozen=True, slots=True)
class Known:
    """Traces and the tokens of their steps."""

    features: StepFeatures
    tokens: TokenStates


def train(known: Known, held_out: Known, config: RetrofitConfig) -> StepProbe:
    """A probe with the weights of its best epoch on `held_out`, by mean AUC within problems.

    Loss, learning rate, batch and aggregate are `config`'s; there is one training, with its first seed.
    """
    loss = named_loss(config.loss)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        probe = StepProbe(*_moments(known.tokens))
        optimizer = torch.optim.AdamW(probe.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        best, best_epoch, kept = -math.inf, 0, dict[str, Any]()
        for epoch in range(1, EPOCHS + 1):
            _epoch(probe, optimizer, known, config, loss.unfiltered if epoch <= config.warmup else loss)
            found = _auc_within(probe, held_out, config.head.aggregate)
            if found > best:
                best, best_epoch, kept = found, epoch, deepcopy(probe.state_dict())
            if epoch - best_epoch >= PATIENCE:
                break
    probe.load_state_dict(kept)
    return probe.eval()


@torch.inference_mode()
def grade(probe: StepProbe, tokens: TokenStates) -> Floats:
    """Logits of all steps (S,)."""
    probe.eval()
    steps = np.arange(len(tokens.starts) - 1)
    chunks = [probe(*tokens.of_steps(steps[begin : begin + CHUNK])) for begin in range(0, len(steps), CHUNK)]
    logits: Floats = torch.cat([torch.zeros(0), *chunks]).double().numpy()
    return logits


def _moments(tokens: TokenStates) -> tuple[Tensor, Tensor]:
    """Means and standard deviations of all inputs (I,), 1 where an input does not vary."""
    states = tokens.states.float()
    of_states = torch.stack([states.mean(dim=0), states.std(dim=0, correction=0)])
    of_others = [torch.stack([values.mean(), values.std(correction=0)]) for values in (tokens.logprob, tokens.confidence)]
    mean, spread = torch.cat([of_states, torch.stack(of_others, dim=1)], dim=1)
    return mean, torch.where(spread > 0, spread, 1.0)


def _epoch(probe: StepProbe, optimizer: torch.optim.Optimizer, known: Known, config: RetrofitConfig, loss: Loss) -> None:
    probe.train()
    order = torch.randperm(len(known.features.problems)).numpy()
    for begin in range(0, len(order), config.batch):
        steps, graded = batch_of(known.features, order[begin : begin + config.batch])
        value, _ = loss(replace(graded, logits=probe(*known.tokens.of_steps(steps.numpy()))))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()


def _auc_within(probe: StepProbe, held_out: Known, aggregate: str) -> float:
    features = held_out.features
    scores = trace_scores(grade(probe, held_out.tokens), features.steps, aggregate)
    return metrics.mean(auc_by_problem(features.correct, scores, features.rows))
