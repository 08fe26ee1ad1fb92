r"""The grader: find the answer in a text, and decide whether it equals a gold answer. One for training and every benchmark.

Extraction is a table of readers, `EXTRACTORS`. What counts as equal, in the order in which it is tried:
1. The same text after normalising: math delimiters, `\boxed{}`, `\text{}`, spacing, `\dfrac`, typographic signs and digits
   of any script are written one way, closing punctuation falls; words compare without case (`Yes`, `yes`), letters with it.
2. The same number, exactly: `1,234.50`, `1234.5`, `2469/2`, `\frac{2469}{2}`, `1234\frac12` and `1.2345 \times 10^3` are
   rational numbers, and 0.333 is not 1/3. A unit may be left out on either side; where both sides name a unit that is known
   here, they must agree (`5 cm` is not `5 m`). A percentage is what stands before its sign, or a hundredth of it where the
   other side has no sign: `50%` equals `50` and `0.5`.
3. The same in another form (`reflectgen.forms`): `x = 5` and `There are 5` equal their value, `4\pi cm` equals `4\pi`, and
   `x > 3` the interval.
4. The same formula in math-verify's opinion (`reflectgen.symbolic`), asked only where one side is neither a number nor
   words. A list without brackets is a set, and letters compare without case there; a number stands for the exact fraction
   that it is, so 1.414214 is not \sqrt{2}.

Texts longer than `LONGEST` are equal only if they are the same, and numbers beyond 10^1000 only if they are written alike;
thus every verdict comes within a second of processor time. Nothing equals an empty answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable

from reflectgen import forms
from reflectgen.errors import unknown
from reflectgen.quantity import looks_numeric, quantity
from reflectgen.symbolic import same

TAIL = 100_000
"""Characters from the end of a text in which an answer is looked for."""
LONGEST = 2_000
"""Characters of the longest answer that is more than a text."""

# -- extraction --------------------------------------------------------------------------------------------------------

_BOX = re.compile(r"\\{1,2}(?:boxed|fbox)\s{0,9}\{")
_BRACES = re.compile(rf"(?P<box>{_BOX.pattern})|\\.|(?P<open>\{{)|(?P<close>\}})", re.DOTALL)
_FACTOR = re.compile(r"(?:\\[, ]|\\cdot)? ?\\(?:pi|sqrt ?(?:\{[^{}]*\}|\d))(?![A-Za-z])")
_SUM = re.compile(r"(?<=.)[+-]")
_DIGITS = r"(?:\d{1,3}(?:(?:,|\{,\}|\\,)\d{3})+(?!\d)|\d+)"
_NUMBERS = re.compile(
    rf"""(?P<sign>(?<![\w)\]}}])[-+\u2212]\s?)?(?:\\?[$€£¥]\s?)?
    (?P<number>
        \\[dt]?frac\{{-?\d+\}}\{{\d+\}}
      | (?<!\w)(?<!\d\.)(?:{_DIGITS}(?:\.\d+)?|\.\d+)
        (?:[eE][+-]?\d+ | \s?(?:\\times|\\cdot|\u00d7|\*)\s?10\^(?:\d+|\{{[+-]?\d+\}}) | \s?/\s?\d+)?
    )
    (?P<percent>\s?\\?%)?""",
    re.ASCII | re.VERBOSE,
)
_CHOICE = re.compile(
    r"(?i:\b(?:answer|option|choice))(?i:\s{0,3}(?:is|would\ be|:|=))?"
    r"(?:[^A-Za-z0-9]{0,20}(?i:the|option|choice|correct|answer|is|text|boxed|mathrm|mathbf)\b){0,4}[^A-Za-z0-9]{0,20}"
    r"(?:\((?P<braced>[A-Ja-j])\)|(?P<bare>[A-J])(?![A-Za-z0-9'^_]))"
)
_LETTER = re.compile(r"\W{0,20}(?:(?:text|mathrm|mathbf|textbf)\W{1,5})?([A-Ja-j])\W{0,20}")
_BRACKETED = re.compile(r"\(([A-J])\)")
_STATED = re.compile(r"(?i:\banswer\s{1,5}is)(?i:\s{1,5}that\b)?[\s:*]{0,9}(?P<is>[^\n]+)|\#{4}\s{0,9}(?P<hash>[^\n]+)")
_ANNOUNCED = re.compile(r"(?i:\banswer)\*{0,2}:[\s*]{0,9}")
_HEADING = re.compile(r"[\W_]{0,9}(?:(?:the|my|final)\s){0,2}answer[\W_]{0,9}", re.IGNORECASE)
_SENTENCE = re.compile(r"[.!?]\**\s+[A-Z]")
_PROSE = re.compile(r"[A-Za-z]{2}")


def boxed(text: str) -> str | None:
    r"""Content of the `\boxed{}` or `\fbox{}` that opens last among those that close; braces within it may nest.

    A factor that stands right behind it, as in `\boxed{2}\pi`, belongs to it.
    """
    best, best_start, opened = None, -1, list[int]()
    first = _BOX.search(text)
    for token in _BRACES.finditer(text, first.start()) if first else ():
        if token["box"]:
            opened.append(token.end())
        elif token["open"]:
            opened.append(-1)
        elif token["close"] and opened:
            start = opened.pop()
            if start > best_start:
                best, best_start = _whole(text[start : token.start()].strip(), _FACTOR.match(text, token.end())), start
    return best


def _whole(content: str, factor: re.Match[str] | None) -> str:
    """The content of a box times the factor behind it."""
    if factor is None:
        return content
    return f"({content}){factor[0]}" if _SUM.search(content) else f"{content}{factor[0]}"


def number(text: str) -> str | None:
    """The last number: sign, thousands separators, decimals, fraction, power of ten and percent sign, without currency."""
    last = _last(_NUMBERS, text)
    if last is None:
        return None
    return (last["sign"] or "").strip() + last["number"] + ("%" if last["percent"] else "")


def choice(text: str) -> str | None:
    r"""The letter A to J of a multiple choice: boxed, alone, after "answer is", alone on the last line, or the last "(B)"."""
    for part in (boxed(text) or "", text.strip()):
        if lone := _LETTER.fullmatch(part):
            return lone[1].upper()
    if named := _last(_CHOICE, text):
        return (named["braced"] or named["bare"]).upper()
    if lone := _LETTER.fullmatch(text.rstrip().rpartition("\n")[2]):
        return lone[1].upper()
    bracketed = _BRACKETED.findall(text)
    return bracketed[-1] if bracketed else None


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = deque(pattern.finditer(text), maxlen=1)
    return found[0] if found else None


def exact(text: str) -> str | None:
    """The whole text without space around it."""
    return text.strip() or None


def stated(text: str) -> str | None:
    """What follows "Answer:" in the last line, or is the line below it; else what follows the last "answer is" or "####".

    It ends with its sentence; of prose there, it is the last number.
    """
    said = _closing(text)
    if said is None:
        last = _last(_STATED, text)
        said = (last["is"] or last["hash"]) if last else ""
    phrase = _SENTENCE.split(said, maxsplit=1)[0].rstrip().rstrip(".*").strip()
    if _PROSE.match(phrase):
        return number(phrase) or phrase
    return phrase or None


def _closing(text: str) -> str | None:
    """What the last line says as the answer, or holds below a heading that announces it; None for "answer is" and nothing."""
    above, _, line = text.rstrip().rpartition("\n")
    if _STATED.search(line):
        return None
    if announced := _last(_ANNOUNCED, line):
        return line[announced.end() :].strip() or None
    return line if _HEADING.fullmatch(above.rstrip().rpartition("\n")[2]) else None


def auto(text: str) -> str | None:
    """The first that there is of: boxed, stated, the last number."""
    return boxed(text) or stated(text) or number(text)


EXTRACTORS: dict[str, Callable[[str], str | None]] = {
    "auto": auto,
    "boxed": boxed,
    "number": number,
    "choice": choice,
    "exact": exact,
}
"""Name -> function from a text to its answer, None where it has none; each in linear time."""


def extract(text: str, how: str = "auto") -> str | None:
    """The answer in `text` as the extractor `how` reads it, from the last `TAIL` characters; None where there is none."""
    if how not in EXTRACTORS:
        raise unknown("extractor", how, EXTRACTORS)
    return EXTRACTORS[how](text if how == "exact" else text[-TAIL:]) or None


# -- normalising -------------------------------------------------------------------------------------------------------

_SIGNS = {
    "−": "-", "–": "-", "—": "-", "’": "'", "“": '"', "”": '"', "，": ",", "。": ".", "：": ":", "（": "(", "）": ")",  # noqa: RUF001
    "×": "\\times ", "·": "\\cdot ", "÷": "/", "π": "\\pi ", "∞": "\\infty ", "≤": "\\le ", "≥": "\\ge ", "²": "^2", "³": "^3",  # noqa: RUF001
    "±": "\\pm ", "∪": "\\cup ", "∈": "\\in ", "≠": "\\ne ", "∅": "\\emptyset ", "⁄": "/", "√": "\\sqrt ",  # noqa: RUF001
    "≈": "\\approx ", "⟨": "\\langle ", "⟩": "\\rangle ",
}  # fmt: skip


class _Characters(dict[int, str]):
    """A table for `str.translate`: signs and digits written one way, control characters as spaces, invisible ones gone."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        digit = unicodedata.decimal(character, None)
        category = unicodedata.category(character)
        plain = " " if category == "Cc" else "" if category == "Cf" else _SIGNS.get(character, character)
        return plain if digit is None else str(digit)


