"""Loading over vLLM by name or by address, becoming a server, and one sentence for everything that cannot be."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_adapter
import tiny_folder
import vllm_server
from engine import tiny_reflective
from engine.vllm.real import random_head
from typer.testing import CliRunner, Result

from reflectgen import zoo
from reflectgen.cli import app
from reflectgen.config import HeadConfig
from reflectgen.engine.vllm import adapters, serving
from reflectgen.engine.vllm.build import vllm_options
from reflectgen.engine.vllm.greeting import signature
from reflectgen.errors import BackboneMismatch, ModelError, OptionError
from reflectgen.load import load
from reflectgen.model.fingerprint import fingerprint, head_fingerprint
from reflectgen.model.head import SPRMHead
from reflectgen.model.reflective import ReflectiveModel
from reflectgen.model.shipped import open_model
from reflectgen.scoring import sigmoid

PROBLEM = "Mia has 33 pens. How many pens has she?"
MISSING = "needs vLLM, which is not installed"


@pytest.fixture
def no_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    monkeypatch.setitem(sys.modules, "vllm.engine.arg_utils", None)


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def tiny() -> ReflectiveModel:
    return open_model(zoo.path("tiny"), mapped=True)


def test_over_an_address_all_is_drawn_and_graded_there() -> None:
    with vllm_server.serve() as behaviour, load("tiny", engine=behaviour.url) as reflector:
        assert (reflector.identity.engine, reflector.identity.dtype) == ("vllm", "")
        prompt = reflector.encode(PROBLEM)
        result = reflector.solve(PROBLEM, k=2, max_tokens=30, seed=1)
        graded = reflector.score(prompt, result.trajectories[0].token_ids)
    assert {trajectory.finish for trajectory in result.trajectories} <= {"stop", "length"}
    for trajectory in result.trajectories:
        assert trajectory.steps
        for step in trajectory.steps:
            logit = vllm_server.logit_after(len(prompt) + step.token_span[1] - 1)
            assert (step.logit, step.score) == pytest.approx((logit, sigmoid(logit)))
    assert [step.logit for step in graded] == pytest.approx([step.logit for step in result.trajectories[0].steps])


def test_many_addresses_share_the_work() -> None:
    with vllm_server.serve() as one, vllm_server.serve() as other:
        with load("tiny", engine=f"{one.url}, {other.url}") as reflector:
            for _ in reflector.solve_many([PROBLEM, PROBLEM + " Why?"], k=4, max_tokens=10):
                pass
        assert one.asked
        assert other.asked
        with pytest.raises(OptionError, match="named twice"):
            load("tiny", engine=f"{one.url},{one.url}")


def test_a_server_that_dies_in_the_middle_is_told_in_the_results_notes() -> None:
    with (
        vllm_server.serve() as steady,
        vllm_server.serve(breaks_after=3, ill=True) as dying,
        load("tiny", engine=f"{dying.url},{steady.url}") as reflector,
    ):
        result = reflector.solve(PROBLEM, k=4, max_tokens=20)
    assert {trajectory.error for trajectory in result.trajectories} == {None}
    assert [note for note in result.notes if dying.url in note and "its stream ended too early" in note]


def test_a_server_of_another_model_or_head_is_refused() -> None:
    model = tiny()
    assert model.head is not None
    right = signature(fingerprint(model.backbone), head_fingerprint(model.head))
    with vllm_server.serve(names=("tiny", right)) as behaviour:
        load("tiny", engine=behaviour.url).close()
    with vllm_server.serve(names=("other", signature("llama-1x2-3", "sprm-4"))) as behaviour:
        with pytest.raises(BackboneMismatch, match="serves the backbone llama-1x2-3"):
            load("tiny", engine=behaviour.url)
        with pytest.raises(ModelError, match="grades with the head sprm-4"):
            load("tiny", engine=behaviour.url, allow_backbone_mismatch=True)


def test_a_model_without_a_head_draws_on_any_vllm_server() -> None:
    with vllm_server.serve(graded=False) as behaviour, load("tiny", head="none", engine=behaviour.url) as reflector:
        result = reflector.solve(PROBLEM, k=2, max_tokens=8)
    assert {trajectory.score for trajectory in result.trajectories} == {None}
    assert result.trajectories[0].confidence > 0


def test_what_servers_have_decided_cannot_be_asked_of_them() -> None:
    with vllm_server.serve() as behaviour:
        with pytest.raises(OptionError, match="budgeted their cache already"):
            load("tiny", engine=behaviour.url, kv_budget=1000)
        with pytest.raises(OptionError, match="no options of its own, and 'tensor_parallel_size'"):
            load("tiny", engine=behaviour.url, engine_options={"tensor_parallel_size": 2})
    with pytest.raises(OptionError, match="engine local has no options of its own"):
        load("tiny", engine_options={"tensor_parallel_size": 2})


@pytest.mark.usefixtures("no_vllm")
def test_without_vllm_the_extra_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=MISSING):
        load("tiny", engine="vllm")
    done = run("solve", PROBLEM, "--engine", "vllm")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert MISSING in done.stderr
    assert MISSING in run("serve-engine").stderr
    (tmp_path / "in.jsonl").write_text('{"text": "a"}')
    done = run("score", "-i", tmp_path / "in.jsonl", "-o", tmp_path / "out.jsonl", "--engine", "vllm")
    assert done.exit_code == 2
    assert MISSING in done.stderr


def test_a_server_that_is_gone_is_one_sentence() -> None:
    with vllm_server.serve() as behaviour:
        pass
    done = run("solve", PROBLEM, "--engine", behaviour.url)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "No server answers at" in done.stderr


def test_a_server_without_the_plug_in_is_one_sentence() -> None:
    with vllm_server.serve(graded=False) as behaviour:
        done = run("solve", PROBLEM, "--engine", behaviour.url)
    assert done.exit_code == 2
    assert "grades no steps: start it with `reflectgen serve-engine`" in done.stderr


def test_given_texts_are_scored_over_an_address(tmp_path: Path) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(json.dumps({"prompt": "Ann", "completion": " has 3.\n\nThen 4."}))
    with vllm_server.serve() as behaviour:
        done = run("score", "-i", source, "-o", output, "--engine", behaviour.url)
    assert done.exit_code == 0, done.output
    [step] = json.loads(output.read_text())["steps"]
    assert step["score"] == pytest.approx(sigmoid(vllm_server.logit_after(step["position"] + 1)))


def test_a_head_of_another_width_is_refused(tmp_path: Path) -> None:
    head = SPRMHead(HeadConfig(hidden_size=12))
    ReflectiveModel(tiny_reflective.model().backbone).save_pretrained(tmp_path / "model", tiny_folder.tokenizer())
    from reflectgen.config import ReflectiveConfig
    from reflectgen.model.checkpoint import write_head

    (tmp_path / "head").mkdir()
    write_head(tmp_path / "head", head, ReflectiveConfig(head=head.config))
    with pytest.raises(ModelError, match=r"reads states of width 12, but this backbone's have 64"):
        load(tmp_path / "model", head=tmp_path / "head", engine="vllm")


def test_a_class_without_the_seams_is_refused() -> None:
    with pytest.raises(ModelError, match="cannot put a head on PhiForCausalLM"):
        vllm_options("", tiny_reflective.model("phi"), True, "auto", "auto")


def test_a_vocabulary_without_reserved_ids_is_refused(tmp_path: Path) -> None:
    folder = tiny_folder.write(tmp_path / "model")
    with vllm_server.serve() as behaviour, pytest.raises(ModelError, match="has 0 reserved ones, and vLLM needs 3"):
        load(folder, engine=behaviour.url)


# -- adapters ----------------------------------------------------------------------------------------------------------


def test_an_adapter_of_a_server_is_asked_for_by_its_name() -> None:
    with vllm_server.serve(adapters=("law", "sql")) as behaviour:
        with load("tiny", engine=behaviour.url, adapter="sql") as reflector:
            result = reflector.solve(PROBLEM, k=1, max_tokens=5)
            assert reflector.identity.backbone == fingerprint(tiny().backbone) + "+sql"
        assert {body["model"] for body in behaviour.asked} == {"sql"}
        assert any("the adapter sql has changed" in note for note in result.notes)
        behaviour.asked.clear()
        with load("tiny", head="none", engine=behaviour.url) as reflector:
            result = reflector.solve(PROBLEM, k=1, max_tokens=5)
        assert {body["model"] for body in behaviour.asked} == {"fake"}
        assert not any("adapter" in note for note in result.notes)


@pytest.mark.parametrize(("adapters", "told"), [(("law", "sql"), "it has: law, sql"), ((), "it has: none")])
def test_an_adapter_that_a_server_lacks_is_one_sentence(adapters: tuple[str, ...], told: str) -> None:
    with vllm_server.serve(adapters=adapters) as behaviour:
        for name in ("maths", "fake"):
            done = run("solve", PROBLEM, "--engine", behaviour.url, "--adapter", name)
            assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
            assert f"has no adapter '{name}' ({told})" in done.stderr


def test_other_engines_run_no_adapters() -> None:
    for engine in ("local", "naive"):
        done = run("solve", PROBLEM, "--engine", engine, "--adapter", "runs/lora")
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
        assert f"The engine {engine} runs no adapters: merge runs/lora into the model's weights" in done.stderr


def test_a_store_of_an_adapted_model_takes_no_traces_of_another(tmp_path: Path) -> None:
    sampled = ["rollout", "--task", "wordproblems", "--limit", 1, "-k", 1, "--max-tokens", 5, "-o", tmp_path / "store"]
    with vllm_server.serve(adapters=("law", "sql"), context=300) as behaviour:
        done = run(*sampled, "--engine", behaviour.url, "--adapter", "sql")
        assert done.exit_code == 0, done.output
        for other in ([], ["--adapter", "law"]):
            done = run(*sampled, "--engine", behaviour.url, *other)
            assert done.exit_code == 2
            assert "has another backbone" in done.stderr


def test_an_adapter_in_this_process_is_a_folder(tmp_path: Path) -> None:
    done = run("solve", PROBLEM, "--engine", "vllm", "--adapter", tmp_path)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "is no folder with adapter_config.json and adapter_model.safetensors" in done.stderr


@pytest.mark.parametrize(("rank", "held"), [(1, 1), (4, 8), (16, 16), (33, 64), (1000, 512)])
def test_vllm_is_told_of_the_least_rank_that_holds_an_adapter(tmp_path: Path, rank: int, held: int) -> None:
    assert adapters.options(tiny_adapter.write(tmp_path, r=rank)) == {"enable_lora": True, "max_lora_rank": held}


# -- becoming a server -------------------------------------------------------------------------------------------------


def arguments(*flags: str) -> list[str]:
    return serving.arguments(zoo.path("tiny"), tiny(), Path("/head"), flags, called="tiny")


def value(words: list[str], flag: str) -> str:
    return words[words.index(flag) + 1]


def test_vllm_is_told_of_the_head_and_of_what_it_serves() -> None:
    words = arguments("--port", "8001")
    assert words[0] == str(zoo.path("tiny"))
    assert value(words, "--dtype") == "float32"
    told = json.loads(value(words, "--hf-overrides"))
    assert told == {"architectures": ["ReflectiveLlamaForCausalLM"], "sprm_head": "/head"}
    names = words[words.index("--served-model-name") + 1 :][:2]
    assert names == ["tiny", "reflectgen/llama-4x128-23194da229107677/sprm-3d05846b10da8c7e"]
    assert "--enable-prompt-tokens-details" in words
    assert words[-2:] == ["--port", "8001"]


def test_the_users_own_overrides_and_names_are_kept() -> None:
    words = arguments("--hf-overrides", '{"rope_theta": 5}', "--served-model-name", "a", "b", "--port=1")
    assert json.loads(value(words, "--hf-overrides"))["rope_theta"] == 5
    names = words[words.index("--served-model-name") + 1 :][:3]
    assert names[:2] == ["a", "b"]
    assert names[2].startswith("reflectgen/")
    assert words[-1] == "--port=1"
    assert json.loads(value(arguments('--hf-overrides={"x": 1}'), "--hf-overrides"))["x"] == 1


def test_a_head_that_reads_whole_steps_brings_a_logits_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_USE_V2_MODEL_RUNNER", "0")
    assert "--logits-processors" not in arguments()
    head = random_head(tmp_path, hidden_size=128, pool="step")
    pooled = open_model(zoo.path("tiny"), head=head, mapped=True)
    words = serving.arguments(zoo.path("tiny"), pooled, head, ["--logits-processors", "a:B", "--port", "1"], called="tiny")
    begin = words.index("--logits-processors")
    assert words[begin:] == ["--logits-processors", "a:B", "reflectgen.engine.vllm.pooling:Pools", "--port", "1"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--hf-overrides", "{"], "is no JSON"),
        (["--hf-overrides", "[1]"], "is no JSON object"),
        (["--served-model-name"], "has no value"),
    ],
)
def test_flags_that_cannot_be_are_refused(flags: list[str], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        arguments(*flags)


def test_a_model_without_a_head_needs_no_server_of_ours() -> None:
    with pytest.raises(ModelError, match="has no SPRM head"):
        serving.arguments("m", ReflectiveModel(tiny_reflective.model().backbone), Path("head"), [], called="m")


def test_a_native_head_is_served_from_where_it_lies_and_another_from_a_copy(tmp_path: Path) -> None:
    with serving.head_folder(zoo.path("tiny"), tiny(), None) as folder:
        assert folder == zoo.path("tiny").resolve()
    model = tiny_reflective.model()
    backbone = tmp_path / "backbone"
    model.backbone.save_pretrained(backbone)
    with serving.head_folder(backbone, model, None) as folder:
        assert sorted(path.name for path in folder.iterdir()) == ["reflectgen.json", "sprm_head.safetensors"]
        copied = folder
    assert not copied.exists()


def test_serve_engine_passes_vllms_options_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Callable[..., None]] = []
    monkeypatch.setattr(serving, "serve", lambda *given, **named: seen.append((given[3], named)))  # type: ignore[arg-type]
    done = run("serve-engine", "--model", "tiny", "--tensor-parallel-size", "2", "--port", "8001")
    assert done.exit_code == 0, done.output
    assert seen == [(["--tensor-parallel-size", "2", "--port", "8001"], {"called": "tiny", "dtype": "auto"})]
