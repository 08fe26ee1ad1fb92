"""What tasks share whose answer is Python code: how it is asked for, read from a reply, and tested."""

from __future__ import annotations

import ast
import re

from reflectgen import sandbox

ASK = "Answer with one Python code block and nothing else."
"""The last line of every prompt."""
FENCE = "```"
OPENING = "```python\n"
"""What the model's turn begins with, so that it goes on with the code."""

_OPENED = re.compile(r"```(?:python3?|py)[^\S\n]*\n")
_BLOCK = re.compile(r"^[^\S\n]*```[^\n`]*\n(.*?)^[^\S\n]*```", re.DOTALL | re.MULTILINE)
_BARE = re.compile(r"```[^\S\n]*\n")


def extract(reply: str) -> str | None:
    """The code of a reply; None where there is none.

    A reply goes on from an opening fence, so its code ends at the first fence. One that opens a fence of its own, as that of
    a model that thinks between tags does, gives what stands between that and the next; a fence without a language opens where
    the number of fences is even.
    """
    before = reply.partition(FENCE)[0]
    own = _BARE if reply.count(FENCE) % 2 == 0 else _OPENED
    opened = _OPENED.match(reply, len(before)) or own.match(reply, len(before))
    code = reply[opened.end() :].partition(FENCE)[0] if opened else before
    return code if code.strip() else None


def last_block(reply: str) -> str | None:
    """The code of the last block that a reply opens and closes at the beginning of a line; None where there is none."""
    blocks = [block for block in _BLOCK.findall(reply) if block.strip()]
    return blocks[-1] if blocks else None


def mutate(program: str, *, every: bool = False) -> str | None:
    """`program` with another value for its last return, or for every one: None for what is true, a text for what is not.

    None where it has no return, or is no Python.
    """
    try:
        tree = ast.parse(program)
    except SyntaxError:
        return None
    returns = sorted((node for node in ast.walk(tree) if isinstance(node, ast.Return)), key=lambda node: node.lineno)
    for node in returns if every else returns[-1:]:
        node.value = ast.IfExp(node.value or ast.Constant(None), ast.Constant(None), ast.Constant("changed"))
    return ast.unparse(ast.fix_missing_locations(tree)) if returns else None


def ready() -> None:
    """Raise `SandboxError` where this machine grants no sandbox for generated code."""
    sandbox.choose()
