"""What the head costs in training: the optimisation step of joint training over that of plain GRPO, on fixed rollouts.

    python bench/train.py           a table
    python bench/train.py --json    {"joint_over_grpo": x, ...}, x the larger of the two models' ratios

One step is the loss, its backward pass, both clips and the optimizer; nothing is sampled. Both trainers begin with the same
weights and see the same traces, and their steps alternate, so that what else the machine does falls on both. The ratio is
that of the fastest steps: noise only ever adds. Models: the bundled one, and a random Qwen2 of two layers and d = 1536,
the width of the paper's smallest, whose head has 4.7 million parameters.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from transformers import Qwen2Config, Qwen2ForCausalLM

from reflectgen import tasks, zoo
from reflectgen.config import GrpoConfig, JointConfig
from reflectgen.model.quiet import quiet
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.model.tokenizer import load_tokenizer
from reflectgen.tasks import wordproblems
from reflectgen.train import joint
from reflectgen.train.arguments import arguments

K = 4


def wide(folder: Path) -> Path:
    """A random Qwen2 of two layers of the width of DeepScaleR-1.5B, with the bundled model's vocabulary."""
    tiny = zoo.path("tiny")
    bundled = ReflectiveModel.from_pretrained(tiny, device="cpu")
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=640,
        hidden_size=1536,
        intermediate_size=8960,
        num_hidden_layers=2,
        num_attention_heads=12,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    ReflectiveModel(Qwen2ForCausalLM(config), prompt=bundled.prompt).save_pretrained(folder, load_tokenizer(tiny))
    return folder


def trainer(kind: type[GrpoConfig], model: str, prompts: int, folder: Path) -> Any:
    """A trainer whose traces are solutions from the corpus, right ones and wrong ones."""
    config = kind.model_validate(
        {
            "model": model,
            "task": {"name": "wordproblems", "limit": prompts},
            "rollouts": {"prompts": prompts, "k": K, "temperature": 1.0, "prompt_tokens": 200, "max_tokens": 200},
            "policy": {"prompts_per_update": prompts},
            "updates": 1,
            "traces_per_pass": prompts * K,
            "precision": "fp32",
            "save_every": 1,
            **({"samples": 0} if kind is JointConfig else {}),
        }
    )
    with quiet():
        made: Any = joint.build(config, arguments(config, folder))
    made.current_gradient_accumulation_steps, made.state.max_steps = 1, 1
    made.model.train()
    made._generate_single_turn = lambda ids, images, fields, count: (_traces(made), None)
    made.create_optimizer()
    return made


def _traces(made: Any) -> list[list[int]]:
    rows = [made.examiner.problems[row] for row in made.train_dataset["problem"] for _ in range(K)]
    texts = [wordproblems.trace(problem, sample).completion for sample, problem in enumerate(rows)]
    return [[*made.examiner.table.encode(text), made.processing_class.eos_token_id] for text in texts]


def stepper(made: Any) -> Callable[[], float]:
    """A function that makes one optimisation step and gives its seconds."""
    rows = [row for row in made.train_dataset for _ in range(K)]
    inputs = made._generate_and_score_completions(rows)

    def step() -> float:
        began = time.perf_counter()
        made.compute_loss(made.model, inputs).backward()
        made._clip_grad_norm(made.model)
        made.optimizer.step()
        made.optimizer.zero_grad()
        return time.perf_counter() - began

    return step


def measure(model: str, prompts: int, rounds: int, folder: Path) -> dict[str, float]:
    """Seconds of the fastest step of each kind, their ratio, and the median of the ratios round by round."""
    plain, both = (stepper(trainer(kind, model, prompts, folder / kind.__name__)) for kind in (GrpoConfig, JointConfig))
    plain(), both()
    seconds = [(plain(), both()) if index % 2 else (both(), plain())[::-1] for index in range(rounds)]
    fastest = [min(column) for column in zip(*seconds, strict=True)]
    return {
        "grpo_seconds": round(fastest[0], 4),
        "joint_seconds": round(fastest[1], 4),
        "joint_over_grpo": round(fastest[1] / fastest[0], 4),
        "median_of_ratios": round(median(second / first for first, second in seconds), 4),
    }


def show(figures: dict[str, Any]) -> None:
    """The ratios as a table."""
    table = Table("model", "GRPO, s", "joint, s", "joint over GRPO", "median of ratios")
    for name, found in figures["models"].items():
        table.add_row(name, *(str(value) for value in found.values()))
    Console().print(table)


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="pairs of steps of each model (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    tasks.named("wordproblems").ready()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = {
            "tiny": measure("tiny", 8, options.rounds, folder / "tiny"),
            "qwen2-2x1536": measure(str(wide(folder / "wide")), 1, options.rounds, folder / "runs"),
        }
    figures = {"joint_over_grpo": max(found["joint_over_grpo"] for found in models.values()), "models": models}
    print(json.dumps(figures, indent=2)) if options.json else show(figures)


if __name__ == "__main__":
    main()
