"""Reserved ids and what is read from them, by numbers worked by hand; which heads and classes vLLM can carry."""

from __future__ import annotations

import os
from typing import Any

import pytest

from reflectgen.config import HeadConfig
from reflectgen.engine.vllm.channel import CONFIDENCE_K, DEPTH, Channel, Plain, reserve
from reflectgen.engine.vllm.heads import ARCHITECTURES, HEAD_KEY, NO_HEAD, SPRM_TENSORS, holds_head, overrides, processors
from reflectgen.errors import ModelError
from reflectgen.model.head import SPRMHead


class Names:
    """A tokenizer that knows its tokens' names."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    def convert_ids_to_tokens(self, token: int) -> str:
        return self.names[token]


@pytest.mark.parametrize(
    "names",
    [
        ["<reserved_0>", "<reserved_1>", "<reserved_2>", "<reserved_3>"],
        ["<|reserved_special_token_7|>", "<|reserved_special_token_8|>", "<unused98>", "<unused99>"],
        ["[control_8]", "<SPECIAL_12>", "<|extra_3|>", "<unused9>"],
        ["<pad>", "[PAD11]", "[PAD12]", "[PAD13]"],
    ],
)
def test_ids_are_reserved_by_name_where_every_row_has_a_token(names: list[str]) -> None:
    assert reserve(Names(["a", *names, "b"]), 6) == Channel(score=4, zero=3, confidence=2)


def test_rows_behind_the_tokenizer_come_first() -> None:
    assert reserve(Names(["a", "<reserved_0>", "b"]), 7) == Channel(score=6, zero=5, confidence=4)
    assert reserve(Names(["a", "<reserved_0>", "b"]), 5) == Channel(score=4, zero=3, confidence=1)


def test_a_vocabulary_without_reserved_ids_is_refused() -> None:
    with pytest.raises(ModelError, match="vocabulary of 4 tokens has 1 reserved ones, and vLLM needs 3"):
        reserve(Names(["<think>", "</think>", "reserved", "<reserved_0>"]), 4)


def test_a_row_holds_what_the_model_wrote() -> None:
    row = Channel(7, 8, 9).row(3, {3: -0.5, 7: -62.75, 8: -64.5, 9: -DEPTH - 12.25})
    assert row == (3, -0.5, 12.25, 1.75)


def test_requests_ban_the_reserved_ids() -> None:
    assert Channel(7, 8, 9).ban == {7: -100.0, 8: -100.0, 9: -100.0}
    assert Channel(7, 8, 9).ids == (7, 8, 9)


def test_without_a_head_the_most_likely_tokens_give_the_confidence() -> None:
    values = {token: -float(token) for token in range(CONFIDENCE_K)}
    row = Plain().row(99, {**values, 99: -1000.0})
    assert (row.token, row.logprob, row.logit) == (99, -1000.0, None)
    assert row.confidence == pytest.approx(sum(range(CONFIDENCE_K)) / CONFIDENCE_K)


@pytest.mark.parametrize(
    ("pool", "names", "runner"), [("token", [], None), ("step", ["reflectgen.engine.vllm.pooling:Pools"], "0")]
)
def test_a_head_that_reads_whole_steps_asks_vllm_for_a_processor_and_for_its_first_runner(
    pool: Any, names: list[str], runner: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {})
    assert processors(HeadConfig(hidden_size=8, pool=pool)) == names
    assert os.environ.get("VLLM_USE_V2_MODEL_RUNNER") == runner


def test_the_class_with_the_head_is_asked_for_by_name() -> None:
    assert overrides("Qwen2ForCausalLM", "/head") == {"architectures": ["ReflectiveQwen2ForCausalLM"], HEAD_KEY: "/head"}


def test_what_vllm_was_told_says_whether_it_holds_a_head() -> None:
    told = overrides("Qwen2ForCausalLM", "head")
    assert holds_head(told)
    assert holds_head({"architectures": told["architectures"]})  # the head in the model's own folder
    assert not any(map(holds_head, [overrides("Qwen2ForCausalLM", NO_HEAD), {}, {"architectures": ["Qwen2ForCausalLM"]}, None]))


def test_a_class_without_the_seams_is_refused() -> None:
    with pytest.raises(ModelError, match=f"cannot put a head on PhiForCausalLM: it can on {ARCHITECTURES[0]}"):
        overrides("PhiForCausalLM", "/head")


def test_the_tensors_that_vllm_must_leave_alone_are_those_of_a_head() -> None:
    assert set(SPRMHead(HeadConfig(hidden_size=8)).state_dict()) == SPRM_TENSORS
