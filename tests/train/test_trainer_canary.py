"""What the trainer relies on inside TRL and transformers, one test a patch point: each fails where that has moved."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import reinforced
import tiny_models
import torch
from transformers import Trainer
from trl import GRPOConfig, GRPOTrainer
from trl.generation import vllm_generation
from trl.generation.vllm_client import VLLMClient
from trl.generation.vllm_generation import VLLMGeneration
from trl.trainer import grpo_trainer
from trl.trainer.utils import FusedCausalLMOutput, add_fused_lm_head, shuffle_sequence_dict, split_tensor_dict

from reflectgen.engine.vllm.heads import NO_HEAD, overrides
from reflectgen.train.vllm_sampler import send_head_where_it_is_held, without_head


def parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (GRPOTrainer._compute_loss, ["self", "model", "inputs"]),
        (GRPOTrainer._generate_and_score_completions, ["self", "inputs"]),
        (GRPOTrainer._tokenize_prompts, ["self", "prompts"]),
        (GRPOTrainer._generate_single_turn, ["self", "prompt_ids", "images", "multimodal_fields", "num_generations"]),
        (GRPOTrainer._send_telemetry, ["self"]),
        (GRPOTrainer.log, ["self", "logs", "start_time"]),
        (Trainer.create_optimizer, ["self", "model"]),
        (Trainer._clip_grad_norm, ["self", "model"]),
        (Trainer._save_rng_state, ["self", "output_dir"]),
        (Trainer.save_model, ["self", "output_dir", "_internal_call"]),
        (VLLMGeneration._iter_named_params, ["self"]),
    ],
)
def test_the_methods_that_are_overridden_take_what_they_took(method: Callable[..., Any], expected: list[str]) -> None:
    assert parameters(method)[: len(expected)] == expected


def test_trl_calls_the_policy_once_a_pass_and_does_nothing_else_with_it() -> None:
    """So that a stand-in that can only be called will do (`GradedCall`)."""
    loss = inspect.getsource(GRPOTrainer._compute_loss)
    assert loss.count("self._get_per_token_logps_and_entropies(\n            model,") == 1
    assert "model." not in loss.replace("self.model.", "")
    passes = inspect.getsource(GRPOTrainer._get_per_token_logps_and_entropies)
    assert "outputs = model(**model_inputs, labels=labels, fused_lm_head=True)" in passes
    assert passes.count("model(") == 1 and "model." not in passes


def test_the_fused_lm_head_is_a_bound_forward_of_the_instance() -> None:
    """It is wrapped once more, by the same means."""
    model = tiny_models.backbone("qwen2")
    add_fused_lm_head(model, outputs=("log_probs", "entropy"))
    assert "forward" in vars(model)
    ids = tiny_models.token_ids(2, 7)
    output = model(input_ids=ids, labels=ids, fused_lm_head=True)
    assert isinstance(output, FusedCausalLMOutput)
    assert output.log_probs.shape == output.entropy.shape == (2, 6)
    expected = model(input_ids=ids).logits[:, :-1].log_softmax(-1).gather(2, ids[:, 1:, None]).squeeze(2)
    torch.testing.assert_close(output.log_probs, expected, atol=1e-5, rtol=1e-5)


def test_tensors_of_ours_travel_with_a_round_of_sampling() -> None:
    batch = {"ids": torch.arange(6), "marks": torch.arange(12, dtype=torch.int32).view(6, 2), "ended": torch.arange(6) > 2}
    parts = split_tensor_dict(shuffle_sequence_dict(batch), 3)
    assert len(parts) == 3
    for part in parts:
        assert (part["marks"][:, 0] == 2 * part["ids"]).all()
        assert (part["ended"] == (part["ids"] > 2)).all()


def test_a_round_of_sampling_holds_what_is_read_from_it(tmp_path: Path) -> None:
    made = reinforced.trainer(tmp_path)
    inputs = reinforced.rollouts(made)
    assert {"prompt_ids", "prompt_mask", "completion_ids", "completion_mask", "advantages"} <= set(inputs)
    assert inputs["prompt_mask"][:, -1].all()  # prompts are padded on the left
    assert inputs["completion_mask"][:, 0].all()  # and completions on the right


def test_the_names_that_are_read_and_set_are_there(tmp_path: Path) -> None:
    made = reinforced.trainer(tmp_path)
    assert made._step == 0
    assert isinstance(made._metrics["train"]["anything"], list)
    assert made._dist.fsdp_version is None
    assert made.use_vllm is False
    assert made.reward_func_names == ["outcome"]
    assert made.eos_token_ids == made.generation_config.eos_token_id == made.generation_kwargs["eos_token_id"] == [1]
    assert "self.eos_token_ids" in inspect.getsource(GRPOTrainer._generate)
    assert made.args.steps_per_generation == made.args.gradient_accumulation_steps == 1


def test_a_checkpoint_is_marked_complete_after_everything_else_is_written() -> None:
    source = inspect.getsource(Trainer._save_checkpoint)
    order = [
        source.index(part) for part in ("self.save_model(", "_save_optimizer_and_scheduler", "_save_rng_state", "save_to_json")
    ]
    assert order == sorted(order)


def test_trl_generates_at_the_first_pass_after_a_resume() -> None:
    """Its count of passes begins at 0 again, which is right where a round of sampling begins."""
    source = inspect.getsource(GRPOTrainer._prepare_inputs)
    assert "if self._step % generate_every == 0 or self._buffered_inputs is None" in source
    assert "self._step = 0" in inspect.getsource(GRPOTrainer.__init__)


def test_losses_are_divided_by_the_passes_of_an_update_in_the_loss() -> None:
    assert "self.current_gradient_accumulation_steps" in inspect.getsource(GRPOTrainer._compute_loss)
    assert GRPOTrainer.loss_is_scaled_for_ga is True


# -- vLLM, which is not needed for this --------------------------------------------------------------------------------


def named() -> Iterator[tuple[str, int]]:
    yield from (("model.norm.weight", 1), ("sprm_head.up.weight", 2), ("lm_head.weight", 3))


def test_the_heads_weights_are_gathered_and_not_sent() -> None:
    gathered = []

    def walk() -> Iterator[tuple[str, int]]:
        for pair in named():
            gathered.append(pair[0])
            yield pair

    assert list(without_head(walk)()) == [("model.norm.weight", 1), ("lm_head.weight", 3)]
    assert gathered == [name for name, _ in named()]


@pytest.mark.parametrize("mode", ["colocate", "server"])
@pytest.mark.parametrize(
    ("told", "held"),
    [({}, False), (overrides("Qwen2ForCausalLM", NO_HEAD), False), (overrides("Qwen2ForCausalLM", "head"), True)],
    ids=["vLLM's own class", "ours without a head", "ours with a head"],
)
def test_vllm_gets_the_heads_weights_where_it_holds_a_head(mode: str, told: dict[str, Any], held: bool) -> None:
    """TRL's own synchronisation, on a model with a head, into a stand-in for vLLM."""
    model = tiny_models.backbone("qwen2")
    expected = [name for name, _ in model.named_parameters()]
    model.sprm_head = tiny_models.head()
    expected += [f"sprm_head.{name}" for name, _ in model.sprm_head.named_parameters()] if held else []
    vllm: Any = VLLMGeneration.__new__(VLLMGeneration)
    received: list[str] = []
    worker = SimpleNamespace(load_weights=lambda pairs: received.extend(name for name, _ in pairs))
    runner = SimpleNamespace(
        model_executor=SimpleNamespace(driver_worker=SimpleNamespace(model_runner=SimpleNamespace(model=worker))),
        model_config=SimpleNamespace(hf_overrides=told),
    )
    client = SimpleNamespace(
        update_named_params=lambda metadata, pairs: received.extend(name for name, _ in pairs),
        reset_prefix_cache=lambda: None,
        base_url="http://server",
        _get=lambda url, params: {"http://server/server_info": {"vllm_config": {"model_config": {"hf_overrides": told}}}}[url],
    )
    accelerator = SimpleNamespace(is_main_process=True, state=SimpleNamespace(deepspeed_plugin=None))
    vars(vllm).update(
        model=model,
        mode=mode,
        enable_sleep_mode=False,
        accelerator=accelerator,
        _dist=grpo_trainer.DistributedBackend(accelerator),
        _weight_metadata=None,
        vllm_client=client,
        llm=SimpleNamespace(llm_engine=runner, reset_prefix_cache=lambda: None),
    )
    send_head_where_it_is_held(vllm)
    vllm.sync_weights()
    assert received == expected
    if mode == "server":
        assert [name for name, *_ in vllm._weight_metadata] == expected


