"""math-verify in its helper process: verdicts, limits, and survival."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from reflectgen import symbolic
from reflectgen.errors import ReflectgenError


@pytest.fixture(scope="module", autouse=True)
def helper() -> symbolic._Helper:
    """The helper, started: its start does not count as time of a question."""
    assert symbolic.same("x+1", "1+x")
    return symbolic._helper


@pytest.mark.parametrize(
    ("answer", "gold", "equal"),
    [
        (r"2\sqrt{3}", r"\sqrt{12}", True),
        (r"(x+1)^2", "x^2+2x+1", True),
        (r"\{1,2\}", r"\{2,1\}", True),
        ("(1,2)", "(2,1)", False),
        ("[0,1)", "[0,1]", False),
        ("x^2+3", "3", False),  # the whole formula counts, not the last number in it
        ("1,2,3", "3", False),
        (r"\sqrt{2}", "1.414214", False),  # six decimals are not enough
        (r"\frac{1}{10^8}", "0.0000002", False),  # nor is "both are nearly nothing"
        ("2.5", r"\frac{\sqrt{25}}{2}", True),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}1\\3\end{pmatrix}", False),
        (r"\frac{", r"\frac{", False),  # what cannot be parsed equals nothing
    ],
)
def test_verdicts(answer: str, gold: str, equal: bool) -> None:
    assert symbolic.same(answer, gold) is equal


@pytest.mark.parametrize(
    "bomb", ["9^{9^{9^9}}", r"\sum_{n=1}^{10^9}n^n", r"(x+y+z)^{2000}-\sqrt{x}", "{" * 900 + "1" + "}" * 900]
)
def test_a_question_ends_within_a_second_and_the_next_one_is_answered(bomb: str) -> None:
    began = time.monotonic()
    assert not symbolic.same(bomb, "1+x")
    assert time.monotonic() - began < symbolic.PATIENCE + 5  # a second, but for a busy machine
    assert symbolic.same("x+1", "1+x")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its address space")
def test_memory_of_a_question_is_limited() -> None:
    """A child under the helper's limits cannot allocate twice what it may have."""
    script = (
        "from reflectgen import symbolic; symbolic.SECONDS = 30; symbolic._limit()\n"
        "try: bytearray(2 * symbolic.MEMORY)\n"
        "except MemoryError: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.strip() == "refused"


def test_a_helper_that_was_killed_is_replaced(helper: symbolic._Helper) -> None:
    before = helper.process.pid
    os.kill(before, signal.SIGKILL)
    assert symbolic.same("x+1", "1+x")
    assert helper.process.pid != before


def test_an_interrupted_question_does_not_shift_the_replies(helper: symbolic._Helper, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted:
        def readline(self):
            raise KeyboardInterrupt

        def close(self):
            pass

    process = helper.process
    replies = process.stdout
    monkeypatch.setattr(process, "stdout", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        symbolic.same("x+1", "1+x")  # its "equal" is never read
    replies.close()
    assert not symbolic.same("x", "y")


def test_it_answers_many_threads_and_a_running_loop() -> None:
    verdicts: dict[int, bool] = {}

    def ask(number: int) -> None:
        verdicts[number] = symbolic.same(f"x+{number}", f"{number % 2}+x")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert verdicts == {number: number in (0, 1) for number in range(8)}

    async def ask_all() -> list[bool]:
        return await asyncio.gather(*(asyncio.to_thread(symbolic.same, "2x", f"{n}x") for n in range(4)))

    assert asyncio.run(ask_all()) == [False, False, True, False]


def test_a_forked_process_has_its_own_helper(helper: symbolic._Helper) -> None:
    parents = helper.process.pid
    child = os.fork()
    if child == 0:
        right = symbolic.same("x+1", "1+x") and symbolic._helper.process.pid != parents
        symbolic._helper.close()
        os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert symbolic.same("x+1", "1+x") and helper.process.pid == parents


def test_the_helper_ends_with_its_parent() -> None:
    script = "from reflectgen import symbolic; symbolic.same('x+1', '1+x'); print(symbolic._helper.process.pid, flush=True)"
    for ending in ("", "; import os; os._exit(1)"):  # an ordinary end, and one without a farewell
        done = subprocess.run([sys.executable, "-c", script + ending], capture_output=True, text=True, check=False, timeout=60)
        pid = int(done.stdout)
        deadline = time.monotonic() + 10
        while _alive(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not _alive(pid)


def test_no_child_is_left_behind(helper: symbolic._Helper) -> None:
    symbolic.same("9^{9^{9^9}}", "1+x")
    children = subprocess.run(
        ["ps", "--ppid", str(helper.process.pid), "-o", "pid="], capture_output=True, text=True, check=False
    )
    assert children.stdout.split() == []


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symbolic, "_START", "print('No module named math_verify')")
    with pytest.raises(ReflectgenError, match=r"No module named math_verify.*pip install math-verify"):
        symbolic._start()


def _alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    state = subprocess.run(["ps", "-p", str(pid), "-o", "stat="], capture_output=True, text=True, check=False).stdout.strip()
    return bool(state) and not state.startswith("Z")
