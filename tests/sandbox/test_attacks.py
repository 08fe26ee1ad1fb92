"""What a hostile program tries, under each protection that this machine grants. It must gain nothing and harm nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reflectgen.sandbox import Limits, Outcome, run

pytestmark = pytest.mark.usefixtures("protection")

REPORT = """
def attempt(work):
    try:
        result = work()
    except BaseException as error:
        return print(type(error).__name__)
    print("done", result)
"""
LIBC = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
"""


def attempts(*programs: str, before: str = "", limits: Limits | None = None) -> list[str]:
    """What became of each of `programs`, expressions tried in order in one run."""
    lines = [f"attempt(lambda: {program})" for program in programs]
    outcome = run("\n".join(["import os", REPORT, before, *lines]), limits=limits or Limits())
    assert outcome.status == "finished", outcome
    return outcome.stdout.splitlines()


def refused(results: list[str]) -> bool:
    return all(result in ("PermissionError", "FileNotFoundError", "OSError", "gaierror") for result in results)


def test_fork_bomb() -> None:
    outcome = run("import os\nwhile True: os.fork()")
    assert outcome.status == "error" and "PermissionError" in outcome.stderr


def test_new_processes_of_any_kind() -> None:
    programs = ("subprocess.run(['/usr/bin/true'])", "os.posix_spawn('/usr/bin/true', ['true'], {})", "os.popen('true').read()")
    assert refused(attempts(*programs, before="import subprocess"))


def test_threads_are_allowed_and_counted() -> None:
    one = "import threading; t = threading.Thread(target=lambda: print('ran')); t.start(); t.join()"
    assert run(one).stdout == "ran\n"
    bomb = "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    assert run(bomb, limits=Limits(processes=8)).status == "error"


def test_memory_bomb() -> None:
    outcome = run("kept = []\nwhile True: kept.append(bytearray(1 << 24))", limits=Limits(memory_bytes=1 << 28))
    assert outcome.status == "error" and "MemoryError" in outcome.stderr


def test_memory_that_no_limit_counts() -> None:
    shared = "libc.syscall({'x86_64': 29, 'aarch64': 194}[os.uname().machine], 0, 1 << 20, 0o1600)"
    results = attempts("os.memfd_create('x')", shared, before=LIBC)
    assert results == ["PermissionError", "done -1"]


def stopped_by_the_clock(program: str) -> bool:
    """Whether it is, once it has begun: on a busy machine it needs a longer time for that."""
    for seconds in (0.5, 2, 8, 32):
        outcome = run(f"print('begun', flush=True)\n{program}", limits=Limits(seconds=seconds, cpu_seconds=60))
        if outcome.stdout:
            break
    return (outcome.stdout, outcome.status) == ("begun\n", "timeout")


def test_infinite_loop() -> None:
    assert stopped_by_the_clock("while True: pass")


def test_sleep_with_closed_output() -> None:
    assert stopped_by_the_clock("import os, time\nos.close(1); os.close(2); time.sleep(60)")


def test_processor_time() -> None:
    assert run("while True: pass", limits=Limits(cpu_seconds=1)).status == "killed"


def test_output_flood() -> None:
    limits = Limits(output_bytes=100_000)
    outcome = run("import sys\nwhile True: print('x' * 999); print('y' * 999, file=sys.stderr)", limits=limits)
    assert outcome.status == "flooded"
    assert len(outcome.stdout) + len(outcome.stderr) == 100_000


def test_disk_fill(protection: str) -> None:
    program = """
import os
kept, count = 0, 0
try:
    while True:
        with open(f"file{count}", "wb", buffering=0) as file:
            count += 1
            for _ in range(64):
                kept += file.write(bytes(1 << 16))
except OSError:
    print(kept)
"""
    outcome = run(program, limits=Limits(scratch_bytes=1 << 23))
    assert outcome.status == "finished"
    assert int(outcome.stdout) <= 1 << 23
    assert (int(outcome.stdout) == 0) == (protection == "landlock")


def test_one_large_file(protection: str) -> None:
    outcome = run("open('x', 'wb').write(bytes(1 << 24))", limits=Limits(file_bytes=1 << 20))
    assert outcome.status == "error"
    assert ("PermissionError" if protection == "landlock" else "File too large") in outcome.stderr


def test_reading_the_machines_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o644)
    assert refused(attempts("open('/etc/passwd').read()", f"open({str(secret)!r}).read()", f"os.listdir({str(tmp_path)!r})"))


def test_the_parents_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFLECTGEN_SECRET", "secret")
    paths = [f"/proc/{process}/environ" for process in ("self", "1", os.getpid())]
    results = attempts("set(os.environ) - {'LC_CTYPE'}", *(f"open({path!r}).read()" for path in paths))
    assert results[0] == "done {'PYTHONHASHSEED'}"
    assert refused(results[1:])


