"""A verdict is told by the tests alone: what an answer does to pass without being right."""

from __future__ import annotations

import pytest

from reflectgen.errors import SandboxError
from reflectgen.sandbox import Limits, judge
from reflectgen.sandbox.process import Running

TESTS = "assert f(2) == 4\nassert f(3) == 9"
RIGHT = "def f(x): return x * x"


def passes(answer: str, tests: str = TESTS, setup: str = "") -> bool:
    """Whether the tests hold. Where they do not, they have said so themselves: no limit has ended them."""
    outcome = judge(answer, tests, names=("f",), setup=setup, limits=Limits(cpu_seconds=2))
    assert outcome.status in ("finished", "error"), outcome
    return outcome.finished


def test_right_passes_and_wrong_does_not(protection: str) -> None:
    outcome = judge(RIGHT, TESTS, names=("f",))
    assert outcome.status == "finished" and outcome.protection == protection
    outcome = judge("def f(x): return 2 * x", TESTS, names=("f",))
    assert outcome.status == "error" and "AssertionError" in outcome.stderr


ENDS = {
    "exit code 0 at once": "import os; os._exit(0)",
    "sys.exit": "import sys; sys.exit(0)",
    "SystemExit": "raise SystemExit",
    "exit in the call": "import os\ndef f(x): os._exit(0)",
    "SystemExit in the call": "def f(x): raise SystemExit(0)",
    "exit at the end": "import atexit, os; atexit.register(os._exit, 0)",
    "replaced process": "import os, sys; os.execv(sys.executable, ['python', '-c', ''])",
    "generator exit": "def f(x): raise GeneratorExit",
    "channel closed": "import os; os.closerange(3, 64)",
}
PRETENDS = {
    "markers printed": "print('ready'); print('finished'); print('PASSED', flush=True)\ndef f(x): return 0",
    "equal to everything": "class A:\n def __eq__(self, other): return True\n __ne__ = __lt__ = __eq__\ndef f(x): return A()",
    "an int equal to everything": "class A(int):\n def __eq__(self, other): return True\ndef f(x): return A(0)",
    "equal to everything, in a list": "class A:\n def __eq__(self, other): return True\ndef f(x): return [A()]",
    "patched AssertionError": "import builtins; builtins.AssertionError = type('A', (), {})\ndef f(x): return 0",
    "patched builtins": "import builtins; builtins.getattr = builtins.hasattr = lambda *_: True\ndef f(x): return 0",
    "patched int": "import builtins; builtins.int = builtins.str = lambda *_: 4\ndef f(x): return 0",
    "a trace function": "import sys; sys.settrace(lambda *_: sys._getframe().f_back.f_globals.clear())\ndef f(x): return 0",
    "json patched": "import json; json.dumps = lambda *_: '[\"value\", 4]'\ndef f(x): return 0",
    "a message of its own": """
import os
for descriptor in range(3, 64):
    try: os.write(descriptor, b'["value", true]\\n' * 9)
    except OSError: pass
def f(x): return 0
""",
    "another assert": "def check(x): pass\ndef assertion(*a): pass\ndef f(x): return 0",
    "nothing": "",
    "no Python": "def f(x) return",
    "surrogates": "def f(x): return '\udc80'",
    "null": "\0",
    "not a function": "f = 4",
    "never": "def f(x):\n while True: pass",
}


@pytest.mark.parametrize("answer", ENDS.values(), ids=ENDS.keys())
def test_an_early_end_is_no_pass(answer: str) -> None:
    assert not passes(answer)


@pytest.mark.parametrize("end", ["exit code 0 at once", "sys.exit", "SystemExit"])
def test_a_right_answer_that_ends_early_is_no_pass(end: str) -> None:
    assert not passes(f"{RIGHT}\n{ENDS[end]}")


