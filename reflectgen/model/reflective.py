"""A reflective model: any transformers causal LM and an SPRM head on the states of the same pass.

Source: arXiv 2507.01951, one network with two heads: one forward pass gives next-token logits and step scores.

Shapes: B rows, T tokens, D the backbone's width, V its vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from reflectgen.config import PromptConfig, ReflectiveConfig
from reflectgen.errors import ModelError
from reflectgen.model.atomic import replace_folder
from reflectgen.model.backbone import load_backbone, map_backbone
from reflectgen.model.checkpoint import backbone_source, find_head, load_head, read_config, write_head
from reflectgen.model.fingerprint import check_backbone, fingerprint
from reflectgen.model.head import SPRMHead
from reflectgen.model.int8 import is_quantised
from reflectgen.model.quiet import quiet
from reflectgen.model.source import resolve
from reflectgen.model.tap import FeatureTap, decoder_of
from reflectgen.model.tokenizer import default_tags


@dataclass(frozen=True, slots=True)
class ReflectiveOutput:
    """What one pass gives."""

    logits: Tensor
    """Next-token logits (B, T, V), in the backbone's dtype."""
    step_logits: Tensor | None
    """The head on the state at each position (B, T), fp32; None without a head or where grading was not asked for."""
    features: Tensor | None
    """The states that the head reads (B, T, D), in the backbone's dtype; None without a head."""
    past_key_values: Any
    """The cache that was written to; None where none was used."""


@dataclass(frozen=True, slots=True)
class BodyOutput:
    """What a pass without the LM head gives."""

    states: Tensor
    """Final-normed states of the last block (B, T, D)."""
    features: Tensor | None
    """The states that the head reads (B, T, D); None without a head."""
    past_key_values: Any
    """The cache that was written to; None where none was used."""


