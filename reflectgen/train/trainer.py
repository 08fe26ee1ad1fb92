"""GRPO on the policy and the SPR loss on its head, from the same traces, in one forward and one backward pass.

Source: arXiv 2507.01951: loss = GRPO loss + coefficient * SPR loss, on policy. Groups of equal reward give no policy gradient
and still train the head; traces that were cut off do not train it. First every step counts (w = 1), then the dynamic weight.

The head hangs on the policy as `sprm_head`, where optimizer, checkpoints, DDP, FSDP and PEFT see it. It has a learning rate,
a weight decay and a gradient clip of its own. What is patched of TRL is in `reflectgen.train.patch`, in
`reflectgen.train.vllm_sampler`, and below wherever a method begins with an underscore; tests/train/test_trainer_canary.py says
what these rely on.

Deviations:
1. The head shares the policy's optimizer (AdamW, in a group of its own), so that one checkpoint holds both.
2. In the warm-up w = 1; the paper has none, but the weight can collapse to one class where the head knows nothing yet.

Shapes: B traces of one pass on one rank, P padded prompt tokens, C padded completion tokens, S graded steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from accelerate.utils import is_peft_model
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from reflectgen.config import JointSPRConfig
from reflectgen.errors import OptionError
from reflectgen.model.head import SPRMHead
from reflectgen.model.tap import FeatureTap
from reflectgen.scoring import geometric
from reflectgen.train.figures import figures
from reflectgen.train.graded import Graded
from reflectgen.train.loss import Loss, MeanOverSteps, bradley_terry, named_loss
from reflectgen.train.patch import HEAD, GradedCall, Reads, grade_in_forward, mark
from reflectgen.train.policy import OutcomeGRPOTrainer
from reflectgen.train.samples import Sample
from reflectgen.train.vllm_sampler import send_head_where_it_is_held


class ReflectiveGRPOTrainer(OutcomeGRPOTrainer):
    """Trains a policy and its head: the stage `joint`."""

    def __init__(
        self,
        policy: Any,
        head: SPRMHead,
        *,
        spr: JointSPRConfig,
        show: Callable[[int, Sequence[Sample]], None],
        samples: tuple[int, int] = (10, 4),
        **options: Any,
    ) -> None:
        """Hang `head` on `policy` and train both; `options` are those of `OutcomeGRPOTrainer`.

        Every `samples[0]` updates `show` gets the number of updates done and `samples[1]` sample traces, on the main process.
        Raises `OptionError` where the loss does not fit this kind of training, `ModelError` where the policy lacks what the
        head reads.
        """
        self.spr, self.loss = spr, _checked(named_loss(spr.loss))
        self.show, self.samples = show, samples
        self._passes: list[Graded] = []
        setattr(policy, HEAD, head)
        super().__init__(policy, **options)
        if self.loss.objective is bradley_terry and self.args.steps_per_generation > 1:
            raise OptionError(
                f"The loss {spr.loss} compares traces, so all {self.args.generation_batch_size} of a round of sampling must be "
                "in one pass: raise traces_per_pass, lower the prompts, or choose a loss of single traces."
            )
        base = self.model.get_base_model() if is_peft_model(self.model) else self.model
        grade_in_forward(base, FeatureTap(base, head.config.layer, head.config.norm), spr.gradient_scale)
        if self.use_vllm:
            send_head_where_it_is_held(self.vllm_generation)
        if self.is_deepspeed_enabled or self._dist.fsdp_version == 1:
            raise OptionError("Joint training shards with FSDP version 2: leave out DeepSpeed, and FSDP version 1.")

    # -- from traces to a loss -----------------------------------------------------------------------------------------

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        """TRL's round of sampling, and beside it what the head is taught, a row a trace."""
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        return output | self._lesson(output["completion_ids"])

    def _lesson(self, completions: Tensor) -> dict[str, Tensor]:
        """`marks` (B, C + 1); `correct`, `ended`, `group` and, for losses of single traces, `weight`, each (B,)."""
        device, examined = completions.device, self._examined
        column = {
            "correct": torch.tensor([one.correct for one in examined], device=device),
            "ended": torch.tensor([one.ended for one in examined], device=device),
            "group": torch.tensor([one.problem for one in examined], device=device),
        }
        marks = mark([one.windows for one in examined], completions.shape[1]).to(device)
        if isinstance(self.loss.objective, MeanOverSteps):
            counted = torch.tensor([one.counts for one in examined], device=device)
            column["weight"] = self._own(self.loss.weights(*map(self._all, (column["correct"], counted, column["group"]))))
        return {"marks": marks, **column}

    def _all(self, own: Tensor) -> Tensor:
        """The rows of all ranks: (B,) -> (ranks * B,)."""
        rows: Tensor = self.accelerator.gather(own)
        return rows

    def _own(self, rows: Tensor) -> Tensor:
        """This rank's part of the rows of all: (ranks * B,) -> (B,)."""
        return rows.chunk(self.accelerator.num_processes)[self.accelerator.process_index]

    def _sum(self, table: Tensor) -> Tensor:
        total: Tensor = self.accelerator.reduce(table, reduction="sum")
        return total

    def _compute_loss(self, model: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
        """TRL's loss, whose pass of the policy also grades the steps, and the SPR loss of these."""
        reads = Reads.of(inputs["marks"], inputs["prompt_ids"].shape[1])
        call = GradedCall(model, reads)
        loss: Tensor = super()._compute_loss(call, inputs)
        count = len(inputs["correct"])
        graded = Graded(
            logits=call.step_logits,
            trace=reads.trace,
            correct=inputs["correct"],
            ended=inputs["ended"],
            group=inputs["group"],
            weight=inputs.get("weight"),
            first=self.accelerator.process_index * count,
            total=self.accelerator.num_processes * count,
        )
        self._show_samples(inputs, graded)
        return loss + self.spr.coefficient * self._spr(graded) / self.current_gradient_accumulation_steps

    def _spr(self, graded: Graded) -> Tensor:
        """The SPR loss of one pass over all ranks."""
        warming = self.state.global_step < self.spr.warmup * self.state.max_steps
        loss, metrics = (self.loss.unfiltered if warming else self.loss)(graded, self._sum)
        self._metrics["train"]["spr"].append(metrics["spr"].item())
        self._passes.append(replace(graded, logits=graded.logits.detach(), weight=None))
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the figures of the traces since the last line (`reflectgen.train.figures`)."""
        ranks = self.accelerator.num_processes
        logs.update(figures(self._passes, self.accelerator.process_index, ranks, self._sum))
        self._passes.clear()
        super().log(logs, start_time)

    # -- the optimizer -------------------------------------------------------------------------------------------------

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """The base class's, with the head's weights in a group of their own."""
        fresh = self.optimizer is None
        optimizer: torch.optim.Optimizer = super().create_optimizer(model)
        if fresh:
            settings = {"lr": self.spr.lr, "weight_decay": self.spr.weight_decay}
            split_group(optimizer, trainable(model or self.model, head=True), settings)
        return optimizer

    def _clip_grad_norm(self, model: nn.Module) -> Tensor:
        """Clip the head's gradient and the policy's, each by its own norm; returns the policy's."""
        norm = clip(trainable(model, head=True), self.spr.grad_clip)
        self._metrics["train"]["head_grad_norm"].append(norm.item())
        return clip(trainable(model, head=False), self.args.max_grad_norm)

    # -- samples -------------------------------------------------------------------------------------------------------

    def _show_samples(self, inputs: dict[str, Tensor], graded: Graded) -> None:
        every, count = self.samples
        first_pass = self._step % self.current_gradient_accumulation_steps == 0
        if not count or self.state.global_step % every or not first_pass or not self.accelerator.is_main_process:
            return
        rows = range(min(count, len(graded.correct)))
        self.show(self.state.global_step, [self._sample(inputs, graded, row) for row in rows])

    def _sample(self, inputs: dict[str, Tensor], graded: Graded, row: int) -> Sample:
        prompt = inputs["prompt_ids"][row][inputs["prompt_mask"][row].bool()].tolist()
        completion = inputs["completion_ids"][row][inputs["completion_mask"][row].bool()].tolist()
        ids, table = [*prompt, *completion], self.examiner.table
        scores = graded.logits.detach()[graded.trace == row].sigmoid().tolist()
        spans = self.examiner.steps(prompt, completion)
        return Sample(
            problem=self.examiner.problems[int(graded.group[row])].id if graded.group is not None else "",
            correct=bool(graded.correct[row]),
            ended=bool(graded.ended[row]),
            advantage=float(inputs["advantages"][row]),
            score=geometric(scores) if scores else None,
            steps=tuple((table.decode(ids[low:high]), score) for (low, high), score in zip(spans, scores, strict=True)),
            text=table.decode(completion),
        )


def _checked(loss: Loss) -> Loss:
    if loss.needs_labels:
        raise OptionError("Joint training knows the outcomes of its traces alone: choose a loss that needs no given labels.")
    return loss


def trainable(model: nn.Module, *, head: bool) -> list[nn.Parameter]:
    """The parameters to train: those of the head, or all others; whatever wraps the model."""
    return [weight for name, weight in model.named_parameters() if weight.requires_grad and (HEAD in name.split(".")) == head]


def split_group(optimizer: torch.optim.Optimizer, chosen: Sequence[nn.Parameter], settings: dict[str, Any]) -> None:
    """Move the parameters `chosen` from their groups of the optimizer to a new one with `settings`."""
    ids = {id(weight) for weight in chosen}
    for group in optimizer.param_groups:
        group["params"] = [weight for weight in group["params"] if id(weight) not in ids]
    optimizer.add_param_group({"params": list(chosen), **settings})


def clip(parameters: Sequence[nn.Parameter], largest: float) -> Tensor:
    """Scale the gradients down to the norm `largest` where theirs is larger; returns theirs. Also for sharded ones."""
    norm = get_total_norm([weight.grad for weight in parameters if weight.grad is not None])
    norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
    clip_grads_with_norm_(parameters, largest, norm)
    return norm