@pytest.mark.parametrize("answer", PRETENDS.values(), ids=PRETENDS.keys())
def test_a_pretence_is_no_pass(answer: str) -> None:
    assert not passes(answer)


def test_no_expected_value_is_where_the_answer_runs() -> None:
    search = """
import gc, sys
def f(mirrored):
    frame, found = sys._getframe(), gc.get_objects()
    while frame:
        found += [*frame.f_globals.values(), *frame.f_locals.values(), *frame.f_code.co_consts]
        frame = frame.f_back
    return any(mirrored in repr(each)[::-1] for each in found if isinstance(each, (str, bytes, list, tuple, dict)))
"""
    assert passes(f"{search}\nheld = 'needle'", "assert f('eldeen') is True")
    assert passes(search, "assert f('eldeen') is False, 'needle'", setup="expected = ['needle']")


def test_setup_wins_over_the_answers_names() -> None:
    setup = "def helper(x): return x + 1"
    assert not passes("def helper(x): return 0\ndef f(x): return 0", "assert helper(f(0)) == 0", setup)
    assert passes("def helper(x): return 0\ndef f(x): return 0", "assert helper(f(0)) == 1", setup)


def test_objects_stay_with_the_answer() -> None:
    answer = """
class Node:
    def __init__(self, value): self.value, self.left = value, None
def f(node): return node.value + (f(node.left) if node.left else 0)
"""
    tests = "root = Node(1)\nroot.left = Node(2)\nroot.left.left = Node(4)\nassert f(root) == 7\nassert root.left.value == 2"
    assert judge(answer, tests, names=("Node", "f")).finished


@pytest.mark.parametrize(
    ("answer", "test"),
    [
        ("def f(n):\n for i in range(n): yield i * i", "assert list(f(3)) == [0, 1, 4] and sum(f(3)) == 5"),
        ("def f(d): return d.items()", "assert sorted(f({'b': 1, 'a': 2})) == [('a', 2), ('b', 1)]"),
        ("from collections import Counter\ndef f(s): return Counter(s)", "assert f('aab') == {'a': 2, 'b': 1}"),
        ("from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(x): return P(x, x)", "assert f(1) == (1, 1)"),
        ("def f(x): return lambda y: x + y", "assert f(2)(3) == 5"),
        ("def f(x): raise KeyError(x)", "try: f(1)\nexcept KeyError: pass\nelse: assert False"),
        ("def f(x, t): return isinstance(x, t)", "assert f(1, int) and not f(1, str)"),
        ("f = lambda *a, key=None: (a, key)", "assert f(1, [2], key={3}) == ((1, [2]), {3})"),
        ("import os, sys\ndef f(x): return sys.stdin.read() == '' and __name__ != '__main__'", "assert f(0) is True"),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n x: 'int'\ndef f(x): return A(x).x", "assert f(3) == 3"),
        ("try:\n def f(x: List[int]): return x\nexcept NameError: f = lambda x: 'no List'", "assert f(1) == 'no List'"),
        ("import re\ndef f(s): return re.match('a', s)", "assert f('a') and not f('b') and f('a').span() == (0, 1)"),
    ],
)
def test_answers_of_every_kind(answer: str, test: str) -> None:
    assert passes(answer, test)


def test_sets_iterate_as_their_literals_do() -> None:
    tests = "assert f({5, 10, 15, 20, 25}) == list({5, 10, 15, 20, 25})\nassert f({'b', 'a', 'c'}) == list({'b', 'a', 'c'})"
    assert passes("def f(s): return list(s)", tests)


@pytest.mark.usefixtures("protection")
def test_a_sandbox_that_failed_is_no_wrong_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process says that could not shut itself in, in either of the two."""
    monkeypatch.setattr(Running, "fault", lambda running: "view: mount: No space left on device\n")
    with pytest.raises(SandboxError, match=r"no verdict was reached \(view: mount: No space left on device"):
        passes("def f(x): return 0")
    assert passes(RIGHT)
