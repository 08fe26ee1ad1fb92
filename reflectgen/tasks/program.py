"""Code that is put behind other code: an answer behind the prompt that it goes on from, or behind what is imported for it."""

from __future__ import annotations

import re

_FUTURE = re.compile(
    r"""((?:\s | \#[^\n]*+ | \"{3}(?s:.*?)\"{3} | '{3}(?s:.*?)'{3})*+)   # nothing but comments and a docstring
        ^(from[^\S\n]+__future__[^\S\n]+import\b [^\S\n]*+ (?:\([^)]*\))?+ [^\n]*+)""",
    re.MULTILINE | re.VERBOSE,
)


def put_behind(given: str, code: str) -> str:
    """`given` and then `code`, but the `__future__` imports that `code` begins with come first of all, as Python wants them.

    The code is not parsed, it may be anything.
    """
    imports = ""
    while found := _FUTURE.match(code):
        imports += f"{found[2]}\n"
        code = found[1] + code[found.end() :]
    return imports + given + code
