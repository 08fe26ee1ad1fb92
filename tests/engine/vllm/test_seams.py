"""The upgrade canary: every place of vLLM's that we rely on, one by one. Where a new vLLM moves one, its test names it.

None of these loads a model; `test_vllm` shows that they do together what they must.
"""

from __future__ import annotations

import inspect
import os
from dataclasses import fields
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from reflectgen.engine.vllm.heads import ARCHITECTURES, PREFIX
from reflectgen.errors import ModelError

vllm = pytest.importorskip("vllm", reason="vLLM is not installed: make test-vllm")
pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]


def base(architecture: str) -> Any:
    from importlib import import_module

    from reflectgen.engine.vllm.modeling import _location

    module, name = _location(architecture)
    return getattr(import_module(module), name)


def parameters(function: Any) -> set[str]:
    return set(inspect.signature(function).parameters)


def test_vllm_finds_the_plug_in_by_its_entry_point() -> None:
    from vllm.plugins import DEFAULT_PLUGINS_GROUP

    named = entry_points(group=DEFAULT_PLUGINS_GROUP, name="reflectgen")
    assert named, f"vLLM looks for plug-ins in the group {DEFAULT_PLUGINS_GROUP}, where pyproject.toml has none of ours."
    [point] = named
    assert point.value == "reflectgen.engine.vllm.plugin:register"


def test_the_registry_takes_a_class_by_the_name_of_its_module() -> None:
    from vllm.model_executor.models.registry import ModelRegistry

    from reflectgen.engine.vllm.plugin import register

    register()
    register()
    missing = {PREFIX + name for name in ARCHITECTURES} - ModelRegistry.get_supported_archs()
    assert not missing, f"ModelRegistry.register_model(name, 'module:class') registers no more: {missing}."


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_class_has_every_seam(architecture: str) -> None:
    from reflectgen.engine.vllm.modeling import SEAMS, Reflective, reflective

    cls = base(architecture)
    for seam in SEAMS:
        assert callable(getattr(cls, seam, None)), f"vLLM's {architecture} has no {seam} any more, which a head needs."
    assert "hidden_states" in parameters(cls.compute_logits), (
        f"compute_logits of vLLM's {architecture} no longer takes the rows' states."
    )
    assert issubclass(reflective(cls), Reflective)


def test_a_backbone_hands_out_the_state_that_enters_a_block() -> None:
    from vllm.model_executor.models.interfaces import EagleModelMixin

    class Backbone(EagleModelMixin):
        start_layer = 0

    import torch

    backbone, found = Backbone(), []
    backbone._set_aux_hidden_state_layers((3,))
    for index in range(5):
        backbone._maybe_add_hidden_state(found, index, torch.full((1,), float(index)), torch.ones(1))
    assert [float(value) for value in found] == [4.0], "vLLM's auxiliary states are no longer hidden_states + residual."


def test_a_class_without_the_seams_is_refused_in_a_sentence() -> None:
    from torch import nn

    from reflectgen.engine.vllm.modeling import reflective

    with pytest.raises(ModelError, match="Linear cannot carry a head: it has no compute_logits, load_weights"):
        reflective(nn.Linear)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_new_weights_of_a_head_are_loaded_like_any_others(architecture: str) -> None:
    from vllm.model_executor.model_loader.base_loader import BaseModelLoader
    from vllm.model_executor.models.utils import AutoWeightsLoader

    source = inspect.getsource(base(architecture).load_weights)
    assert "AutoWeightsLoader(" in source, f"vLLM's {architecture} no longer loads weights by the names of its modules."
    assert '"weight_loader"' in inspect.getsource(AutoWeightsLoader), "vLLM loads a parameter by something else than its own."
    assert inspect.getsource(BaseModelLoader.load_model).rstrip().endswith("return model.eval()"), (
        "vLLM no longer puts a model into evaluation mode once it is loaded, by which updates are told from the first weights."
    )


def test_a_server_tells_what_it_was_told_of_heads() -> None:
    from vllm.entrypoints.serve.dev.server_info import api_router

    pytest.importorskip("trl", reason="TRL is not installed: make test-vllm")
    from reflectgen.train.vllm_sampler import SERVER_INFO

    source = inspect.getsource(api_router.show_server_info)
    assert f'@router.get("{SERVER_INFO}")' in source, "A server in training no longer tells its configuration."
    assert 'dump_python(vllm_config, mode="json", fallback=str)' in source, "A server tells its configuration otherwise."


