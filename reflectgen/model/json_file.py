"""JSON files beside a model's weights: one object each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reflectgen.errors import ModelError


def read_object(path: Path) -> dict[str, Any]:
    """The object in a file; raises `ModelError` where it cannot be read, or holds something else."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"The file {path} is no readable JSON: {error}.") from error
    if not isinstance(values, dict):
        raise ModelError(f"The file {path} holds no JSON object.")
    return values
