"""What a program can be shut in with, strongest first, and how it is started there.

| name | what a program cannot do |
| --- | --- |
| bubblewrap | what `namespaces` says, its namespaces and mounts set up by bwrap(1) |
| namespaces | see other files than Python's own, write outside a small folder in memory, see other processes, use a network |
| landlock | read other files than Python's own, write any file, use a network; it still sees that other processes exist |
| unsafe | use more memory, processor time and threads than allowed, and go on after its time; all else it can |

All set resource limits, and all but the last refuse the system calls of `syscalls` and take a user of their own where
started by root.
"""

from __future__ import annotations

import marshal
import os
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from reflectgen.errors import SandboxError
from reflectgen.sandbox.base import Limits
from reflectgen.sandbox.syscalls import MACHINES, filter_program

PYTHON = os.path.realpath(sys.executable)
INTERPRETER = (PYTHON, "-s", "-S", "-P", "-B")
"""Python without site packages, the user's folders and the current folder on its path; it writes no bytecode."""
ENVIRONMENT = {"PYTHONHASHSEED": "0"}
"""All that a program's environment holds: equal programs then iterate over sets in equal order."""

_JAIL = str(Path(__file__).with_name("jail.py"))
_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
_OTHERS = 1 << 30
"""Users from here on belong to nobody."""
_numbers = count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """One way to shut a program in."""

    name: str
    means: str
    """What it does, for people: the object of "Generated code runs in"."""
    stages: tuple[str, ...]
    """The stages of `jail.py` that the child takes."""
    prefix: Callable[[Limits], list[str]]
    """What is put before the command; raises `SandboxError` where it is not installed."""

    def command(self, limits: Limits, report: int) -> list[str]:
        """The command that runs the program on its standard input. Raises `SandboxError` where it cannot."""
        return [*self.prefix(limits), *INTERPRETER, _JAIL, marshal.dumps(self._spec(limits, report)).hex()]

    def _spec(self, limits: Limits, report: int) -> dict[str, Any]:
        return {
            "stages": self.stages,
            "report": report,
            "view": view(),
            "devices": _DEVICES,
            "scratch_bytes": limits.scratch_bytes,
            "user": _OTHERS + os.getpid() * 256 + next(_numbers) % 256,
            "limits": _resources(limits),
            "filter": _filter() if "filter" in self.stages else "",
            "command": [*INTERPRETER, "-"],
            "environment": ENVIRONMENT,
        }


def view() -> list[str]:
    """The files and folders that Python itself is made of, none inside another."""
    paths = [path for path in (os.path.realpath(sys.base_prefix), *_LIBRARIES) if os.path.exists(path)]
    return [path for path in paths if not any(path != other and path.startswith(f"{other}/") for other in paths)]


def _resources(limits: Limits) -> dict[str, int]:
    return {
        "RLIMIT_AS": limits.memory_bytes,
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": limits.cpu_seconds,
        "RLIMIT_FSIZE": limits.file_bytes,
        "RLIMIT_NOFILE": limits.open_files,
        "RLIMIT_NPROC": limits.processes,
    }


def _filter() -> str:
    if platform.machine() not in MACHINES:
        raise SandboxError(f"System calls can be filtered on {' and '.join(MACHINES)}, and this is {platform.machine()}.")
    return filter_program(platform.machine()).hex()


def _bubblewrap(limits: Limits) -> list[str]:
    """`bwrap` with its arguments: the view, a scratch folder at /scratch, and no namespace shared with the machine."""
    program = shutil.which("bwrap")
    if program is None:
        raise SandboxError("bwrap is not installed.")
    own = ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"] if os.geteuid() == 0 else ["--unshare-user"]
    return [
        program, "--die-with-parent", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", *own,
        *_folders_above([*view(), _JAIL]), *_pairs("--ro-bind", [*view(), _JAIL]), *_pairs("--dev-bind", _DEVICES),
        "--size", str(limits.scratch_bytes), "--perms", "1777", "--tmpfs", "/scratch", "--remount-ro", "/",
        "--chdir", "/scratch",
    ]  # fmt: skip


def _pairs(option: str, paths: Sequence[str]) -> list[str]:
    return [part for path in paths for part in (option, path, path)]


def _folders_above(paths: Sequence[str]) -> list[str]:
    """Options that make the folders above `paths` open to every user, whatever they are outside."""
    folders = sorted({str(folder) for path in paths for folder in Path(path).parents} - {"/"})
    return [part for folder in folders for part in ("--perms", "0755", "--dir", folder)]


def _nothing(limits: Limits) -> list[str]:
    return []


PROTECTIONS: dict[str, Protection] = {
    protection.name: protection
    for protection in (
        Protection(
            name="bubblewrap",
            means="bubblewrap: own namespaces, Python's files alone, no network, a system call filter and resource limits",
            stages=("user", "limits", "filter"),
            prefix=_bubblewrap,
        ),
        Protection(
            name="namespaces",
            means="own namespaces: Python's files alone, no network, a system call filter and resource limits",
            stages=("namespaces", "view", "user", "limits", "filter"),
            prefix=_nothing,
        ),
        Protection(
            name="landlock",
            means="Landlock: Python's files alone, none to write to, no network, a system call filter and resource limits",
            stages=("user", "landlock", "limits", "filter"),
            prefix=_nothing,
        ),
        Protection(
            name="unsafe",
            means="resource limits alone, with your files and your network open to it",
            stages=("limits",),
            prefix=_nothing,
        ),
    )
}
"""Name -> protection, strongest first."""