class ReflectiveModel(nn.Module):
    """A causal LM that grades its own steps: `model(ids).logits` and `model(ids).step_logits` come from one pass.

    `step_logits[b, t]` is the head on the state at position t; which states belong to which step is the step rule's
    business (`reflectgen.steps.read_window`). A head that reads the mean of several is given it by `grade`.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: SPRMHead | None = None,
        *,
        prompt: PromptConfig | None = None,
        mismatch: bool = False,
    ) -> None:
        """Put `head` on `backbone` as they are; raises `ModelError` where the backbone lacks what the head reads.

        `prompt` is what the model's files say about prompts, None where they say nothing; `mismatch` records that the
        head was trained on another backbone.
        """
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.prompt = prompt
        self.mismatch = mismatch
        self.tap = FeatureTap(backbone, head.config.layer, head.config.norm) if head is not None else None

    @property
    def config(self) -> ReflectiveConfig | None:
        """The head's and the prompt's configuration; None without a head."""
        if self.head is None:
            return None
        return ReflectiveConfig(head=self.head.config, prompt=self.prompt or PromptConfig())

    @property
    def device(self) -> torch.device:
        """Where the backbone's weights are."""
        return next(self.backbone.parameters()).device

    @property
    def context(self) -> int:
        """Most tokens the backbone can read; 2^31 where its configuration sets no limit."""
        config: Any = self.backbone.config
        return int(getattr(config.get_text_config(decoder=True), "max_position_embeddings", 2**31))

    def prompt_config(self, tokenizer: Any) -> PromptConfig:
        """What the model's files say about prompts; where they say nothing, defaults with the tokenizer's thinking tags."""
        return self.prompt or PromptConfig(tags=default_tags(tokenizer))

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Any = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        *,
        graded: bool = True,
        **kwargs: Any,
    ) -> ReflectiveOutput:
        """One pass over `input_ids` (B, T): logits and, for every position, the head.

        `graded=False` leaves the head to the caller (`grade` on a selection of `features`). A cache is used only where
        one is given. `attention_mask` and further arguments are the backbone's own.
        """
        inputs = _inputs(input_ids, attention_mask, position_ids, past_key_values, kwargs)
        output = self.backbone(**inputs)
        features = self.tap.take() if self.tap else None
        return ReflectiveOutput(
            logits=output.logits,
            step_logits=self.grade(features) if graded and features is not None else None,
            features=features,
            past_key_values=output.past_key_values,
        )

    def body(
        self,
        input_ids: Tensor,
        attention_mask: Any = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        **kwargs: Any,
    ) -> BodyOutput:
        """One pass over `input_ids` (B, T) without the LM head and the SPRM head: what a prefill needs."""
        inputs = _inputs(input_ids, attention_mask, position_ids, past_key_values, kwargs)
        output = decoder_of(self.backbone)(**inputs)
        return BodyOutput(
            states=output.last_hidden_state,
            features=self.tap.take() if self.tap else None,
            past_key_values=output.past_key_values,
        )

    def grade(self, features: Tensor) -> Tensor:
        """Logits of the steps whose states, or means of them, are `features`: (..., D) -> (...), fp32.

        Raises `ModelError` without a head.
        """
        if self.head is None:
            raise ModelError("This model has no SPRM head to grade steps with: train one, or give one with head=.")
        logits: Tensor = self.head(features)
        return logits

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        head: str | Path | None = None,
        device: str = "auto",
        dtype: str = "auto",
        attn_implementation: str | None = None,
        allow_backbone_mismatch: bool = False,
        trust_remote_code: bool = False,
        revision: str | None = None,
        mapped: bool = False,
    ) -> Self:
        """Load a model for inference from a folder, a `.gguf` file or a Hub name.

        The head is the one that `head` names (a folder, a file or a Hub name, native or foreign), else the one beside
        the weights, else none. A folder that holds a head alone loads the backbone that the head names. `device` and
        `dtype` are names of `reflectgen.model.placement`; `mapped` leaves the backbone's weights on the disk, for an engine
        that loads them itself (`reflectgen.model.backbone.map_backbone`). Raises `ModelError` where something is missing or
        broken, `BackboneMismatch` where the head was trained on another backbone, unless that is allowed.
        """
        source = resolve(name, revision)
        stored = find_head(source) if head is None else load_head(head)
        if mapped:
            backbone = map_backbone(backbone_source(source), trust_remote_code=trust_remote_code)
        else:
            backbone = load_backbone(
                backbone_source(source),
                device=device,
                dtype=dtype,
                attn_implementation=attn_implementation,
                trust_remote_code=trust_remote_code,
            )
        if stored is None:
            return cls(backbone).eval()
        mismatch = check_backbone(stored.head.config, backbone, allow_mismatch=allow_backbone_mismatch)
        beside = read_config(source.folder)
        prompt = stored.prompt or (beside.prompt if beside else None)
        return cls(backbone, stored.head.beside(backbone), prompt=prompt, mismatch=mismatch).eval()

    def save_pretrained(self, folder: str | Path, tokenizer: Any = None, *, overwrite: bool = False) -> None:
        """Write backbone, tokenizer and head to `folder`, all or nothing.

        The head is marked with the backbone's fingerprint, since both were saved as one, unless the head was put on
        another backbone than its own. Raises `InputError` where `folder` has files and `overwrite` is False; with it the
        whole folder is replaced.
        """
        if is_quantised(self.backbone):
            raise ModelError("A model in int8 cannot be saved, since its weights are rounded: load it in another dtype.")
        with replace_folder(Path(folder), overwrite=overwrite) as scratch, quiet():
            self.backbone.save_pretrained(scratch)  # type: ignore[operator]
            if tokenizer is not None:
                tokenizer.save_pretrained(scratch)
            if self.head is not None:
                write_head(scratch, self.head, self.marked_config())

    def save_head(self, folder: str | Path) -> None:
        """Write the head alone to `folder`, with the fingerprint and the name of its backbone."""
        if self.head is None:
            raise ModelError("This model has no SPRM head to save.")
        Path(folder).mkdir(parents=True, exist_ok=True)
        write_head(Path(folder), self.head, self.marked_config())

    def marked_config(self) -> ReflectiveConfig:
        """`config` with the fingerprint and name of this backbone; raises `ModelError` without a head."""
        config = self.config
        if config is None:
            raise ModelError("This model has no SPRM head.")
        if self.mismatch:
            return config
        name = config.head.backbone_name or str(getattr(self.backbone, "name_or_path", ""))
        marked = config.head.model_copy(update={"backbone": fingerprint(self.backbone), "backbone_name": name})
        return config.model_copy(update={"head": marked})


def _inputs(
    input_ids: Tensor, attention_mask: Any, position_ids: Tensor | None, past_key_values: Any, kwargs: dict[str, Any]
) -> dict[str, Any]:
    """Arguments of a transformers forward: only those that are given, and no cache but the given one."""
    given = {"attention_mask": attention_mask, "position_ids": position_ids, "past_key_values": past_key_values}
    inputs = {"input_ids": input_ids, "use_cache": past_key_values is not None, **kwargs}
    return inputs | {name: value for name, value in given.items() if value is not None}
