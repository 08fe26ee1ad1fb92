"""Reinforcement learning from a recipe: the stages `joint` (policy and head) and `grpo` (policy alone).

Everything is a function of the recipe, and a run that was killed goes on from its last checkpoint to the same end: the order
of the problems is laid down for the whole run, checkpoints are taken where a round of sampling begins, and they hold the
optimizer's state for both heads, the schedule and every rank's random generators.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from accelerate import PartialState
from trl import GRPOConfig

from reflectgen import prompts
from reflectgen.config import GrpoConfig, JointConfig
from reflectgen.errors import OptionError
from reflectgen.train.arguments import arguments
from reflectgen.train.checkpoints import claim, folder_of, last_checkpoint
from reflectgen.train.export import export
from reflectgen.train.policy import OutcomeGRPOTrainer
from reflectgen.train.pupil import examiner, load
from reflectgen.train.samples import Sample, track, write
from reflectgen.train.trainer import ReflectiveGRPOTrainer

Show = Callable[[int, Sequence[Sample]], None]
"""Gets the number of updates done, and sample traces."""


def nowhere(update: int, samples: Sequence[Sample]) -> None:
    """Shows samples to nobody."""


def run(config: GrpoConfig, output: Path, resume: bool = True, show: Show = nowhere) -> None:
    """Train as `config` says, head and policy where it is a `JointConfig`, and write the finished model to `output`.

    Checkpoints and sample traces go to `<output>-checkpoints`. Where that holds checkpoints, training goes on from the last
    complete one; with `resume=False` they are deleted instead. Under torchrun or accelerate every rank calls this. Raises
    `InputError` where `output` has files, or where the checkpoints are another recipe's.
    """
    checkpoints = folder_of(output)
    args = arguments(config, checkpoints)
    with PartialState().main_process_first():
        claim(checkpoints, config.model_dump_json(indent=2), resume or not PartialState().is_main_process)
    trainer = build(config, args, partial(_show, checkpoints, config, show))
    trainer.train(resume_from_checkpoint=last_checkpoint(checkpoints))
    if trainer.accelerator.is_main_process:
        export(config, Path(str(last_checkpoint(checkpoints))), output)
    trainer.accelerator.wait_for_everyone()


def _show(folder: Path, config: GrpoConfig, show: Show, update: int, samples: Sequence[Sample]) -> None:
    write(folder, update, samples)
    track(config.report_to, update, samples)
    show(update, samples)


def build(config: GrpoConfig, args: GRPOConfig, show: Show = nowhere) -> OutcomeGRPOTrainer:
    """The trainer of a stage, ready to train."""
    pupil = load(config, "bfloat16" if config.lora and config.precision == "bf16" else "float32")
    judge, prompt = examiner(config, pupil)
    rounds = config.updates // config.updates_per_round
    if config.vllm is not None:
        args.generation_kwargs = {"stop_token_ids": sorted(judge.ends)}
    options: dict[str, Any] = {
        "examiner": judge,
        "encode": lambda text: prompts.encode(text, prompt, pupil.tokenizer),
        "order": order(len(judge.problems), rounds * config.rollouts.prompts, config.seed),
        "args": args,
        "tokenizer": pupil.tokenizer,
        "peft_config": adapters(config),
    }
    if not isinstance(config, JointConfig):
        return OutcomeGRPOTrainer(pupil.backbone, **options)
    assert pupil.head is not None
    samples = (config.samples_every, config.samples)
    return ReflectiveGRPOTrainer(pupil.backbone, pupil.head, spr=config.spr, show=show, samples=samples, **options)


def order(problems: int, rows: int, seed: int) -> list[int]:
    """Problem of each of `rows` places of a run: one random order of all problems after another."""
    places: list[int] = []
    while len(places) < rows:
        places += Random(f"{seed}/{len(places)}").sample(range(problems), problems)
    return places[:rows]


def adapters(config: GrpoConfig) -> Any:
    """PEFT's configuration of the adapters, with the head trained whole beside them; None without adapters."""
    if config.lora is None:
        return None
    try:
        from peft import LoraConfig
    except ImportError:
        raise OptionError("Adapters need the package peft: pip install 'reflectgen[lora]', or leave out lora.") from None
    from reflectgen.train.patch import HEAD

    return LoraConfig(
        r=config.lora.rank,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules=list(config.lora.targets),
        modules_to_save=[HEAD] if isinstance(config, JointConfig) else None,
        task_type="CAUSAL_LM",
    )
