"""The system calls that a program in the sandbox is refused, as a seccomp filter (classic BPF; seccomp(2)).

What is refused: starting processes (threads are allowed), leaving the process group, signals (by way of files too), sockets,
looking into other processes, limits and priorities (of other processes too), new namespaces and mounts, memory that no
resource limit counts (shared segments, anonymous files), and doors of the kernel that no such program needs (io_uring, bpf,
keys). All are answered with EPERM, and clone3 with ENOSYS, upon which the C library takes clone. It stands behind the
namespaces, not in their place.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable, Mapping

X86_64: Mapping[str, int] = {
    "fork": 57, "vfork": 58, "setpgid": 109, "setsid": 112,
    "kill": 62, "tkill": 200, "tgkill": 234, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297,
    "pidfd_send_signal": 424, "pidfd_open": 434, "pidfd_getfd": 438,
    "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "prctl": 157, "personality": 135,
    "prlimit64": 302, "setpriority": 141, "ioprio_set": 251, "sched_setaffinity": 203, "sched_setscheduler": 144,
    "sched_setparam": 142, "sched_setattr": 314,
    "socket": 41, "socketpair": 53, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "unshare": 272, "setns": 308, "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "mount_setattr": 442,
    "open_by_handle_at": 304, "memfd_create": 319, "memfd_secret": 447, "shmget": 29, "semget": 64, "msgget": 68,
    "mq_open": 240, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "fanotify_init": 300,
    "add_key": 248, "request_key": 249, "keyctl": 250,
}  # fmt: skip
AARCH64: Mapping[str, int] = {
    "setpgid": 154, "setsid": 157,
    "kill": 129, "tkill": 130, "tgkill": 131, "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240,
    "pidfd_send_signal": 424, "pidfd_open": 434, "pidfd_getfd": 438,
    "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272, "prctl": 167, "personality": 92,
    "prlimit64": 261, "setpriority": 140, "ioprio_set": 30, "sched_setaffinity": 122, "sched_setscheduler": 119,
    "sched_setparam": 118, "sched_setattr": 274,
    "socket": 198, "socketpair": 199, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "unshare": 97, "setns": 268, "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "mount_setattr": 442,
    "open_by_handle_at": 265, "memfd_create": 279, "memfd_secret": 447, "shmget": 194, "semget": 190, "msgget": 186,
    "mq_open": 180, "bpf": 280, "perf_event_open": 241, "userfaultfd": 282, "fanotify_init": 262,
    "add_key": 217, "request_key": 218, "keyctl": 219,
}  # fmt: skip

MACHINES: Mapping[str, tuple[int, int, Mapping[str, int]]] = {
    "x86_64": (0xC000003E, 56, X86_64),
    "aarch64": (0xC00000B7, 220, AARCH64),
}
"""Machine -> its number among the kernel's AUDIT_ARCH constants, its number of clone, and the calls refused there."""

_OWNED: Mapping[str, tuple[int, int]] = {"x86_64": (72, 16), "aarch64": (25, 29)}
"""Machine -> its numbers of fcntl and ioctl, which are refused where they would let a file send signals."""
_OWNING = (8, 10, 15, 0x8901, 0x8902)  # F_SETOWN, F_SETSIG, F_SETOWN_EX; FIOSETOWN, SIOCSPGRP
_CLONE3 = 435
_THREAD = 0x00010000  # CLONE_THREAD
_OTHER_ABI = 0x40000000  # numbers from here on are the x32 calls of x86-64, the same calls under other numbers
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000

Instruction = tuple[int, int, int, int]
"""Operation, instructions to skip where it holds, where it does not, and its operand."""


def filter_program(machine: str) -> bytes:
    """The filter for `machine`; raises `KeyError` where that is not in `MACHINES`."""
    architecture, clone, refused = MACHINES[machine]
    return _assembled(_instructions(architecture, clone, _OWNED[machine], sorted(refused.values())))


def _instructions(architecture: int, clone: int, owned: tuple[int, int], refused: list[int]) -> list[Instruction]:
    count, owning = len(refused), len(_OWNING)
    return [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, count + owning + 9, 0, _OTHER_ABI),  # to the refusal
        (_EQUAL, count + 4, 0, clone),  # to the look at its flags
        (_EQUAL, count + owning + 8, 0, _CLONE3),
        *((_EQUAL, count + 4 - index, 0, number) for index, number in enumerate(owned)),  # to the look at their commands
        *((_EQUAL, count + owning + 4 - index, 0, number) for index, number in enumerate(refused)),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_ANY_BIT, owning + 1, owning + 2, _THREAD),
        (_LOAD, 0, 0, _SECOND_ARGUMENT),
        *((_EQUAL, owning - index, 0, command) for index, command in enumerate(_OWNING)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE | errno.EPERM),
        (_RETURN, 0, 0, _REFUSE | errno.ENOSYS),
    ]


def _assembled(instructions: Iterable[Instruction]) -> bytes:
    return b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
