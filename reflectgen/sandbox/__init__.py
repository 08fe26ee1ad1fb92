"""Generated code, run where it can harm nothing, and judged where it can forge nothing.

`run` runs one program. `judge` runs tests against an answer, and tells of the tests. Both use the strongest protection that
this machine grants (`protections`), and refuse to run anything where it grants none, unless `REFLECTGEN_SANDBOX=unsafe`.
"""

from __future__ import annotations

from reflectgen.sandbox.base import LIMITS, Limits, Outcome, Status
from reflectgen.sandbox.choice import choose
from reflectgen.sandbox.fed import fed
from reflectgen.sandbox.process import started
from reflectgen.sandbox.verdict import judge

__all__ = ["LIMITS", "Limits", "Outcome", "Status", "choose", "judge", "run"]


def run(program: str, *, stdin: str = "", limits: Limits = LIMITS) -> Outcome:
    """Run the Python source `program` with the text `stdin` on its standard input.

    Raises `SandboxError` where this machine grants no sandbox.
    """
    protection = choose()
    with fed(program, stdin) as (source, descriptor), started(source, protection, limits, passed=(descriptor,)) as running:
        return running.wait()
