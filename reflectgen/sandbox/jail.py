"""Runs in the child process: shuts itself in, stage by stage, and becomes the program that it was told to run.

A script for `python jail.py SPEC`, with few imports, since each costs milliseconds a program; SPEC is what `protections`
says, marshalled, in hexadecimal. It writes `READY` to the pipe `report` just before it becomes the program, or else which
stage failed and why.

The calls that Python has no name for are Linux system calls: namespaces(7), mount(2), mount_setattr(2) of Linux 5.12,
pivot_root(2), landlock(7), seccomp(2), prctl(2).
"""

from __future__ import annotations

import ctypes
import marshal
import os
import resource
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Spec = dict[str, Any]
    Fields = ctypes.Array[ctypes.c_char]

READY = b"ready"

_NAMESPACES = 0x00020000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000  # mount, host name, IPC, processes, network
_USER_NAMESPACE = 0x10000000
_NOSUID, _NODEV, _NOEXEC, _BIND, _REC, _PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
_DETACH = 2
_READ_ONLY_ATTRIBUTE, _NOSUID_ATTRIBUTE = 1, 2
_THIS_FOLDER, _RECURSIVE = -100, 0x8000  # AT_FDCWD, AT_RECURSIVE
_MOUNT_SETATTR, _LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 442, 444, 445, 446
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_PARENT_DEATH_SIGNAL, _SECCOMP, _NO_NEW_PRIVILEGES = 1, 22, 38  # PR_SET_...
_FILTER = 2
_NOBODY = 65534
_SIGKILL = 9

_libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: int | bytes | Fields | None) -> int:
    """The result of a function of the C library; raises `OSError` where it is -1."""
    result = getattr(_libc, name)(*(ctypes.c_long(each) if isinstance(each, int) else each for each in arguments))
    if result == -1:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return int(result)


# -- namespaces --------------------------------------------------------------------------------------------------------


def enter_namespaces(spec: Spec) -> None:
    """Go on as the first process of namespaces of its own; whoever is not root owns them as the user that they are."""
    user, group = os.geteuid(), os.getegid()
    die_with_parent()
    call("unshare", _NAMESPACES | (_USER_NAMESPACE if user else 0))
    if user:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user} {user} 1")
        _write("/proc/self/gid_map", f"{group} {group} 1")
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os._exit(code if code >= 0 else 128 - code)


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def build_view(spec: Spec) -> None:
    """See nothing but `view` and `devices`, which cannot be written to, and an empty folder at /scratch, which can.

    All is built on top of /proc, which is always there and never part of a view.
    """
    os.umask(0o022)
    call("mount", None, b"/", None, _REC | _PRIVATE, None)
    call("mount", b"tmpfs", b"/proc", b"tmpfs", _NOSUID | _NODEV, b"mode=755")
    for path in (*spec["view"], *spec["devices"]):
        _show(path, "/proc" + path)
    os.mkdir("/proc/scratch")
    options = f"mode=1777,nr_inodes=4096,size={spec['scratch_bytes']}"
    call("mount", b"tmpfs", b"/proc/scratch", b"tmpfs", _NOSUID | _NODEV | _NOEXEC, options.encode())
    os.chdir("/proc")
    call("syscall", _PIVOT_ROOT[os.uname().machine], b".", b".")
    call("umount2", b".", _DETACH)
    _protect("/", recursive=False)
    os.chdir("/scratch")


def _show(path: str, at: str) -> None:
    """Make `path` of the machine visible at `at`, read-only; a symbolic link is copied."""
    os.makedirs(os.path.dirname(at), exist_ok=True)
    if os.path.islink(path):
        os.symlink(os.readlink(path), at)
        return
    if os.path.isdir(path):
        os.makedirs(at, exist_ok=True)
    else:
        _write(at, "")
    call("mount", path.encode(), at.encode(), None, _BIND | _REC, None)
    _protect(at, recursive=True)


def _protect(path: str, *, recursive: bool) -> None:
    attributes = ctypes.create_string_buffer(struct.pack("QQQQ", _READ_ONLY_ATTRIBUTE | _NOSUID_ATTRIBUTE, 0, 0, 0), 32)
    call("syscall", _MOUNT_SETATTR, _THIS_FOLDER, path.encode(), _RECURSIVE if recursive else 0, attributes, 32)


# -- user, limits, filters ---------------------------------------------------------------------------------------------


def drop_privileges(spec: Spec) -> None:
    """Root becomes a user that no one else is, so that limits bind, and count this program alone."""
    if os.geteuid() == 0:
        os.setgroups([])
        try:
            _become(spec["user"])
        except OSError:  # a container whose users end before that
            _become(_NOBODY)
    die_with_parent()


def _become(user: int) -> None:
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def die_with_parent() -> None:
    """Be killed when the process that started this one ends, however it ends."""
    call("prctl", _PARENT_DEATH_SIGNAL, _SIGKILL, 0, 0, 0)


def set_limits(spec: Spec) -> None:
    """Set the resource limits of `spec`, soft and hard alike."""
    for name, value in spec["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))


def restrict_files(spec: Spec) -> None:
    """Landlock: read `view`, use `devices`, write nothing; no TCP, no signals and abstract sockets to the outside."""
    version = call("syscall", _LANDLOCK_CREATE, None, 0, 1)
    rights = {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)
    known = struct.pack("QQQ", (1 << rights) - 1, 3, 3)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = call("syscall", _LANDLOCK_CREATE, ctypes.create_string_buffer(known, len(known)), len(known), 0)
    execute, write, read, list_folder = 1, 2, 4, 8
    for path in spec["view"]:
        _allow(ruleset, path, execute | read | (list_folder if os.path.isdir(path) else 0))
    for path in spec["devices"]:
        _allow(ruleset, path, read | write)
    call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    call("syscall", _LANDLOCK_RESTRICT, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    target = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, target), 12)
    call("syscall", _LANDLOCK_ADD, ruleset, 1, rule, 0)
    os.close(target)


def filter_calls(spec: Spec) -> None:
    """Seccomp: refuse the system calls that the filter program of `spec` refuses, for good."""
    code = bytes.fromhex(spec["filter"])
    instructions = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(instructions)))
    call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    call("prctl", _SECCOMP, _FILTER, program, 0, 0)


STAGES: dict[str, Callable[[Spec], None]] = {
    "namespaces": enter_namespaces,
    "view": build_view,
    "user": drop_privileges,
    "landlock": restrict_files,
    "limits": set_limits,
    "filter": filter_calls,
}
"""Name -> stage, in the order in which those of a protection are taken."""


def main(spec: Spec) -> None:
    """Take the stages of `spec` and become its `command`."""
    report = spec["report"]
    os.set_inheritable(report, False)
    stage = ""
    try:
        for stage in spec["stages"]:
            STAGES[stage](spec)
        os.write(report, READY)
        os.execve(spec["command"][0], spec["command"], spec["environment"])
    except Exception as error:
        os.write(report, f"{stage}: {error}".encode())
        os._exit(1)


if __name__ == "__main__":
    main(marshal.loads(bytes.fromhex(sys.argv[1])))
