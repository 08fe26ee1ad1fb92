"""Trained heads and models as rows: they grade the same test traces, a model with a backbone of its own by re-reading them."""

from __future__ import annotations

from dataclasses import replace

from reflectgen.load import locate
from reflectgen.model.checkpoint import load_head
from reflectgen.model.fingerprint import check_backbone, head_fingerprint
from reflectgen.model.head import SPRMHead
from reflectgen.model.source import resolve
from reflectgen.study.bench import Bench
from reflectgen.study.variants import Variant


def settled(bench: Bench, variant: Variant) -> Variant:
    """The row with what its head reads in place of the baseline's options, and with the backbone that is to read.

    Raises `ModelError` where there is no such head, and `BackboneMismatch` where a head alone is another backbone's.
    """
    own = resolve(locate(variant.finished)).has_backbone
    reader = variant.finished if own else ""
    if own and bench.graded_backbone(reader).fingerprint == bench.policy.fingerprint:
        reader = ""
    row = replace(variant, reader=reader)
    head = finished_head(bench, row).config
    same = ("layer", "norm", "offset", "pool", "grade_end", "width", "activation", "step_rule", "aggregate")
    return row.changed(row.name, **{name: getattr(head, name) for name in same})


def finished_head(bench: Bench, variant: Variant) -> SPRMHead:
    """The head of a row, which fits the backbone that reads for it."""
    place = locate(variant.finished)
    if variant.reader:
        head = bench.graded_backbone(variant.reader).head
        assert head is not None
        return head
    head = load_head(place).head
    check_backbone(head.config, bench.policy.model, allow_mismatch=False)
    return head


def stamp(bench: Bench, variant: Variant) -> str:
    """What tells the backbone and the head of a row from others of the same names."""
    head = head_fingerprint(finished_head(bench, variant)) if variant.finished else ""
    return f"{bench.backbone(variant.reader).fingerprint} {head}"
