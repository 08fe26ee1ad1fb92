"""Texts from models and files, made visible: what could change how the rest of a page reads is written out.

Control characters, marks of writing direction (which can make a text read as another, CVE-2021-42574) and lone surrogates
become their code point in brackets. Escaping is the writers' business.
"""

from __future__ import annotations

import re

_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def visible(text: str) -> str:
    """`text` with what is invisible, and more than a space, a tab or a newline, as its code point."""
    return _HIDDEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", text.replace("\r\n", "\n"))


def on_a_line(text: str) -> str:
    """The same on one line."""
    return " ".join(visible(text).split())
