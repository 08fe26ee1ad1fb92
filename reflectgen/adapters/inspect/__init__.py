"""Reflective models in the UK AISI's Inspect, which finds them by an entry point; the model is imported when it is named."""

from __future__ import annotations

from inspect_ai.model import ModelAPI, modelapi


@modelapi(name="reflectgen")
def reflectgen() -> type[ModelAPI]:
    """`inspect eval TASK --model reflectgen/tiny`."""
    from reflectgen.adapters.inspect.model import ReflectiveAPI

    return ReflectiveAPI
