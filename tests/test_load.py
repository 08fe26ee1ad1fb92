"""Loading by name, on a tiny random model: engines, grammar, sampling, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import tiny_folder
from safetensors.torch import load_file, save_file

from reflectgen.config import PromptConfig, Sampling
from reflectgen.errors import BackboneMismatch, ModelError, OptionError
from reflectgen.load import MISMATCH, load

SHORT: dict[str, Any] = {"k": 3, "max_tokens": 40, "answer_tokens": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder.write(tmp_path_factory.mktemp("models") / "graded")


@pytest.fixture(scope="module")
def headless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_folder.write(tmp_path_factory.mktemp("models") / "plain", head=False)


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_both_engines_think_the_same(folder: Path) -> None:
    results = []
    for engine in ("local", "naive"):
        with load(folder, engine=engine) as model:
            results.append(model.solve("What is 2 + 2?", seed=5, **SHORT))
    local, naive = results
    assert [one.token_ids for one in local.trajectories] == [one.token_ids for one in naive.trajectories]
    for one, other in zip(local.trajectories, naive.trajectories, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-4)


def test_eight_bits_grade_a_trace_nearly_as_float32_does(folder: Path) -> None:
    with load(folder, device="cpu", dtype="float32") as exact, load(folder, device="cpu", dtype="int8") as rounded:
        assert (exact.identity.dtype, rounded.identity.dtype) == ("float32", "int8")
        assert exact.identity.backbone == rounded.identity.backbone
        assert exact.identity.head == rounded.identity.head
        drawn = exact.solve("What is 2 + 2?", seed=5, **SHORT).trajectories[0]
        ways = [model.score_text("What is 2 + 2?", drawn.text).score for model in (exact, rounded)]
        solved = rounded.solve("What is 2 + 2?", seed=5, **SHORT)
    assert ways[1] == pytest.approx(ways[0], abs=0.02)
    assert ways[1] != ways[0]
    assert all(one.finish != "failed" for one in solved.trajectories)


def test_a_model_with_a_head_selects_by_it_and_one_without_by_majority(folder: Path, headless: Path) -> None:
    with load(folder) as model:
        assert model.solve("Why?", **SHORT).select == "sprm"
    with load(headless) as model:
        assert model.solve("Why?", **SHORT).select == "majority"
        with pytest.raises(ModelError, match="needs an SPRM head"):
            model.solve("Why?", select="sprm", **SHORT)


def test_the_grammar_is_the_heads(tmp_path: Path) -> None:
    with load(tiny_folder.write(tmp_path / "m", step_rule="newline"), engine="naive") as model:
        grammar = model.engine.grammar
        assert grammar.segmenter.rule == "newline"
        assert {grammar.table.texts[token] for token in grammar.segmenter.tokens} == {"\n", ".\n\n"}
        assert {grammar.table.texts[token] for token in grammar.eos} == {"<eos>"}
        assert (grammar.aggregate, grammar.offset, grammar.has_head) == ("geometric", -1, True)


def test_without_a_head_steps_are_blank_lines(headless: Path) -> None:
    with load(headless, engine="naive") as model:
        assert model.engine.grammar.segmenter.rule == "blank_line"
        assert not model.engine.grammar.has_head


def test_the_prompt_ends_with_the_opening_tag_of_the_template(folder: Path) -> None:
    with load(folder, engine="naive") as model:
        assert model.engine.grammar.table.decode(model.encode(" Why? ")) == "Why?\n<think>"


def test_a_prompt_takes_the_place_of_the_models_or_is_made_from_it(folder: Path) -> None:
    asked = PromptConfig(instruction="Now", tags=("<think>", "</think>"), reply=" So")
    for prompt in (asked, lambda own: own.model_copy(update={"instruction": "Now", "reply": " So"})):
        with load(folder, engine="naive", prompt=prompt) as model:
            assert model.identity.prompt == asked
            assert model.engine.grammar.table.decode(model.encode("Why?")) == "Why?\n\nNow\n<think> So"


def test_tags_of_a_given_prompt_are_the_grammars(folder: Path) -> None:
    with load(folder, engine="naive", prompt=PromptConfig()) as model:
        assert model.engine.grammar.segmenter.tags is None


def test_every_token_that_contains_the_stop_text_ends_a_text_and_no_step(folder: Path) -> None:
    with load(folder, engine="naive", step_rule="newline", prompt=PromptConfig(stop=".\n")) as model:
        grammar = model.engine.grammar
        assert {grammar.table.texts[token] for token in grammar.eos} == {"<eos>", ".\n\n"}
        assert {grammar.table.texts[token] for token in grammar.segmenter.tokens} == {"\n"}


@pytest.mark.parametrize("engine", ["local", "naive"])
def test_a_text_ends_at_its_stop(folder: Path, engine: str) -> None:
    """Half of all characters stop, so that a random model meets one soon; the end of text is one of 110 tokens."""
    with load(folder, engine=engine, prompt=PromptConfig(stop="e")) as model:
        result = model.solve("Why?", k=16, max_tokens=250, seed=1)
        eos = model.engine.grammar.eos
    stopped = [one for one in result.trajectories if one.finish == "stop"]
    assert len(stopped) > 8 and any("e" in one.text for one in stopped)
    for one in stopped:
        assert one.token_ids[-1] in eos and not eos & set(one.token_ids[:-1])
        assert "e" not in one.thinking and "e" not in one.reply and "<eos>" not in one.reply
        assert one.thinking == one.reply


def test_a_stop_text_that_no_token_contains_is_told(folder: Path) -> None:
    with pytest.raises(OptionError, match="No token of this vocabulary contains the stop text '```': choose a shorter one"):
        load(folder, engine="naive", prompt=PromptConfig(stop="```"))


def test_a_model_knows_what_it_is(folder: Path, headless: Path) -> None:
    with load(folder, dtype="bfloat16") as model:
        identity = model.identity
    assert (identity.model, identity.engine, identity.dtype) == (str(folder), "local", "bfloat16")
    assert identity.backbone.startswith("qwen2-4x64-") and identity.head.startswith("sprm-")
    with load(headless, engine="naive") as model:
        assert (model.identity.head, model.identity.engine, model.identity.dtype) == ("", "naive", "float32")
        assert model.identity.backbone == identity.backbone


def test_a_step_rule_overrides_the_heads_and_official_brings_its_tags(folder: Path, tmp_path: Path) -> None:
    with load(folder, engine="naive", step_rule="blank_line") as model:
        assert model.engine.grammar.segmenter.rule == "blank_line"
    untagged = tiny_folder.write(tmp_path / "untagged")
    values = json.loads((untagged / "reflectgen.json").read_text())
    change(untagged / "reflectgen.json", prompt={**values["prompt"], "tags": None})
    with load(untagged, engine="naive") as model:
        assert model.engine.grammar.segmenter.tags is None
    with load(untagged, engine="naive", step_rule="official") as model:
        tags = model.engine.grammar.segmenter.tags
        assert tags is not None and (tags.open.text, tags.close.text) == ("<think>", "</think>")


def test_sampling_is_the_models_own_where_it_draws(tmp_path: Path) -> None:
    folder = tiny_folder.write(tmp_path / "m")
    with load(folder, engine="naive") as model:
        assert model.sampling == Sampling()
    change(folder / "generation_config.json", do_sample=True, temperature=1.0, top_k=20)
    with load(folder, engine="naive") as model:
        assert model.sampling == Sampling(temperature=1.0, top_k=20)
        assert model.request("?", temperature=0.5).sampling == Sampling(temperature=0.5, top_k=20)


def test_a_head_alone_brings_its_backbone(folder: Path, tmp_path: Path) -> None:
    for name in ("reflectgen.json", "sprm_head.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    values = json.loads((tmp_path / "reflectgen.json").read_text())
    change(tmp_path / "reflectgen.json", head={**values["head"], "backbone_name": str(folder)})
    with load(tmp_path, engine="naive") as alone, load(folder, engine="naive") as together:
        assert alone.score_text("a.\n\nb.\n\n") == together.score_text("a.\n\nb.\n\n")


def test_another_backbone_is_refused_and_the_result_says_so_where_it_is_allowed(folder: Path, tmp_path: Path) -> None:
    other = tiny_folder.write(tmp_path / "other", head=False, seed=1)
    with pytest.raises(BackboneMismatch, match="was trained on the backbone"):
        load(other, head=folder)
    with load(other, head=folder, allow_backbone_mismatch=True) as model:
        assert model.solve("Why?", **SHORT).notes == (MISMATCH,)
    with load(folder) as model:
        assert model.solve("Why?", **SHORT).notes == ()


POINT = {"task": "t", "strategy": "esc", "select": "sprm", "k": 3, "accuracy": 0.5, "tokens": 90.0}
BASE = {**POINT, "strategy": "best_of_n", "select": "sprm", "accuracy": 0.4, "tokens": 100.0}


def write_frontier(folder: Path, backbone: str) -> Path:
    path = folder / "frontier.json"
    path.write_text(json.dumps({"backbone": backbone, "points": [BASE, POINT]}))
    return path


def test_what_was_measured_with_a_model_decides_the_strategy_auto(folder: Path, tmp_path: Path) -> None:
    own = tiny_folder.write(tmp_path / "own")
    with load(folder, engine="naive") as model:
        backbone = model.identity.backbone
    write_frontier(own, backbone)
    with load(own, engine="naive") as model:
        assert [point.strategy for point in model.frontier] == ["best_of_n", "esc"]
        result = model.solve("Why?", strategy="auto", **SHORT)
        assert result.strategy == "esc" and "right most often" in result.notes[0]
    write_frontier(own, "qwen2-another")
    with load(own, engine="naive") as model:
        assert model.frontier == ()


def test_what_was_measured_lies_beside_the_head_that_is_used(folder: Path, tmp_path: Path) -> None:
    own, alone = tiny_folder.write(tmp_path / "own"), tmp_path / "head"
    alone.mkdir()
    for name in ("reflectgen.json", "sprm_head.safetensors"):
        (alone / name).write_bytes((folder / name).read_bytes())
    with load(own, engine="naive") as model:
        backbone = model.identity.backbone
    write_frontier(alone, backbone)
    for head in (alone, alone / "sprm_head.safetensors"):
        with load(own, head=head, engine="naive") as model:
            assert len(model.frontier) == 2
    write_frontier(own, backbone)
    (alone / "frontier.json").unlink()
    for options in ({"head": alone}, {"head": "none"}, {"prm": folder}):
        with load(own, engine="naive", **options) as model:
            assert model.frontier == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{", "is no readable JSON"),
        ("[]", "holds no JSON object"),
        ('{"backbone": "", "points": [{"task": "t"}]}', r"frontier\.json: points\.0\.strategy: Field required"),
    ],
)
def test_a_broken_file_of_what_was_measured_is_one_sentence(tmp_path: Path, text: str, fault: str) -> None:
    own = tiny_folder.write(tmp_path / "own")
    (own / "frontier.json").write_text(text)
    with pytest.raises(ModelError, match=fault):
        load(own, engine="naive")


def test_a_head_of_another_width_is_refused(folder: Path, tmp_path: Path) -> None:
    weights = load_file(folder / "sprm_head.safetensors")
    save_file({**weights, "up.weight": weights["up.weight"][:, :32].contiguous()}, tmp_path / "sprm_head.safetensors")
    values = json.loads((folder / "reflectgen.json").read_text())
    head = {**values["head"], "hidden_size": 32, "width": 128, "backbone": ""}
    (tmp_path / "reflectgen.json").write_text(json.dumps({**values, "head": head}))
    with pytest.raises(ModelError, match="The head reads states of width 32, but this backbone's have 64"):
        load(folder, head=tmp_path)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"engine": "lcoal"}, r"Unknown engine 'lcoal'.*Did you mean 'local'\?"),
        ({"device": "cuba"}, "Unknown device 'cuba'"),
        ({"dtype": "float23"}, "Unknown dtype 'float23'"),
        ({"step_rule": "papre"}, "Unknown step rule 'papre'"),
        ({"step_rule": "regex:("}, "is no regular expression"),
        ({"engine": "naive", "kv_budget": 1_000_000}, "takes no KV budget|nothing to budget"),
        ({"kv_budget": -1}, "give a positive number"),
    ],
)
def test_wrong_options_are_one_sentence(folder: Path, options: Any, fault: str) -> None:
    with pytest.raises(OptionError, match=fault):
        load(folder, **options)


def test_what_is_no_model_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="could be found"):
        load(tmp_path / "nowhere")
    with pytest.raises(ModelError, match="holds neither a model"):
        load(tmp_path)
    broken = tiny_folder.write(tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00notjson!")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(broken)