def test_trl_starts_vllm_by_this_name_and_from_the_policys_folder() -> None:
    """So that the name can stand for a vLLM that is told more (`told_of_heads`)."""
    source = inspect.getsource(VLLMGeneration._init_vllm)
    assert source.count("LLM(") == 1
    assert "self.llm = LLM(\n                model=model.name_or_path," in source
    assert not {"hf_overrides", "logits_processors"} & set(source.replace("=", " ").split())
    assert "from vllm import LLM" in inspect.getsource(vllm_generation)


def test_trl_sends_weights_one_by_one_to_the_running_model_by_the_trainers_names() -> None:
    source = inspect.getsource(VLLMGeneration.sync_weights)
    assert "self.llm.llm_engine.model_executor.driver_worker.model_runner.model.load_weights([(name, param)])" in source
    names = inspect.getsource(VLLMGeneration._iter_named_params)
    assert 'extra_prefixes=["modules_to_save.default."]' in names  # a head beside adapters has its plain name, too


def test_a_server_can_be_asked_by_trls_client() -> None:
    """By the rank that has one."""
    assert parameters(VLLMClient._get) == ["self", "url", "kwargs"]
    assert "return response.json()" in inspect.getsource(VLLMClient._get)
    assert "self.base_url" in inspect.getsource(VLLMClient.__init__)
    started = inspect.getsource(VLLMGeneration._init_vllm)
    assert started.index("if accelerator.is_main_process:") < started.index("self.vllm_client = VLLMClient(")


def test_the_arguments_of_vllm_are_known_by_these_names() -> None:
    names = set(parameters(GRPOConfig))
    wanted = {"mode", "server_base_url", "tensor_parallel_size", "gpu_memory_utilization", "max_model_length"}
    assert {f"vllm_{name}" for name in wanted} <= names
