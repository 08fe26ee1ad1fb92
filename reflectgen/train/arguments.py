"""A recipe of this package -> the arguments of TRL's trainer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from trl import GRPOConfig

from reflectgen.config import GrpoConfig
from reflectgen.errors import OptionError


def arguments(config: GrpoConfig, folder: Path) -> GRPOConfig:
    """What TRL is told, with checkpoints in `folder`. It starts the process group, so it comes before any model is loaded.

    Raises `OptionError` where an update does not divide into equal passes on every rank.
    """
    policy, rollouts = config.policy, config.rollouts
    without_gpu = not torch.accelerator.is_available()
    passes = _passes(config, PartialState(cpu=without_gpu).num_processes)  # not told so, accelerate finds one process on CPUs
    return GRPOConfig(
        output_dir=str(folder),
        max_steps=config.updates,
        per_device_train_batch_size=config.traces_per_pass,
        gradient_accumulation_steps=passes,
        steps_per_generation=passes * config.updates_per_round,
        num_generations=rollouts.k,
        max_completion_length=rollouts.max_tokens,
        temperature=rollouts.temperature,
        top_p=rollouts.top_p,
        shuffle_dataset=False,  # the rows are in their order
        learning_rate=policy.lr,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=policy.warmup,
        weight_decay=policy.weight_decay,
        max_grad_norm=policy.grad_clip,
        epsilon=policy.clip,
        beta=policy.kl,
        entropy_coef=policy.entropy,
        loss_type=policy.loss,
        bf16=config.precision == "bf16",
        use_cpu=without_gpu,
        gradient_checkpointing=config.gradient_checkpointing and config.fsdp is None,
        seed=config.seed,
        logging_steps=config.log_every,
        save_steps=config.save_every,
        save_total_limit=2,
        report_to=list(config.report_to),
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        disable_tqdm=not sys.stderr.isatty(),
        **_fsdp(config),
        **_vllm(config),
    )


def _passes(config: GrpoConfig, ranks: int) -> int:
    """Passes of every rank in one update."""
    traces, at_once = config.policy.prompts_per_update * config.rollouts.k, config.traces_per_pass * ranks
    if traces % at_once:
        raise OptionError(
            f"The {traces} traces of an update do not divide into passes of traces_per_pass x ranks = "
            f"{config.traces_per_pass} x {ranks}: choose a traces_per_pass that divides {traces // ranks or traces}."
        )
    return traces // at_once


def _fsdp(config: GrpoConfig) -> dict[str, Any]:
    if config.fsdp is None:
        return {}
    settings = {
        "version": 2,
        "cpu_offload": config.fsdp.cpu_offload,
        "reshard_after_forward": config.fsdp.reshard,
        "activation_checkpointing": config.gradient_checkpointing,
        "cpu_ram_efficient_loading": True,
        "state_dict_type": "FULL_STATE_DICT",
    }
    return {"fsdp": True, "fsdp_config": settings}


def _vllm(config: GrpoConfig) -> dict[str, Any]:
    if config.vllm is None:
        return {}
    length = config.rollouts.prompt_tokens + config.rollouts.max_tokens
    return {
        "use_vllm": True,
        "vllm_mode": config.vllm.mode,
        "vllm_server_base_url": config.vllm.base_url,
        "vllm_tensor_parallel_size": config.vllm.tensor_parallel,
        "vllm_gpu_memory_utilization": config.vllm.memory,
        "vllm_max_model_length": length,
    }