def test_writing_outside(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    target = tmp_path / "x"
    places = [str(target), "/x", "/etc/x", "/usr/lib/x", f"{sys.base_prefix}/x", "/dev/x"]
    assert refused(attempts(*(f"open({place!r}, 'w')" for place in places)))
    assert not target.exists()


def test_the_program_cannot_change_its_own_source() -> None:
    assert refused(attempts("os.write(0, b'x')"))


def test_network() -> None:
    before = "import socket"
    connect = "socket.create_connection(('127.0.0.1', 80))"
    name = "socket.getaddrinfo('localhost', 80)"
    udp = "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"
    assert refused(attempts(connect, name, udp, "socket.socket(socket.AF_UNIX)", "socket.socketpair()", before=before))


def test_killing_the_parent_and_the_rest() -> None:
    targets = ("os.getppid()", str(os.getpid()), "-1", "0")
    assert refused(attempts(*(f"os.kill({target}, 9)" for target in targets), "os.killpg(0, 9)"))


def test_signals_by_way_of_a_file() -> None:
    programs = (f"fcntl.fcntl(0, fcntl.F_SETOWN, {os.getpid()})", "fcntl.fcntl(0, 10, 9)", "fcntl.ioctl(0, 0x8901, b'1234')")
    assert refused(attempts(*programs, before="import fcntl"))


def test_leaving_the_group() -> None:
    assert refused(attempts("os.setsid()", "os.setpgid(0, 0)"))


def test_symbolic_links_lead_nowhere(tmp_path: Path, protection: str) -> None:
    tmp_path.chmod(0o777)
    results = attempts(
        f"os.symlink({str(tmp_path)!r}, 'out')", "open('out/x', 'w')", "os.symlink('/etc/passwd', 'in')", "open('in').read()"
    )
    assert refused(results[1::2])
    assert refused(results[::2]) == (protection == "landlock")
    assert list(tmp_path.iterdir()) == []


def test_looking_into_other_processes() -> None:
    attach = f"libc.ptrace(16, {os.getpid()}, None, None)"
    read = f"libc.process_vm_readv({os.getpid()}, None, 0, None, 0, 0)"
    assert attempts(attach, read, before=LIBC) == ["done -1", "done -1"]


def test_new_namespaces_mounts_and_roots() -> None:
    unshare = "libc.unshare(0x10000000)"
    mount = "libc.mount(None, b'/', None, 4096 | 32, None)"  # bind, remount: no longer read-only
    root = "libc.chroot(b'.')"
    assert attempts(unshare, mount, root, before=LIBC) == ["done -1"] * 3


def test_the_user_is_nobodys_and_cannot_become_root() -> None:
    results = attempts("os.getuid()", "os.setuid(0)")
    assert results[0].startswith("done ") and results[0] != "done 0"
    assert refused(results[1:])


def test_limits_cannot_be_raised() -> None:
    names = ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_NPROC")
    programs = [f"resource.setrlimit(resource.{name}, (1 << 40, 1 << 40))" for name in names]
    assert attempts(*programs, before="import resource") == ["ValueError"] * 5


def test_limits_and_priorities_of_other_processes() -> None:
    lower = f"resource.prlimit({os.getpid()}, resource.RLIMIT_CPU, (0, 0))"
    programs = (lower, "os.setpriority(os.PRIO_USER, 0, 19)", "os.sched_setaffinity(0, {0})")
    assert refused(attempts(*programs, before="import resource"))


def test_abort_and_crash_are_told() -> None:
    def crash(call: str) -> Outcome:
        return run(f"import ctypes, os\n{call}")

    assert crash("ctypes.string_at(0)").status == "killed"
    assert crash("os.abort()").status == "killed"
    assert crash("os._exit(3)").status == "error"


def test_nothing_is_left_when_the_harness_is_killed(protection: str) -> None:
    expected = {"bubblewrap": 3, "namespaces": 2, "landlock": 1}[protection]
    program = "from reflectgen.sandbox import run; run('while True: pass')"
    harness = subprocess.Popen([sys.executable, "-c", program])
    jailed: set[int] = set()
    deadline = time.monotonic() + 20
    while len(jailed) < expected and harness.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
        jailed |= descendants(harness.pid)
    harness.send_signal(signal.SIGKILL)
    harness.wait()
    while (left := {process for process in jailed if alive(process)}) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(jailed) == expected and not left


def descendants(process: int) -> set[int]:
    path = Path(f"/proc/{process}/task/{process}/children")
    try:
        children = {int(child) for child in path.read_text().split()}
    except OSError:
        return set()
    return children.union(*map(descendants, children))


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
