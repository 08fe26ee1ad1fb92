"""What `reasoning_effort` means: OpenAI's names, and `auto`."""

from __future__ import annotations

from reflectgen.config import EFFORTS as MODES
from reflectgen.config import Effort

EFFORTS: dict[str, Effort] = {
    "none": Effort(k=1),
    "minimal": Effort(k=1),
    "low": MODES["low"],
    "medium": MODES["medium"],
    "high": MODES["high"],
    "xhigh": Effort(k=64),
    "auto": MODES["auto"],
}
"""Name -> effort. One thinking is the least: a reflective model always thinks. `low`, `medium` and `high` are the paper's."""
