"""What a program may use, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["finished", "error", "killed", "timeout", "flooded", "broken"]
"""How a program ended: by itself with exit code 0, or another; by a signal (a limit of CPU time too); stopped at the limit
of wall-clock time or of output; or it never ran, since the sandbox failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one program may use."""

    seconds: float = 30.0
    """Wall-clock time, the start of the sandbox included. It is long, so that a verdict does not hang on a busy machine."""
    cpu_seconds: int = 10
    """Processor time of each process, which is what ends an endless loop."""
    memory_bytes: int = 1 << 30
    """Address space of each process."""
    processes: int = 16
    """Threads; processes cannot be started at all."""
    file_bytes: int = 16 << 20
    """Size of each file written."""
    scratch_bytes: int = 64 << 20
    """Size of all files together; they are held in memory."""
    open_files: int = 64
    output_bytes: int = 1 << 20
    """Standard output and error together."""


LIMITS = Limits()
"""The limits of every benchmark here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one program."""

    status: Status
    stdout: str
    """Its beginning, up to the limit of output."""
    stderr: str
    """Its beginning, up to the limit of output; what failed, where the sandbox did."""
    seconds: float
    """Wall-clock time, the start of the sandbox included."""
    protection: str
    """Name of the protection that was used (`reflectgen.sandbox.protections.PROTECTIONS`)."""

    @property
    def finished(self) -> bool:
        """Whether the program ended by itself with exit code 0."""
        return self.status == "finished"
