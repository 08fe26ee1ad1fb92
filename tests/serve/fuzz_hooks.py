"""Hooks of schemathesis: most bodies name the model that is served, so that they reach what is behind that check."""

from __future__ import annotations

import random
from typing import Any

import schemathesis

DICE = random.Random(0)


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Name the model, and keep searches small."""
    if isinstance(body, dict) and "model" in body and DICE.random() < 0.9:
        body = {**body, "model": "scripted"}
        if isinstance(body.get("reflectgen"), dict) and isinstance(body["reflectgen"].get("k"), int):
            body["reflectgen"] = {**body["reflectgen"], "k": abs(body["reflectgen"]["k"]) % 8 + 1}
    return body