def test_runners_hand_the_rows_of_forward_to_compute_logits() -> None:
    from vllm.v1.worker import gpu_model_runner

    source = inspect.getsource(gpu_model_runner.GPUModelRunner)
    assert "sample_hidden_states = hidden_states[logits_indices]" in source, "The runner picks no rows of forward's."
    assert "self.model.compute_logits(sample_hidden_states)" in source, "The runner asks for other rows' logits."
    second = Path(gpu_model_runner.__file__).parent / "gpu" / "model_runner.py"
    text = second.read_text(encoding="utf-8")
    assert "sample_hidden_states = hidden_states[input_batch.logits_indices]" in text, "The second runner picks other rows."
    assert "self.model.compute_logits(sample_hidden_states)" in text, "The second runner asks for logits otherwise."


def test_logprobs_are_those_of_the_raw_logits_and_a_bias_comes_after_them() -> None:
    from vllm.config import ModelConfig
    from vllm.v1.sample.sampler import Sampler

    default = {field.name: field.default for field in fields(ModelConfig)}["logprobs_mode"]
    assert default == "raw_logprobs", "vLLM no longer tells the log-probs of the model's own logits by default."
    source = inspect.getsource(Sampler.forward)
    assert source.index("self.compute_logprobs(logits)") < source.index("self.apply_logits_processors("), (
        "vLLM takes log-probs after the logit bias, so that the reserved ids' are lost."
    )


def test_a_request_can_name_ids_and_a_bias_and_how_it_streams() -> None:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    wanted = {
        "logprob_token_ids",
        "logit_bias",
        "flat_logprobs",
        "stream_interval",
        "detokenize",
        "extra_args",
        "stop_token_ids",
        "ignore_eos",
    }
    missing = wanted - set(SamplingParams.__struct_fields__)
    assert not missing, f"vLLM's SamplingParams lacks {missing}."
    params = SamplingParams(logit_bias={5: -100.0})
    assert params.logit_bias == {5: -100.0}, "vLLM clips a logit bias of -100, which keeps the reserved ids out of texts."
    assert RequestOutputKind.DELTA, "vLLM's streams can no longer hold the new tokens alone."


def test_flat_logprobs_are_lists_whose_first_entry_is_the_tokens_own() -> None:
    from vllm.logprobs import FlatLogprobs

    flat = FlatLogprobs()
    flat.append_fast([7, 1, 2], [-0.5, -1.0, -2.0], [1, 2, 3], [None] * 3)  # type: ignore[arg-type]
    from reflectgen.engine.vllm.inprocess import _rows

    assert _rows(flat) == [(7, {7: -0.5, 1: -1.0, 2: -2.0})], "vLLM's FlatLogprobs has another layout."


def test_a_logits_processor_is_told_of_the_rows_before_their_logits_are_asked_for() -> None:
    from vllm import envs
    from vllm.v1.sample.logits_processor import LogitsProcessor
    from vllm.v1.worker.gpu_input_batch import InputBatch
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    from reflectgen.engine.vllm.heads import FIRST_RUNNER

    assert {"update_state", "apply", "is_argmax_invariant", "validate_params"} <= set(dir(LogitsProcessor))
    assert "logit_proc.update_state(batch_update)" in inspect.getsource(InputBatch.refresh_metadata)
    assert "self.input_batch.refresh_metadata()" in inspect.getsource(GPUModelRunner._update_states)
    source = inspect.getsource(GPUModelRunner.execute_model)
    assert source.index("self._update_states(") < source.index("self.model.compute_logits(sample_hidden_states)"), (
        "The runner asks for logits before it tells of the batch's changes: a head can no longer read whole steps."
    )
    assert set(FIRST_RUNNER) <= set(envs.environment_variables), "The first model runner can no longer be asked for."


