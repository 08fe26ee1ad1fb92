"""What eight bits cost and save on a CPU: stored traces read in float32 and in int8.

    python bench/int8.py --model MODEL --rollouts STORE [--data FILE] [--head HEAD] [--traces 32] [--json]

The first trace of each problem is read by both models, one after the other, with its tokens as they are stored.

- kl: of the next token's distribution, float32 against int8, mean over the traces' tokens, in nats.
- same_first: share of tokens at which both hold the same token for the likeliest.
- logprob_error: mean |difference| of a trace's mean log-prob, in nats.
- step_error, trace_error: mean |difference| of step scores and of trajectory scores; with a head only.
- speed: float32's seconds over int8's, median over traces.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import fmean, median
from typing import NamedTuple

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from reflectgen.engine.grading import window_means
from reflectgen.engine.record import read_windows
from reflectgen.load import grammar
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.model.shipped import open_model
from reflectgen.model.tokenizer import load_tokenizer
from reflectgen.rollouts import Rollout, Store
from reflectgen.scoring import aggregate
from reflectgen.train.spans import Prompts, prompt_config


class Read(NamedTuple):
    """What one model says of a trace."""

    logprobs: Tensor
    """Of every next token (N, V)."""
    scores: list[float]
    """Of the steps."""
    seconds: float


class Bench:
    """Both models, and how they are read."""

    def __init__(self, model: str, head: str | None, store: Store) -> None:
        self.models = [open_model(model, head=head, device="cpu", dtype=dtype) for dtype in ("float32", "int8")]
        self.tokenizer = load_tokenizer(model)
        rule, prompt = store.header.step_rule, prompt_config(store)
        self.grammar = grammar(self.models[0], self.tokenizer, rule, prompt)

    @torch.inference_mode()
    def read(self, model: ReflectiveModel, prompt: Sequence[int], completion: Sequence[int]) -> Read:
        """One pass over a trace."""
        began = time.perf_counter()
        output = model(torch.tensor([[*prompt, *completion]]), graded=False, logits_to_keep=len(completion) + 1)
        seconds = time.perf_counter() - began
        windows = read_windows(self.grammar, prompt, completion, ())
        scores: list[float] = []
        if output.features is not None and windows:
            scores = torch.sigmoid(model.grade(window_means(output.features[0], windows))).tolist()
        return Read(output.logits[0, :-1].float().log_softmax(-1), scores, seconds)

    def compare(self, prompt: Sequence[int], completion: Sequence[int]) -> dict[str, float]:
        """The figures of one trace."""
        exact, rounded = (self.read(model, prompt, completion) for model in self.models)
        drawn = torch.tensor(completion).unsqueeze(1)
        means = [one.logprobs.gather(1, drawn).mean().item() for one in (exact, rounded)]
        found = {
            "kl": (exact.logprobs.exp() * (exact.logprobs - rounded.logprobs)).sum(-1).mean().item(),
            "same_first": (exact.logprobs.argmax(-1) == rounded.logprobs.argmax(-1)).float().mean().item(),
            "logprob_error": abs(means[0] - means[1]),
            "speed": exact.seconds / rounded.seconds,
        }
        if exact.scores:
            totals = [aggregate(self.grammar.aggregate, one.scores) for one in (exact, rounded)]
            pairs = zip(exact.scores, rounded.scores, strict=True)
            found |= {"step_error": fmean(abs(a - b) for a, b in pairs), "trace_error": abs(totals[0] - totals[1])}
        return found


def firsts(store: Store) -> Iterator[Rollout]:
    """The first trace of each problem."""
    for rows in store.problems().values():
        yield next(row for row in rows if row.finish != "failed")


def main() -> None:
    """Parse, read, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny", help="a folder or the bundled model (default: %(default)s)")
    parser.add_argument("--head", help="a head of the model; none leaves it away")
    parser.add_argument("--rollouts", type=Path, required=True, help="store of that model's traces")
    parser.add_argument("--data", type=Path, action="append", default=[], help="files of a compact store's problems")
    parser.add_argument("--traces", type=int, default=32, help="traces, each of another problem (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    store = Store.open(options.rollouts)
    bench = Bench(options.model, options.head, store)
    prompts = Prompts(store, bench.tokenizer, options.data)
    rows = list(islice(firsts(store), options.traces))
    hidden = not Console(stderr=True).is_terminal
    found = [
        bench.compare(prompts.of(row), row.token_ids)
        for row in track(rows, "reading", console=Console(stderr=True), transient=True, disable=hidden)
    ]
    figures = {
        name: (median if name == "speed" else fmean)(one[name] for one in found if name in one)
        for name in dict.fromkeys(name for one in found for name in one)
    }
    figures["tokens"] = sum(len(row.token_ids) for row in rows)
    print(json.dumps(figures, indent=2)) if options.json else Console().print(figures)


if __name__ == "__main__":
    main()
