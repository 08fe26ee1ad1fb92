"""Tells backbones apart: a short hash of a backbone's architecture and a fixed sample of its weights. And heads: of all.

A head reads the states of one backbone; on another of equal width it gives numbers that mean nothing. Dtype rule: the
sample is rounded to bfloat16 before hashing, so a checkpoint has one fingerprint whether it is loaded in float32, in int8
or in bfloat16; loading in float16 may change it, since float16 has a narrower range. Device, attention implementation and
save/load do not matter. Fine-tuning (in full or with merged adapters), resizing the vocabulary and re-quantising do.
"""

from __future__ import annotations

from hashlib import blake2b

import torch
from torch import Tensor, nn

from reflectgen.config import HeadConfig
from reflectgen.errors import BackboneMismatch, ModelError
from reflectgen.model.head import SPRMHead
from reflectgen.model.tap import anatomy, decoder_of, hidden_size

SAMPLE = 64
"""Most values hashed of each parameter."""
KNOWN = "fingerprint_when_loaded"
"""The attribute with the fingerprint of a backbone whose weights were rewritten for speed after they were loaded."""


@torch.no_grad()
def fingerprint(backbone: nn.Module) -> str:
    """E.g. `qwen2-24x896-0f3c9a51b2d47e68`: model type, blocks x width, and 8 bytes of BLAKE2b.

    Hashed are the shape and at most `SAMPLE` evenly strided values of every parameter of the decoder and the LM head, in
    the model's own order; tied weights count once. What else hangs on the model, such as an SPRM head, does not count.
    Empty where the weights are not here (`reflectgen.model.backbone.map_backbone`).
    """
    known = getattr(backbone, KNOWN, None)
    if isinstance(known, str):
        return known
    digest = blake2b(digest_size=8)
    lm_head = backbone.get_output_embeddings() if hasattr(backbone, "get_output_embeddings") else None  # type: ignore[operator]
    parameters = list(nn.ModuleList(part for part in (decoder_of(backbone), lm_head) if part is not None).parameters())
    if any(parameter.is_meta for parameter in parameters):
        return ""
    for parameter in parameters:
        digest.update(f"{tuple(parameter.shape)};".encode())
    sample = torch.cat([_sample(parameter) for parameter in parameters])
    digest.update(sample.cpu().view(torch.int16).numpy().astype("<i2").tobytes())
    kind = backbone.config.model_type  # type: ignore[union-attr]
    return f"{kind}-{len(anatomy(backbone).blocks)}x{hidden_size(backbone)}-{digest.hexdigest()}"


@torch.no_grad()
def head_fingerprint(head: SPRMHead) -> str:
    """E.g. `sprm-0f3c9a51b2d47e68`: 8 bytes of BLAKE2b over all that enters a score.

    That is all weights in float32 and the configuration, fields at their defaults left out; what people call the backbone,
    and the blend's scales, do not count.
    """
    config = head.config.model_dump_json(exclude_defaults=True, exclude={"backbone_name", "blend"})
    digest = blake2b(config.encode(), digest_size=8)
    for name, weights in sorted(head.state_dict().items()):
        digest.update(f"{name}{tuple(weights.shape)};".encode())
        digest.update(weights.detach().float().cpu().numpy().astype("<f4").tobytes())
    return f"sprm-{digest.hexdigest()}"


def _sample(parameter: Tensor) -> Tensor:
    """A strided sample, in bfloat16. An odd stride does not stay in one column of a matrix of even width."""
    stride = parameter.numel() // SAMPLE | 1
    return parameter.detach().reshape(-1)[::stride][:SAMPLE].to(torch.bfloat16)


def check_backbone(config: HeadConfig, backbone: nn.Module, *, allow_mismatch: bool) -> bool:
    """Whether a head of this configuration was trained on another backbone than this one.

    A head without a fingerprint passes, and so does a backbone whose weights are not here. Raises `ModelError` where the
    widths differ, and `BackboneMismatch` where the fingerprints do and that is not allowed.
    """
    width = hidden_size(backbone)
    if config.hidden_size != width:
        raise ModelError(
            f"The head reads states of width {config.hidden_size}, but this backbone's have {width}: it is another model."
        )
    found = fingerprint(backbone) if config.backbone else ""
    if config.backbone == found or not found:
        return False
    if not allow_mismatch:
        name = f" ({config.backbone_name})" if config.backbone_name else ""
        raise BackboneMismatch(
            f"The head was trained on the backbone {config.backbone}{name}, but this one is {found}: "
            "load that one, or pass --allow-backbone-mismatch if this is the same model fine-tuned or re-quantised."
        )
    return True
