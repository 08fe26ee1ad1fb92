"""Which protection is used: the strongest that this machine grants, found out by trying, unless the user names one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache

from reflectgen.errors import SandboxError, unknown
from reflectgen.sandbox.base import Limits
from reflectgen.sandbox.process import started
from reflectgen.sandbox.protections import PROTECTIONS, Protection

VARIABLE = "REFLECTGEN_SANDBOX"
"""Environment variable that names a protection; `unsafe` is used only where it is named."""
SAFE = tuple(name for name in PROTECTIONS if name != "unsafe")


def choose() -> Protection:
    """The protection that `REFLECTGEN_SANDBOX` names, else the strongest that works here.

    Raises `SandboxError` where there is none, and `OptionError` where the variable names none.
    """
    return _chosen(os.environ.get(VARIABLE, ""))


@cache
def fault(name: str) -> str:
    """Why the protection of that name cannot be had on this machine; empty where it can. Each is tried once."""
    try:
        with started("print('here')", PROTECTIONS[name], Limits()) as running:
            outcome = running.wait()
    except (SandboxError, OSError) as error:
        return str(error)
    return "" if outcome.stdout == "here\n" else " ".join(outcome.stderr.split()) or outcome.status


@cache
def _chosen(name: str) -> Protection:
    if name and name not in PROTECTIONS:
        raise unknown(f"value of {VARIABLE}", name, PROTECTIONS)
    tried = (name,) if name else SAFE
    for each in tried:
        if not fault(each):
            return PROTECTIONS[each]
    raise SandboxError(_refusal(tried))


def _refusal(tried: Iterable[str]) -> str:
    faults = "; ".join(f"{each}: {fault(each).rstrip('.')}" for each in tried)
    return (
        f"Generated code is not run, since this machine grants no sandbox ({faults}): install bubblewrap, allow user "
        f"namespaces, or set {VARIABLE}=unsafe to run it with resource limits alone."
    )