_CHARACTERS = _Characters()
_SPELLINGS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.ASCII), replacement)
    for pattern, replacement in (
        (r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mbox|operatorname|emph)\s*\{([^{}]*)\}", r" \1 "),
        (r"\\(?:left|right|displaystyle)(?![A-Za-z])|\\!", ""),
        (r"(?<=\d)(?:\{,\}|\\,)(?=\d{3})", ","),
        (r"(?<!\\)\\(?:quad|qquad|[,;:> ])|~", " "),
        (r"(?<!\\)\\([%$#])", r"\1"),
        (r"^(?:\$([^$]+)\$|\\\((.+?)\\\)) ([A-Za-z ]+)$", r"\1\2 \3"),
        (r"\{:\}", ":"),
        (r"^ ?\\approx(?![A-Za-z]) ?", ""),
        (r"\\langle(?![A-Za-z])", "("),
        (r"\\rangle(?![A-Za-z])", ")"),
        (r"\\varnothing(?![A-Za-z])", r"\\emptyset"),
        (r"\\log_(?:\{e\}|e)(?![A-Za-z])", r"\\ln "),
        (r"(?<=\d)\s*[Aa]\.?\s?[Mm]\.?\s*$", " am"),
        (r"(?<=\d)\s*[Pp]\.?\s?[Mm]\.?\s*$", " pm"),
        (r":00 (?=[ap]m$)", " "),
        (r"\\[dtc]frac", r"\\frac"),
        (r"\\(le|ge|ne)q(?:slant)?(?![A-Za-z])", r"\\\1"),
        (r"<=", r"\\le "),
        (r">=", r"\\ge "),
        (r"\\sqrt +(\d+|[A-Za-z])", r"\\sqrt{\1}"),
        (r"\\sqrt +\(([^()]*)\)", r"\\sqrt{\1}"),
        (r"(?<=\d)_ ?\{ ?(\d+) ?\}", r"_\1"),
        (r" (?:(?:square|sq|cubic) )?units?(?:\^\{?[23]\}?)? ?$", ""),
        (r"\^\s*\{?\s*\\circ\s*\}?|\\degree(?![A-Za-z])", "°"),
        (r"(?<![\\A-Za-z])pi(?![A-Za-z])", r"\\pi "),
        (r"(?<![\\A-Za-z])sqrt\(([^()]*)\)", r"\\sqrt{\1}"),
        (r"\*\*", "^"),
        (r"\s+", " "),
        (r" ?([^\w ]) ?", r"\1"),
        (r"\\frac(?: ([A-Za-z])|(\d))", r"\\frac{\1\2}"),
        (r"\\frac(\{[^{}]*\}) ?([\dA-Za-z])", r"\\frac\1{\2}"),
    )
)
"""Spellings that differ and mean the same -> the one that is kept, in order."""
_EDGES = re.compile(r'^(?:\*\*|[\s,;:`"])+|(?:\*\*|[\s`"]|(?<!\\)[.,;:])+$')
_DELIMITED = re.compile(r"\$\$?((?:[^$\\]|\\.)*)\$\$?|\\\((.*)\\\)|\\\[(.*)\\\]", re.DOTALL)
_PARENTHESES = re.compile(r"\(([^(),\[\]{}]*)\)")


