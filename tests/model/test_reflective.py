from pathlib import Path

import pytest
import tiny_models
import torch
from transformers import BloomConfig, BloomForCausalLM, DynamicCache

from reflectgen.config import PromptConfig
from reflectgen.errors import BackboneMismatch, InputError, ModelError
from reflectgen.model.fingerprint import fingerprint
from reflectgen.model.foreign import SCORE_MODULE, write_foreign
from reflectgen.model.reflective import ReflectiveModel

EVERY = pytest.mark.parametrize("name", sorted(tiny_models.CONFIGS))
PROMPT = PromptConfig(system="Think.", tags=("<a>", "</a>"))


def reflective(name: str = "qwen2", **settings: object) -> ReflectiveModel:
    return ReflectiveModel(tiny_models.backbone(name), tiny_models.head(**settings), prompt=PROMPT).eval()


@EVERY
@torch.no_grad()
def test_one_pass_gives_the_plain_logits_and_the_head_on_every_state(name: str) -> None:
    model, ids = reflective(name), tiny_models.token_ids(2, 20)
    plain = tiny_models.backbone(name)(ids, output_hidden_states=True)
    output = model(ids)
    torch.testing.assert_close(output.logits, plain.logits, rtol=0, atol=0)
    torch.testing.assert_close(output.features, plain.hidden_states[-2], rtol=0, atol=0)
    torch.testing.assert_close(output.step_logits, tiny_models.head()(plain.hidden_states[-2]), rtol=0, atol=0)
    assert output.step_logits.shape == (2, 20)
    assert output.past_key_values is None


@EVERY
@torch.no_grad()
def test_the_body_gives_the_states_that_the_lm_head_reads(name: str) -> None:
    model, ids = reflective(name), tiny_models.token_ids(2, 20)
    body, output = model.body(ids), model(ids)
    states = tiny_models.backbone(name)(ids, output_hidden_states=True).hidden_states[-1]
    torch.testing.assert_close(body.states, states, rtol=0, atol=0)
    torch.testing.assert_close(body.features, output.features, rtol=0, atol=0)


@torch.no_grad()
def test_padding_and_positions_are_handed_on() -> None:
    model, ids = reflective(), tiny_models.token_ids(1, 6)
    padded = torch.cat([torch.zeros(1, 2, dtype=torch.long), ids], dim=1)
    mask, positions = (padded > 0).long(), torch.tensor([[0, 0, 0, 1, 2, 3, 4, 5]])
    torch.testing.assert_close(model(padded, mask, positions).step_logits[:, 2:], model(ids).step_logits)


@torch.no_grad()
def test_a_given_cache_is_used_and_filled() -> None:
    model, ids = reflective(), tiny_models.token_ids(1, 6)
    cache = DynamicCache(config=model.backbone.config)
    model.body(ids[:, :5], past_key_values=cache)
    output = model(ids[:, 5:], past_key_values=cache)
    assert output.past_key_values is cache and cache.get_seq_length() == 6
    torch.testing.assert_close(output.step_logits, model(ids).step_logits[:, 5:])


@torch.no_grad()
def test_grading_can_be_left_to_the_caller() -> None:
    model, ids = reflective(), tiny_models.token_ids(2, 5)
    output = model(ids, graded=False)
    assert output.step_logits is None
    torch.testing.assert_close(model.grade(output.features[:, 3]), model(ids).step_logits[:, 3])