def test_the_server_takes_ids_and_gives_ids() -> None:
    from vllm.entrypoints.openai.completion.protocol import CompletionRequest

    from reflectgen.config import Sampling
    from reflectgen.engine.vllm.channel import Channel
    from reflectgen.engine.vllm.replica import Ask
    from reflectgen.engine.vllm.server import Server

    server = Server("http://localhost/v1", "m", 10, Channel(9, 8, 7))
    body = server._body(Ask(ids=[1], most=2, sampling=Sampling(), stop=(3,), replay=[4]))
    unknown = set(body) - set(CompletionRequest.model_fields)
    assert not unknown, f"vLLM's completions no longer take {unknown}."
    params = CompletionRequest(**body).to_sampling_params(2)
    assert (params.logprob_token_ids, params.logit_bias) == ([9, 8, 7], {9: -100.0, 8: -100.0, 7: -100.0})
    assert (params.stop_token_ids, params.ignore_eos, params.stream_interval) == ([3], True, 8)
    assert params.extra_args == {"sprm_replay": [4]}, "vLLM's server hands a request's own arguments on no more."


def test_the_scheduler_tells_how_full_it_is() -> None:
    from vllm.v1.metrics.loggers import StatLoggerBase
    from vllm.v1.metrics.stats import SchedulerStats

    assert "scheduler_stats" in parameters(StatLoggerBase.record), "vLLM's loggers are no longer given the scheduler's figures."
    stats = SchedulerStats()
    assert (stats.kv_cache_usage, stats.num_waiting_reqs) == (0.0, 0), "vLLM's scheduler tells pressure and waiting otherwise."


def test_metrics_have_the_names_that_the_client_reads() -> None:
    from vllm.v1.metrics import loggers

    from reflectgen.engine.vllm.server import PRESSURE, WAITING

    source = inspect.getsource(loggers)
    for name in (PRESSURE, WAITING):
        assert f'"{name}"' in source, f"vLLM's server has no metric {name} any more."


def test_the_engine_is_made_and_asked_as_we_do_it() -> None:
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM
    from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

    ours = {
        "model",
        "dtype",
        "hf_overrides",
        "logits_processors",
        "kv_cache_memory_bytes",
        "trust_remote_code",
        "disable_log_stats",
        "enable_log_requests",
    }
    assert ours <= set(AsyncEngineArgs.__dataclass_fields__), "vLLM's AsyncEngineArgs lacks an option of ours."
    assert "stat_loggers" in parameters(AsyncLLM.from_engine_args)
    assert {"prompt", "sampling_params", "request_id"} <= parameters(AsyncLLM.generate)
    assert issubclass(EngineDeadError, Exception)
    assert issubclass(EngineGenerateError, Exception)


def test_a_request_can_name_an_adapter() -> None:
    from typing import get_args

    from vllm.config.lora import LoRAConfig, MaxLoRARanks
    from vllm.entrypoints.openai.models.serving import OpenAIServingModels
    from vllm.lora.peft_helper import PEFTHelper
    from vllm.lora.request import LoRARequest
    from vllm.v1.engine.async_llm import AsyncLLM

    from reflectgen.engine.vllm.adapters import RANKS

    assert get_args(MaxLoRARanks) == RANKS, "vLLM holds adapters of other ranks."
    assert LoRAConfig(max_lora_rank=8).max_lora_rank == 8
    assert LoRARequest("name", 1, "/folder").lora_path == "/folder"
    assert "lora_request" in parameters(AsyncLLM.generate) and "lora_request" in parameters(AsyncLLM.add_lora)
    assert callable(PEFTHelper.from_local_dir) and callable(PEFTHelper.validate_legal)
    assert "parent=lora.base_model_name" in inspect.getsource(OpenAIServingModels.show_available_models), (
        "vLLM's server lists adapters otherwise than as models with a parent."
    )


def test_serve_is_a_command_that_can_be_called() -> None:
    from vllm.entrypoints.cli.serve import ServeSubcommand
    from vllm.entrypoints.serve.utils.api_utils import cli_env_setup

    assert {"parsed", "args"} & parameters(ServeSubcommand.cmd)
    assert callable(ServeSubcommand.subparser_init)
    assert callable(ServeSubcommand.validate)
    assert callable(cli_env_setup)


def test_both_cpu_settings_of_these_tests_are_known() -> None:
    from vllm import envs

    assert os.environ["VLLM_CPU_OMP_THREADS_BIND"] == "nobind"
    assert {"VLLM_ENABLE_V1_MULTIPROCESSING", "VLLM_CPU_OMP_THREADS_BIND"} <= set(envs.environment_variables)