def normalise(text: str) -> str:
    """`text` in the one spelling that all its equals under rule 1 share; empty where nothing is left."""
    text = text.translate(_CHARACTERS)
    text = _bare(boxed(text) or text)
    for pattern, replacement in _SPELLINGS:
        text = pattern.sub(replacement, text)
    text = _bare(text)
    if enclosed := _PARENTHESES.fullmatch(text):
        text = enclosed[1]
    return forms.cased(text)


def _bare(text: str) -> str:
    """`text` without emphasis, closing punctuation and math delimiters around it."""
    text = _EDGES.sub("", text)
    while delimited := _DELIMITED.fullmatch(text):
        text = _EDGES.sub("", next(part for part in delimited.groups() if part is not None))
    return text


# -- equality ----------------------------------------------------------------------------------------------------------

_SENTENCES = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,} [A-Za-z]{3,}")


def equal(answer: str, gold: str) -> bool:
    """Whether `answer` equals `gold` by the rules of the module.

    It may block for a second, and on a busy machine for longer: under asyncio, use a thread.
    """
    if max(len(answer), len(gold)) > LONGEST:
        return answer.strip() == gold.strip() != ""
    found, wanted = normalise(answer), normalise(gold)
    if found == wanted:
        return found != ""
    found, wanted = forms.alike(found, wanted)
    if not found or not wanted or found == wanted:
        return found == wanted != ""
    number, other = quantity(found), quantity(wanted)
    if number and other:
        return number.agrees(other)
    if forms.unit_of(found) != forms.unit_of(wanted):
        return False
    return _is_formula(found, wanted) and same(_latex(found), _latex(wanted))


