"""A LoRA adapter that a request names: the head reads the adapted states, as those of the merged model."""

from __future__ import annotations

import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import torch
from engine.vllm.real import OPTIONS, measured
from safetensors.torch import save_file
from torch import Tensor

from reflectgen import load, zoo
from reflectgen.config import Sampling
from reflectgen.engine.vllm.engine import VLLMEngine
from reflectgen.engine.vllm.inprocess import InProcess, _rows
from reflectgen.engine.vllm.replica import Ask
from reflectgen.model.reflective import ReflectiveModel

pytest.importorskip("vllm", reason="vLLM is not installed: make test-vllm")
pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # vLLM leaves a socket context open
]

RANK = 4
PROJECTIONS = ("q_proj", "v_proj")


def adapt(model: ReflectiveModel, folder: Path) -> None:
    """Write a random adapter in PEFT's format to `folder`, and merge it into `model`."""
    torch.manual_seed(0)
    state: dict[str, Tensor] = {}
    for name, module in model.backbone.named_modules():
        if name.endswith(PROJECTIONS):
            weight: Any = module.weight
            down, up = torch.randn(RANK, weight.shape[1]) / 8, torch.randn(weight.shape[0], RANK) / 8
            state |= {f"base_model.model.{name}.lora_A.weight": down, f"base_model.model.{name}.lora_B.weight": up}
            weight.data += up @ down
    save_file(state, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": RANK, "target_modules": list(PROJECTIONS), "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config))


async def test_the_head_reads_the_states_of_the_adapter_that_a_request_names(tmp_path: Path) -> None:
    from vllm.lora.request import LoRARequest

    plain, merged = (ReflectiveModel.from_pretrained(zoo.path("tiny")) for _ in range(2))
    adapt(merged, tmp_path)
    options = {**OPTIONS, "enable_lora": True, "max_lora_rank": 8}
    with load("tiny", engine="vllm", engine_options=options) as reflector:
        assert isinstance(reflector.engine, VLLMEngine)
        [replica] = reflector.engine.fleet.replicas
        assert isinstance(replica, InProcess)
        prompt = reflector.encode("Mia has 33 pens. How many pens has she?")
        params = replica._params(Ask(ids=prompt, most=40, sampling=Sampling(temperature=1.0, top_p=1.0)))
        adapter = LoRARequest("adapter", 1, str(tmp_path))
        rows = []
        outputs = replica._engine.generate({"prompt_token_ids": prompt}, params, "adapted", lora_request=adapter)
        async with aclosing(outputs):
            async for output in outputs:
                rows += [replica.reader.row(*pair) for pair in _rows(output.outputs[0].logprobs)]
        await reflector.engine.close()
    tokens = [row.token for row in rows]
    logprobs, logits = measured(merged, prompt, tokens)
    assert [row.logprob for row in rows] == pytest.approx(logprobs.tolist(), abs=1e-4)
    assert [row.logit for row in rows] == pytest.approx(logits.tolist(), abs=1e-4)
    assert (logits - measured(plain, prompt, tokens)[1]).abs().max() > 0.1
