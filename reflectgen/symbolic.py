"""Are two formulas equal? math-verify's opinion, from a process that may be killed.

sympy can run for ever inside C, where no signal handler of Python's runs, or fill the memory. So the question leaves this
process: one helper, started at the first question, imports math-verify and then forks a child for each question. The
child has `MEMORY` bytes, and `SECONDS` of processor time until the kernel kills it, so that no verdict depends on how busy the
machine is; whatever befalls it, the helper lives and the next question is not slower. The helper dies with its parent: its
input is at an end then. Linux and macOS only.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from typing import IO, Any

from reflectgen.errors import ReflectgenError

SECONDS = 0.7
"""Processor time for one question; the start of the helper (about a second, once) does not count."""
PATIENCE = 10.0
"""Time for one question by the clock, which only a machine that is very busy reaches."""
MEMORY = 1 << 30
"""Address space of one question, in bytes."""
DECIMALS = 12
"""Numbers that are not alike symbol by symbol are equal if they agree to this many decimals, and to as many of their digits."""

_EQUAL = 7  # exit status that no crash has
_READY = "ready"
_TYPICAL = (r"\frac{\sqrt{12}}{2}x^2+\pi", r"\{1,2\}", "(0,1]", r"\begin{pmatrix}1\\2\end{pmatrix}", "x<3", r"\sin 30^\circ")
_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from reflectgen.symbolic import serve; serve()"


def same(answer: str, gold: str) -> bool:
    """Whether math-verify calls the LaTeX formulas `answer` and `gold` equal within the limits; else False.

    From any thread; one question at a time, others wait their turn. It blocks: under asyncio call it by
    `asyncio.to_thread`. Raises `ReflectgenError` where math-verify cannot be loaded.
    """
    return _helper.ask(answer, gold)


class _Helper:
    """The helper process as its parent sees it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[str] | None = None

    def ask(self, answer: str, gold: str) -> bool:
        """One question. A helper that was killed from outside is replaced once."""
        question = json.dumps([answer, gold])
        with self.lock:
            reply = self._exchange(question) or self._exchange(question)
        return reply == "equal"

    def _exchange(self, question: str) -> str:
        """The helper's reply; empty where it has died. An interrupted exchange ends the helper, lest replies shift."""
        try:
            process = self.process = self.process or _start()
            assert process.stdin and process.stdout
            process.stdin.write(question + "\n")
            process.stdin.flush()
            reply = process.stdout.readline().strip()
        except BrokenPipeError:
            reply = ""
        except BaseException:
            self.close()
            raise
        if not reply:
            self.close()
        return reply

    def close(self) -> None:
        """Kill the helper; the next question starts another."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                _close(pipe)


def _close(pipe: IO[str] | None) -> None:
    """Close a pipe whose other end may be gone."""
    try:
        if pipe is not None:
            pipe.close()
    except BrokenPipeError:
        pass


def _start() -> subprocess.Popen[str]:
    """A helper that has loaded math-verify. It is out of reach of the terminal's Ctrl-C, and finds what we would find."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-c", _START, json.dumps(sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )
    assert process.stdout is not None
    greeting = process.stdout.readline().strip()
    if greeting != _READY:
        process.kill()
        process.communicate()
        raise ReflectgenError(f"math-verify cannot be loaded ({greeting}): install it with `pip install math-verify`.")
    return process


def _forget() -> None:
    """After a fork: the helper is the parent's, a child starts its own."""
    global _helper
    _helper = _Helper()


_helper = _Helper()
atexit.register(lambda: _helper.close())
os.register_at_fork(after_in_child=_forget)


# -- inside the helper -------------------------------------------------------------------------------------------------


def serve() -> None:
    """The helper's life: load math-verify and warm its caches, answer each line of standard input, end with it."""
    replies = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        for formula in _TYPICAL:
            _compare(formula, formula + "+x")
    except ImportError as error:
        print(error, file=replies)
        return
    print(_READY, file=replies)
    for line in sys.stdin:
        answer, gold = json.loads(line)
        print("equal" if _forked(answer, gold) else "unequal", file=replies)


def _forked(answer: str, gold: str) -> bool:
    """The verdict of a child that computes it; False where it ran out of time or memory, or crashed."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _limit()
            status = _EQUAL if _compare(answer, gold) else 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == _EQUAL


def _limit() -> None:
    """Have the kernel end this process when its time is up, and refuse it more memory than it may have."""
    import resource

    for kind, timer, seconds in ((signal.SIGPROF, signal.ITIMER_PROF, SECONDS), (signal.SIGALRM, signal.ITIMER_REAL, PATIENCE)):
        signal.signal(kind, signal.SIG_DFL)
        signal.setitimer(timer, seconds)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _compare(answer: str, gold: str) -> bool:
    """math-verify's opinion on two formulas, each parsed as one whole; unparsable ones equal nothing."""
    from math_verify import LatexExtractionConfig, parse, verify

    configs = [LatexExtractionConfig()]
    found, wanted = (parse(f"${text}$", configs, fallback_mode="no_fallback", parsing_timeout=None) for text in (answer, gold))
    if not (found and wanted and verify(wanted, found, float_rounding=DECIMALS, timeout_seconds=None)):
        return False
    return _near(found[0], wanted[0])


def _near(found: Any, wanted: Any) -> bool:
    """Whether two numbers that agree to so many decimals also do in relation to their size; true of all others."""
    if not (getattr(found, "is_number", False) and getattr(wanted, "is_number", False)):
        return True
    one, other = found.doit().evalf(), wanted.doit().evalf()
    apart, bar = abs(one - other), 10**-DECIMALS
    return bool(apart > bar or apart <= bar * max(abs(one), abs(other))) or found.equals(wanted) is True
