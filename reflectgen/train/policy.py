"""GRPO on a policy from the outcomes of a task: TRL's `GRPOTrainer`, with this package's prompts, grader and ends of text.

Source: GRPO, arXiv 2402.03300. The reward is 1 for a right final answer and 0 otherwise, so also for a trace that was cut
off; advantages are (reward - mean) / (std + 1e-4) within the traces of one problem.

Deviation from arXiv 2507.01951: its authors add 1e-6 where TRL adds 1e-4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from reflectgen.model.quiet import quiet
from reflectgen.train.outcomes import Examiner, Outcome
from reflectgen.train.vllm_sampler import told_of_heads


class OutcomeGRPOTrainer(GRPOTrainer):
    """Trains a policy alone: the stage `grpo`."""

    def __init__(
        self,
        policy: Any,
        *,
        examiner: Examiner,
        encode: Callable[[str], list[int]],
        order: Sequence[int],
        args: GRPOConfig,
        tokenizer: Any,
        peft_config: Any = None,
    ) -> None:
        """Train `policy` on the examiner's problems in `order`, which is one pass over all that the run will see.

        `encode` makes the prompt of a problem's text.
        """
        self.examiner = examiner
        self.encode = cache(encode)
        self._examined: list[Outcome] = []
        texts = [examiner.problems[row].text for row in order]
        with quiet(), told_of_heads(policy, tokenizer, args):
            super().__init__(
                model=policy,
                reward_funcs=self.outcome,
                args=args,
                train_dataset=Dataset.from_dict({"prompt": texts, "problem": list(order)}),
                processing_class=tokenizer,
                peft_config=peft_config,
            )
        self.eos_token_ids = sorted(examiner.ends)
        if not self.use_vllm:
            self.generation_kwargs["eos_token_id"] = self.generation_config.eos_token_id = self.eos_token_ids

    def outcome(self, prompts: Sequence[str], completion_ids: Sequence[Sequence[int]], problem: Sequence[int], **_: Any) -> Any:
        """The reward of each trace of this rank: 1.0 where its answer is right, else 0.0."""
        traces = zip(problem, prompts, completion_ids, strict=True)
        self._examined = [self.examiner.examine(row, self.encode(text), ids) for row, text, ids in traces]
        return [float(one.correct) for one in self._examined]

    def _tokenize_prompts(self, prompts: Sequence[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        """The prompts as decoding makes them: TRL would tokenize the bare problem."""
        return [self.encode(text) for text in prompts], None, {}

    def _send_telemetry(self) -> None:
        """Nothing: TRL would tell its makers of the run."""

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """As the base class, without a progress bar for one small file."""
        with quiet():
            super().save_model(output_dir, _internal_call)

    def _save_rng_state(self, output_dir: str) -> None:
        """Each rank's generators, before any rank goes on to mark the checkpoint as complete."""
        super()._save_rng_state(output_dir)
        self.accelerator.wait_for_everyone()