def correct(answer: str | None, golds: Iterable[str]) -> bool:
    """Whether `answer` equals any of `golds`; no answer is never right."""
    return answer is not None and any(equal(answer, gold) for gold in golds)


def canonical(answer: str) -> str:
    """The key under which votes for `answer` are counted: its number without unit, else its normalised text.

    Answers that are equal under rules 1 and 2 share it, units and percent signs dropped; formulas that only math-verify
    calls equal do not. An answer longer than `LONGEST` is its own key.
    """
    if len(answer) > LONGEST:
        return answer.strip()
    text = forms.value(normalise(answer))
    number = quantity(text)
    return text if number is None else str(number.value)


def _is_formula(*texts: str) -> bool:
    """Whether math-verify may know more: one of `texts` is neither a number nor words, none a sentence or half a formula."""
    plain = all(forms.WORDS.fullmatch(text) or looks_numeric(text) for text in texts)
    return not plain and not any(_SENTENCES.search(text) or text.count("{") != text.count("}") for text in texts)


def _latex(text: str) -> str:
    """A normalised text as math-verify reads it; a number as the exact fraction that it is."""
    known = quantity(text)
    if known and known.unit != "%":
        return str(known.value)
    return text.replace("$", "").replace("°", r"^\circ ").replace("%", r"\%").replace("*", r"\cdot ")
