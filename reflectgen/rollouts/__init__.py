"""The rollout store: what was sampled, with all its scores, so that it is sampled once and decided over many times.

A store is a folder of parquet shards, `part-00000.parquet` and so on. A shard appears whole or not at all and never
changes; its metadata holds the store's header. Two shards of one store have equal headers: one model, one head, one way to
prompt and to sample. Labels of steps lie beside the shards, in `labels-<name>.parquet`.

One row is one trace (`Rollout`). A compact store leaves out what can be computed again from the task's problems and the
model's vocabulary (the prompt and the text), and rounds the tokens' log-probs to float16; the rows keep the hash of their
prompt, so that another prompt is not taken for theirs.
"""

from __future__ import annotations

from reflectgen.rollouts.merge import merge
from reflectgen.rollouts.rewrite import beside, rewrite
from reflectgen.rollouts.row import SCHEMA, Header, Rollout, prompt_hash
from reflectgen.rollouts.shard import read_shard, shard_index
from reflectgen.rollouts.store import Store, check_label_name

__all__ = [
    "SCHEMA",
    "Header",
    "Rollout",
    "Store",
    "beside",
    "check_label_name",
    "merge",
    "prompt_hash",
    "read_shard",
    "rewrite",
    "shard_index",
]
