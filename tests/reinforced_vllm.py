"""Joint training whose traces a colocated vLLM samples, on a CPU, in a process of its own: both leave process groups behind.

    python tests/reinforced_vllm.py FOLDER

leaves `FOLDER/model`, what was trained, and `FOLDER/told.json`: what vLLM then said of some tokens, with the new head, and
with the old one after that was sent as a server gets its weights. TRL's own wrapper runs as it is. vLLM's CPU build packs
the weights of linear layers where nothing can replace them; it is kept from that, so they stay as they are on a GPU.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import reinforced
import torch
import vllm.model_executor.layers.utils as layers
from pydantic import TypeAdapter
from trl.generation import vllm_generation
from vllm import SamplingParams
from vllm.config import VllmConfig
from vllm.model_executor.model_loader.reload import finalize_layerwise_reload, initialize_layerwise_reload

from reflectgen import zoo
from reflectgen.config import JointConfig
from reflectgen.engine.vllm.channel import reserve
from reflectgen.model.checkpoint import read_head
from reflectgen.train import joint
from reflectgen.train.arguments import arguments
from reflectgen.train.checkpoints import last_checkpoint
from reflectgen.train.export import export

ON_A_CPU: dict[str, Any] = {"dtype": "float32", "enforce_eager": True, "kv_cache_memory_bytes": 2**27, "block_size": 32}
RECIPE = reinforced.settings(
    rollouts={"prompts": 4, "k": 4, "temperature": 1.0, "prompt_tokens": 200, "max_tokens": 150},
    spr={"lr": 1e-2, "warmup": 0.0, "gradient_scale": 1.0},
    vllm={"mode": "colocate"},
)
TOKENS = 60


def unpacked(layer: torch.nn.Module, remove_weight: bool) -> None:
    """In place of vLLM's own for CPUs."""
    layer.cpu_linear = torch.nn.functional.linear


def main(folder: Path) -> None:
    """Train, ask, put the old head back, and ask again."""
    layers.dispatch_cpu_unquantized_gemm = unpacked
    vllm_generation.LLM = partial(vllm_generation.LLM, **ON_A_CPU)
    config = JointConfig.model_validate(RECIPE)
    trainer: Any = joint.build(config, arguments(config, folder / "checkpoints"))
    trainer.train()
    export(config, Path(str(last_checkpoint(folder / "checkpoints"))), folder / "model")
    trainer.vllm_generation.sync_weights()
    llm = trainer.vllm_generation.llm
    prompt = trainer.encode(trainer.examiner.problems[0].text)
    channel = reserve(trainer.processing_class, trainer.model.config.vocab_size)
    new = asked(llm, prompt, channel)
    send_as_to_a_server(llm, {f"sprm_head.{name}": one for name, one in read_head(zoo.path("tiny")).head.state_dict().items()})
    old = asked(llm, prompt, channel)
    told = {"prompt": prompt, "new": new, "old": old, "overrides": overrides(llm.llm_engine.vllm_config)}
    (folder / "told.json").write_text(json.dumps(told))


def asked(llm: Any, prompt: list[int], channel: Any) -> list[tuple[int, float, float | None]]:
    """Token, log-prob and step logit of what vLLM draws."""
    params = SamplingParams(temperature=1.0, max_tokens=TOKENS, ignore_eos=True, logprob_token_ids=list(channel))
    [output] = llm.generate([{"prompt_token_ids": prompt}], params, use_tqdm=False)
    [completion] = output.outputs
    entries = zip(completion.token_ids, completion.logprobs, strict=True)
    rows = [channel.row(token, {one: told.logprob for one, told in entry.items()}) for token, entry in entries]
    return [(row.token, row.logprob, row.logit) for row in rows]


def overrides(config: VllmConfig) -> list[Any]:
    """What vLLM was told, as it keeps it and as its server answers."""
    answer = TypeAdapter(VllmConfig).dump_python(config, mode="json", fallback=str)
    return [config.model_config.hf_overrides, answer["model_config"]["hf_overrides"]]


def send_as_to_a_server(llm: Any, weights: dict[str, torch.Tensor]) -> None:
    """What vLLM's workers do around an update over the wire."""
    engine = llm.llm_engine
    model = engine.model_executor.driver_worker.model_runner.model
    initialize_layerwise_reload(model)
    for pair in weights.items():
        model.load_weights([pair])
    finalize_layerwise_reload(model, engine.model_config)
    llm.reset_prefix_cache()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