def test_both_heads_train_in_one_backward_pass() -> None:
    model = reflective().train()
    output = model(tiny_models.token_ids(2, 8))
    (output.logits.logsumexp(-1).mean() + output.step_logits.mean()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@torch.no_grad()
def test_without_a_head_it_is_the_plain_model() -> None:
    model, ids = ReflectiveModel(tiny_models.backbone("qwen2")), tiny_models.token_ids(1, 4)
    output = model(ids)
    assert output.step_logits is None and output.features is None and model.config is None
    assert model.body(ids).features is None
    with pytest.raises(ModelError, match="no SPRM head to grade"):
        model.grade(torch.zeros(1, tiny_models.WIDTH))
    with pytest.raises(ModelError, match="no SPRM head"):
        model.save_head("nowhere")


@EVERY
@torch.no_grad()
def test_a_saved_model_comes_back_the_same(name: str, tmp_path: Path) -> None:
    model, ids = reflective(name, layer=-1, norm=True, aggregate="min"), tiny_models.token_ids(2, 9)
    model.save_pretrained(tmp_path / "model")
    again = ReflectiveModel.from_pretrained(tmp_path / "model", device="cpu")
    before, after = model(ids), again(ids)
    torch.testing.assert_close(after.logits, before.logits, rtol=0, atol=0)
    torch.testing.assert_close(after.step_logits, before.step_logits, rtol=0, atol=0)
    assert again.config == model.marked_config() and again.prompt == PROMPT
    assert again.config.head.backbone == fingerprint(model.backbone)
    assert not again.mismatch and not again.training


def test_files_are_replaced_only_on_purpose(tmp_path: Path) -> None:
    model = reflective()
    model.save_pretrained(tmp_path / "model")
    with pytest.raises(InputError, match="exists already"):
        model.save_pretrained(tmp_path / "model")
    model.save_pretrained(tmp_path / "model", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_saving_and_loading_say_nothing_on_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    reflective().save_pretrained(tmp_path / "model")
    ReflectiveModel.from_pretrained(tmp_path / "model", device="cpu")
    assert capfd.readouterr() == ("", "")


def test_a_head_alone_names_its_backbone(tmp_path: Path) -> None:
    tiny_models.backbone("qwen2").save_pretrained(tmp_path / "backbone")
    backbone = ReflectiveModel.from_pretrained(tmp_path / "backbone", device="cpu").backbone
    ReflectiveModel(backbone, tiny_models.head(), prompt=PROMPT).save_head(tmp_path / "head")
    assert sorted(path.name for path in (tmp_path / "head").iterdir()) == ["reflectgen.json", "sprm_head.safetensors"]
    for options in ({"name": tmp_path / "head"}, {"name": tmp_path / "backbone", "head": tmp_path / "head"}):
        model = ReflectiveModel.from_pretrained(**options, device="cpu")
        assert model.config is not None and model.config.head.backbone_name == str(tmp_path / "backbone")
        assert model.config.head.backbone == fingerprint(backbone) and model.prompt == PROMPT


def test_a_given_head_comes_before_the_one_beside_the_weights(tmp_path: Path) -> None:
    reflective().save_pretrained(tmp_path / "model")
    other = ReflectiveModel(tiny_models.backbone("qwen2"), tiny_models.head(offset=0))
    other.save_head(tmp_path / "head")
    model = ReflectiveModel.from_pretrained(tmp_path / "model", head=tmp_path / "head", device="cpu")
    assert model.config is not None and model.config.head.offset == 0


def test_the_authors_layout_is_found_beside_the_weights(tmp_path: Path) -> None:
    tiny_models.backbone("qwen2").save_pretrained(tmp_path)
    write_foreign(tmp_path / SCORE_MODULE, tiny_models.head(), "score_module")
    model = ReflectiveModel.from_pretrained(tmp_path, device="cpu")
    assert model.config is not None and model.prompt is None and not model.mismatch
    settings = model.config.head
    assert (settings.step_rule, settings.offset, settings.layer, settings.norm) == ("official", -1, -2, False)


def test_a_head_of_another_backbone_is_refused_unless_allowed(tmp_path: Path) -> None:
    reflective().save_pretrained(tmp_path / "one")
    tiny_models.backbone("qwen2", seed=1).save_pretrained(tmp_path / "other")
    with pytest.raises(BackboneMismatch, match="--allow-backbone-mismatch"):
        ReflectiveModel.from_pretrained(tmp_path / "other", head=tmp_path / "one", device="cpu")
    model = ReflectiveModel.from_pretrained(
        tmp_path / "other", head=tmp_path / "one", device="cpu", allow_backbone_mismatch=True
    )
    assert model.mismatch
    model.save_pretrained(tmp_path / "mixed")  # the head stays marked as another backbone's
    with pytest.raises(BackboneMismatch):
        ReflectiveModel.from_pretrained(tmp_path / "mixed", device="cpu")


def test_folders_without_a_model_or_a_named_backbone_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds neither a model"):
        ReflectiveModel.from_pretrained(tmp_path)
    reflective().save_head(tmp_path)
    with pytest.raises(ModelError, match="names no backbone"):
        ReflectiveModel.from_pretrained(tmp_path)
    ReflectiveModel(tiny_models.backbone("qwen2"), tiny_models.head(backbone_name="./gone")).save_head(tmp_path)
    with pytest.raises(ModelError, match=r"names a backbone that is not here\. No folder, .* of the name '\./gone'"):
        ReflectiveModel.from_pretrained(tmp_path)


def test_the_attention_implementation_is_handed_on(tmp_path: Path) -> None:
    tiny_models.backbone("qwen2").save_pretrained(tmp_path)
    model = ReflectiveModel.from_pretrained(tmp_path, device="cpu", attn_implementation="eager")
    assert model.backbone.config._attn_implementation == "eager"


class Vocabulary:
    """A tokenizer that knows the tags of one kind of reasoning model."""

    chat_template = None

    def get_vocab(self) -> dict[str, int]:
        return {"<think>": 0, "</think>": 1}


def test_tags_come_from_the_tokenizer_where_the_files_say_nothing() -> None:
    backbone = tiny_models.backbone("qwen2")
    assert ReflectiveModel(backbone).prompt_config(Vocabulary()).tags == ("<think>", "</think>")
    assert ReflectiveModel(backbone, prompt=PromptConfig()).prompt_config(Vocabulary()).tags is None


def test_the_context_is_what_the_configuration_says_and_without_limit_where_it_says_nothing() -> None:
    """Bloom's positions are distances, so its configuration has no longest sequence."""
    assert reflective().context == tiny_models.config("qwen2").max_position_embeddings
    bloom = BloomForCausalLM(BloomConfig(vocab_size=20, hidden_size=8, n_layer=2, n_head=2))
    assert ReflectiveModel(bloom).context == 2**31
