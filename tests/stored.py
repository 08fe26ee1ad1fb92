"""Stores of word-problem traces for the bundled model: worked solutions with misconceptions and their outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from reflectgen import prompts, zoo
from reflectgen.config import PromptConfig, Sampling
from reflectgen.model.fingerprint import fingerprint
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.model.tokenizer import load_tokenizer
from reflectgen.rollouts import Header, Rollout, Store, prompt_hash
from reflectgen.steps import Segmenter, TokenTable
from reflectgen.tasks import wordproblems
from reflectgen.types import Cost, Problem, Step


@cache
def bundled() -> tuple[ReflectiveModel, Any]:
    """The bundled model on the CPU, and its tokenizer."""
    folder = zoo.path("tiny")
    return ReflectiveModel.from_pretrained(folder, device="cpu", dtype="float32"), load_tokenizer(folder)


def header(model: ReflectiveModel, prompt: PromptConfig, **changes: Any) -> Header:
    """What traces of `model` have in common."""
    given = {
        "task": "wordproblems",
        "model": "tiny",
        "backbone": fingerprint(model.backbone),
        "head": "",
        "engine": "none",
        "step_rule": "paper",
        "prompt": prompt.model_dump(mode="json"),
        "sampling": Sampling().model_dump(mode="json"),
    }
    return Header(**{**given, **changes})


def solved(problem: Problem, sample: int, prompt: PromptConfig, tokenizer: Any, segmenter: Segmenter) -> Rollout:
    """A worked solution as if it had been sampled; its log-probs are random."""
    worked = wordproblems.trace(problem, sample)
    ids = tuple(tokenizer.encode(worked.completion, add_special_tokens=False))
    rng = Random(f"{problem.id}/{sample}")
    logprobs = tuple(-rng.random() for _ in ids)
    asked = prompts.encode(problem.text, prompt, tokenizer)
    spans = segmenter.steps([*asked, *ids], len(asked))
    steps = [
        Step(text="", token_span=(a - len(asked), b - len(asked)), score=None, logit=None, logprob=-0.5, confidence=1.0)
        for a, b in spans
    ]
    return Rollout(
        problem_id=problem.id,
        sample=sample,
        seed=0,
        prompt_hash=prompt_hash(asked),
        problem=problem.text,
        prompt_ids=tuple(asked),
        token_ids=ids,
        token_logprobs=logprobs,
        text=worked.completion,
        steps=tuple(steps),
        score=None,
        logprob=sum(logprobs) / len(logprobs),
        confidence=rng.random(),
        tokens=len(ids),
        answer=worked.completion.partition("{")[2].partition("}")[0],
        correct=worked.correct,
        finish="stop",
        error=None,
        cost=Cost(),
    )


def write(
    folder: Path,
    model: ReflectiveModel,
    tokenizer: Any,
    *,
    problems: int,
    samples: int,
    seed: int = 0,
    events: Sequence[int] = (2, 3),
    shard: int = 10,
    compact: bool = False,
    prompt: PromptConfig | None = None,
    **changes: Any,
) -> Store:
    """A store of that many training problems with `samples` traces each, `shard` problems a shard."""
    prompt = prompt or model.prompt_config(tokenizer)
    segmenter = Segmenter.bind("paper", prompt.tags, TokenTable(tokenizer))
    store = Store.create(folder, header(model, prompt, **changes))
    asked = list(islice(wordproblems.problems("train", seed, events), problems))
    for begin in range(0, problems, shard):
        some = asked[begin : begin + shard]
        rows = [solved(problem, sample, prompt, tokenizer, segmenter) for problem in some for sample in range(samples)]
        store.write_shard(begin // shard, rows, compact=compact)
    return store
