"""How fast a frozen backbone reads stored traces for head training, beside plain forward passes over the same traces.

    python bench/features.py [--model DIR] [--problems 32] [--k 8] [--repeats 3] [--json]

Both ways run the decoder without its LM head, on the same weights and dtype, one after the other in every repeat. The
plain forward takes whole traces, prompt and all, sorted by length, as many together as the feature pass may take, and keeps
nothing. Figures are tokens of prompts and completions per second; the ratio is the median over repeats.

- feature_over_forward: the feature pass as it is; the traces of a problem share their prompt.
- alone_over_forward: the same where every trace is of another problem, so that nothing is shared and what is left is the
  cost of keeping states.
- random_over_forward: as the first, on a random Qwen2 of two blocks and d = 1536.

Traces are the word problems' worked solutions.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch
from torch import nn
from transformers import Qwen2Config, Qwen2ForCausalLM

from reflectgen import prompts
from reflectgen.load import locate
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.model.tap import decoder_of
from reflectgen.model.tokenizer import load_tokenizer
from reflectgen.steps import Segmenter, TokenTable
from reflectgen.tasks import wordproblems
from reflectgen.train.features import Reading
from reflectgen.train.harvest import Reader, partition
from reflectgen.train.spans import Trace

READINGS = (Reading(),)


def traces(tokenizer: Any, prompt: Any, problems: int, k: int) -> list[Trace]:
    """`k` worked solutions of each problem, cut into steps."""
    segmenter, found = Segmenter.bind("newline", prompt.tags, TokenTable(tokenizer)), []
    for index in range(problems):
        problem = wordproblems.generate("train", 0, index)
        asked = tuple(prompts.encode(problem.text, prompt, tokenizer))
        for sample in range(k):
            ids = tuple(tokenizer.encode(wordproblems.trace(problem, sample).completion, add_special_tokens=False))
            found.append(Trace(asked, ids, tuple(segmenter.steps([*asked, *ids], len(asked)))))
    return found


@torch.inference_mode()
def forward(backbone: nn.Module, rows: Sequence[Trace]) -> None:
    """Plain passes over whole traces."""
    order = sorted(((*row.prompt, *row.completion) for row in rows), key=lambda ids: -len(ids))
    for low, high in partition([len(ids) for ids in order]):
        longest = len(order[low])
        ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in order[low:high]])
        decoder_of(backbone)(input_ids=ids, use_cache=False)


def read(backbone: nn.Module, rows: Sequence[Trace]) -> None:
    """The feature pass."""
    with Reader(backbone, READINGS) as reader:
        reader.read(rows)


def ratio(backbone: nn.Module, rows: Sequence[Trace], repeats: int) -> tuple[float, float, float]:
    """Feature pass over plain forward, and tokens per second of both."""
    tokens = sum(len(row.prompt) + len(row.completion) for row in rows)
    for way in (forward, read):
        way(backbone, rows[: min(len(rows), 16)])
    rounds = [(tokens / seconds(forward, backbone, rows), tokens / seconds(read, backbone, rows)) for _ in range(repeats)]
    return median(fed / plain for plain, fed in rounds), *(median(column) for column in zip(*rounds, strict=True))


def seconds(way: Callable[[nn.Module, Sequence[Trace]], None], backbone: nn.Module, rows: Sequence[Trace]) -> float:
    """How long one way takes."""
    began = time.perf_counter()
    way(backbone, rows)
    return time.perf_counter() - began


def wide(vocabulary: int) -> nn.Module:
    """A random Qwen2 of two blocks, as wide as the paper's smallest model."""
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=vocabulary,
        hidden_size=1536,
        intermediate_size=8960,
        num_hidden_layers=2,
        num_attention_heads=12,
        num_key_value_heads=2,
    )
    return Qwen2ForCausalLM(config).eval()


def measure(model: str, problems: int, k: int, repeats: int) -> dict[str, Any]:
    """All figures."""
    name = locate(model)
    loaded = ReflectiveModel.from_pretrained(name, device="cpu")
    tokenizer = load_tokenizer(name)
    prompt = loaded.prompt_config(tokenizer)
    shared = traces(tokenizer, prompt, problems, k)
    alone = traces(tokenizer, prompt, problems * k, 1)
    own, plain, fed = ratio(loaded.backbone, shared, repeats)
    few = shared[: 4 * k]
    return {
        "feature_over_forward": round(own, 3),
        "alone_over_forward": round(ratio(loaded.backbone, alone, repeats)[0], 3),
        "random_over_forward": round(ratio(wide(len(tokenizer)), few, repeats)[0], 3),
        "tokens_per_second": {"feature": round(fed), "forward": round(plain)},
        "traces": len(shared),
        "tokens": sum(len(row.prompt) + len(row.completion) for row in shared),
        "threads": torch.get_num_threads(),
        "repeats": repeats,
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny", help="a folder, a Hub name or the bundled model (default: %(default)s)")
    parser.add_argument("--problems", type=int, default=32, help="problems (default: %(default)s)")
    parser.add_argument("--k", type=int, default=8, help="traces of each (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds that count (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="torch threads (default: torch's own)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    figures = measure(options.model, options.problems, options.k, options.repeats)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(f"{name}: {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
