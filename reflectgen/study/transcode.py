"""Stored traces as a model with another vocabulary reads them: the same texts, encoded anew.

The problem becomes the other model's prompt as the store's configuration says, under that model's own chat template. What
belongs to single tokens (log-probs, step spans) is lost; what belongs to traces (outcome, mean log-prob, answer) stays.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from reflectgen import prompts
from reflectgen.config import PromptConfig
from reflectgen.errors import InputError
from reflectgen.rollouts import Rollout, Store, prompt_hash, rewrite
from reflectgen.steps import TokenTable
from reflectgen.study.backbones import Backbone
from reflectgen.train.spans import prompt_config


def same_vocabulary(one: TokenTable, other: TokenTable) -> bool:
    """Whether token ids mean the same texts in both."""
    return one.texts == other.texts


def transcode(store: Store, policy: TokenTable, reader: Backbone, folder: Path) -> Store:
    """`store` in the vocabulary of `reader`, written to `folder` shard by shard; what is there already is kept.

    `policy` is the vocabulary that the traces were sampled in. Raises `InputError` for a compact store.
    """
    header = replace(store.header, model=reader.name, backbone=reader.fingerprint, head="")
    made = Store.create(folder, header)
    config = prompt_config(store)
    rewrite(store, made, lambda rollout: _encode(rollout, policy, reader.table, config, store))
    return made


def _encode(rollout: Rollout, policy: TokenTable, reader: TokenTable, config: PromptConfig, store: Store) -> Rollout:
    if rollout.problem is None:
        raise InputError(
            f"The store {store.folder} is compact, so {rollout.problem_id} has no text: sample it without --compact."
        )
    ids = tuple(reader.encode(policy.decode(rollout.token_ids)))
    prompt = tuple(prompts.encode(rollout.problem, config, reader.tokenizer))  # type: ignore[arg-type]
    return replace(
        rollout,
        prompt_ids=prompt,
        prompt_hash=prompt_hash(prompt),
        token_ids=ids,
        token_logprobs=(math.nan,) * len(ids),
        forced_spans=(),
        steps=(),
    )
