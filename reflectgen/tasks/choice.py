r"""What tasks share whose answer is the letter of a choice: how it is asked for, read from a reply, and changed.

A reply is asked to end in a line `ANSWER: X`. It is read leniently: emphasis, brackets, quotes, `\boxed{}`, `\text{}`,
full-width letters and the choice's own words behind the letter change nothing; `The answer is X`, its Chinese forms, and a last
line that is the only one to give a choice (`B. 4 m`) say the same. It is not read falsely: the last statement counts, one that
names two letters (`A or B`) or a word (`I do not know`) names none, and a letter that is merely mentioned is no answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Sequence

from reflectgen import answers
from reflectgen.errors import InputError
from reflectgen.rows import Row
from reflectgen.types import Problem

LETTERS = "ABCDEFGHIJ"
ASK = "Think step by step. The last line of your reply must be 'ANSWER: X', where X is the letter of the right choice."

_MARKS = r"(?:[\W_]|\b(?:boxed|text|textbf|mathrm|mathbf|(?i:option|choice))\b|选项|选){0,30}"
_LETTER = r"(?:[A-J]|[a-j](?=\W*$))(?![A-Za-z0-9^_]|'\w)"
_STATED = re.compile(
    rf"""(?i:\banswer)[\W_]{{0,9}}:(?!{_MARKS}(?:LETTER|X)\b)
    | (?: (?i:\b(?:answer|option|choice)\s+(?:is|would\ be)) | 答案(?:应?[是为选])? | [故应]选 | 选项?[是为] | 选择 )
      (?={_MARKS}{_LETTER})""",
    re.VERBOSE,
)
_GIVEN = re.compile(rf"{_MARKS}(?P<letter>{_LETTER})")
_ALONE = re.compile(rf"{_MARKS}(?P<letter>{_LETTER})[\W_]{{0,9}}")
_LINE = re.compile(r"^[\s*_(\[]{0,9}(?P<letter>[A-J])[*_]{0,2}[.:、)\]][*_]{0,2}\s*\S.*$", re.MULTILINE)
_SECOND = re.compile(r"[\s*_.)}\]$'\"]{0,9}(?:[,/&、]|\b(?:or|and)\b|或|和|与|及)[\s*_(\[{$'\"]{0,9}[A-J](?![A-Za-z])")
_WORD = re.compile(r" [a-z]+")


def render(question: str, choices: Sequence[str]) -> str:
    """The question, and a line for each choice."""
    lines = (f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=False))
    return "\n".join((question.strip(), "", *lines))


def extract(reply: str) -> str | None:
    """The letter that a reply states last, in upper case; None where it states none."""
    text = unicodedata.normalize("NFKC", reply[-answers.TAIL :]).rstrip()
    stated = deque(_STATED.finditer(text), maxlen=1)
    if stated:
        return _given(text[stated[0].end() :].strip().partition("\n")[0])
    for part in (answers.boxed(text) or "", text.rpartition("\n")[2]):
        if alone := _ALONE.fullmatch(part):
            return alone["letter"].upper()
    lines = list(_LINE.finditer(text))
    return lines[0]["letter"] if len(lines) == 1 and lines[0].end() == len(text) else None


def _given(said: str) -> str | None:
    """The letter at the beginning of what was said; None where it is a word or one of several."""
    found = _GIVEN.match(said)
    if found is None or _SECOND.match(said, found.end()):
        return None
    if found["letter"] in "AI" and _WORD.match(said, found.end()):  # "A selection", "I think"
        return None
    return found["letter"].upper()


def mutate(problem: Problem) -> str | None:
    """Another letter of the problem's choices, of which `meta["choices"]` says how many there are."""
    letters = LETTERS[: problem.meta["choices"]]
    return letters[(letters.index(problem.answers[0]) + 1) % len(letters)]


def checked(row: Row, letter: str, choices: int) -> str:
    """`letter`, if it names one of the choices; raises `InputError` otherwise."""
    if len(letter) != 1 or letter not in LETTERS[:choices]:
        raise _no_letter(row, letter, choices)
    return letter


def _no_letter(row: Row, letter: str, choices: int) -> InputError:
    return row.fault(f"the answer '{letter[:20]}' is none of the letters {LETTERS[:choices]}.")
