"""The grader: what is read from a text, what counts as equal, which key a vote is counted under, and hostile strings."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reflectgen import answers, symbolic
from reflectgen.answers import canonical, correct, equal, extract
from reflectgen.errors import OptionError

# -- extraction --------------------------------------------------------------------------------------------------------

EXTRACTED = {
    "boxed": [
        (r"so \boxed{\frac{1}{2}} is it", r"\frac{1}{2}"),
        (r"\boxed{1}, no: \boxed{2}", "2"),
        (r"\fbox{7}", "7"),
        (r"\boxed {7}", "7"),
        (r"\\boxed{7}", "7"),  # escaped twice, as in JSON
        (r"\boxed{x = \boxed{5}}", "5"),
        (r"\boxed{1} and then \boxed{2", "1"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"stray } and { \boxed{3} {", "3"),
        (r"$\boxed{2}\pi$", r"2\pi"),
        (r"$\boxed{1+x}\,\sqrt{2}$", r"(1+x)\,\sqrt{2}"),
        (r"$\boxed{2} \pm 1$", "2"),
        (r"\boxed{}", None),
        ("12", None),
        ("a box {3}", None),
    ],
    "number": [
        ("it costs $1,234.50.", "1,234.50"),
        ("-$5", "-5"),
        ("= -4", "-4"),
        ("\N{MINUS SIGN}4", "\N{MINUS SIGN}4"),
        ("3-4", "4"),  # a difference, not a negative number
        ("about 3/4.", "3/4"),
        (r"-\frac{3}{4}", r"-\frac{3}{4}"),
        ("50 %", "50%"),
        (r"50\%", "50%"),
        ("1.2e-5", "1.2e-5"),
        (r"1.2 \times 10^{3} m", r"1.2 \times 10^{3}"),
        (".5", ".5"),
        ("12.", "12"),
        ("1, 2, 3", "3"),
        ("version 1.2.3", "1.2"),
        ("first 3 of x2", "3"),
        ("H2O", None),
        ("none", None),
    ],
    "choice": [
        ("The answer is (B).", "B"),
        ("the answer is **C**", "C"),
        ("Answer: J", "J"),
        ("the correct option is d) no, option (d)", "D"),
        (r"\boxed{B}", "B"),
        (r"\boxed{\text{C}}", "C"),
        (r"$\boxed{\textbf{(D)}\ 12}$", "D"),
        ("B", "B"),
        ("(b)", "B"),
        ("Because of that.\n\nE.", "E"),
        ("Either (A) or rather (F)", "F"),
        ("The answer is a dog.", None),
        ("I think so.", None),
        ("K", None),
        ("", None),
    ],
    "exact": [("  a b\n", "a b"), (" ", None)],
    "auto": [
        (r"The answer is 3. Or \boxed{4}", "4"),
        (r"The answer is $\frac{1}{2}$. I hope it is correct.", r"$\frac{1}{2}$"),
        ("**The answer is: 42**", "42"),
        ("The answer is:\n\n**7**", "7"),
        ("The answer is therefore 5.", "5"),
        ("The answer is Paris.", "Paris"),
        ("It is 3.\n#### 1,234", "1,234"),
        ("Of 3:\n**Answer:** $2\\sqrt{6}$", "$2\\sqrt{6}$"),
        ("## Final answer\n\n$2\\sqrt{6}$\n", "$2\\sqrt{6}$"),
        ("Answer: there were 20 - 6 = 14 left", "14"),
        ("Answer: 3 at first. The answer is 4", "4"),
        ("Answer: 3\nNo, 4", "4"),
        ("so 3 + 4 = 7", "7"),
        (r"\boxed{} so 8", "8"),
        ("", None),
    ],
}


@pytest.mark.parametrize(("how", "text", "answer"), [(how, *case) for how, cases in EXTRACTED.items() for case in cases])
def test_extract(how: str, text: str, answer: str | None) -> None:
    assert extract(text, how) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is B.\nFinal answer:", "B"),
        ("The answer is (3, 4).\nAnswer:", "(3, 4)"),
        ("#### 12 is the answer\n\nThanks!", "12 is the answer"),
        ("**Final Answer**\n\n42", "42"),
    ],
)
def test_a_heading_says_something_only_where_something_stands_below_it(text: str, answer: str) -> None:
    assert extract(text) == answer


def test_extract_is_auto_by_default_and_looks_at_the_end() -> None:
    assert extract(r"\boxed{1}" + " " * answers.TAIL) is None
    assert extract(" " * answers.TAIL + r"\boxed{1}") == "1"


def test_an_unknown_extractor_is_named() -> None:
    with pytest.raises(OptionError, match=r"Unknown extractor 'bxed'.*Did you mean 'boxed'"):
        extract("1", "bxed")


# -- equality ----------------------------------------------------------------------------------------------------------

ALIKE = [
    ("12", "12.0"),
    ("12", r"\boxed{12}"),
    ("12", r"\(12\)"),
    ("12", "$$12$$"),
    ("12", " 12 ."),
    ("12", "(12)"),
    ("12", "**12**"),
    ("12", "\u0661\u0662"),  # Arabic-Indic digits
    ("12", "\u202e1\u200b2"),  # invisible characters
    ("-3", "\N{MINUS SIGN}3"),
    ("1234.5", "1,234.50"),
    ("1234", "1{,}234"),
    ("1234", r"1\,234"),
    ("1234", "1 234"),
    ("1/2", "0.5"),
    ("1/2", r"\frac12"),
    ("1/2", r"\dfrac{1}{2}"),
    ("-1/2", r"-\frac{1}{2}"),
    ("-1/2", r"\frac{-1}{2}"),
    ("1/2", "2/4"),
    ("7/2", "3 1/2"),
    ("7/2", r"3\frac{1}{2}"),
    ("-7/2", "-3 1/2"),
    ("1200", r"1.2 \times 10^{3}"),
    ("1200", "1.2e3"),
    ("0.00012", r"1.2 \cdot 10^{-4}"),
    ("5", r"5\text{ cm}"),
    ("5", "5 apples"),
    ("5", r"\$5"),
    ("-5", "-$5"),
    ("50", r"50\%"),
    ("90", r"90^\circ"),
    ("5", "x = 5"),
    ("Yes", "yes."),
    ("B", "(B)"),
    ("B", r"\text{B}"),
    ("(1, 2)", r"\left(1,2\right)"),
    (r"2\pi r", r"2 \pi r"),
    ("x\N{LESS-THAN OR EQUAL TO}5", r"x \leq 5"),
    ("[0,1]", r"x \in [0, 1]"),
    ("na\N{LATIN SMALL LETTER I WITH DIAERESIS}ve", "Na\N{LATIN SMALL LETTER I WITH DIAERESIS}ve"),
]
"""Equal by rules 1 and 2, and of one key."""

EQUAL = [
    ("50%", "0.5"),
    ("5 cm", "5 centimeters"),
    ("5 m^2", "5"),
    ("5 m^2", "5 square meters"),
    ("5 m/s", "5 meters per second"),
    ("5 dollars per hour", "\\$5"),
    ("5cm", "5 cm"),
    (r"2\sqrt{3}", r"\sqrt{12}"),
    ("2*sqrt(3)", r"\sqrt{12}"),
    ("2**10", "1024"),
    ("10^6", "1e6"),
    ("50%", r"\frac{\sqrt{4}}{4}"),
    ("x+1", "1+x"),
    (r"\{1,2\}", "2, 1"),
    ("y=2x+1", "2x+1"),
    (r"\frac{1}{2}3", r"\frac{3}{2}"),
    (r"\log_4 2", "0.5"),
    (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 1 \\ \frac{4}{2} \end{pmatrix}"),
]
"""Equal, though of different keys."""

DIFFERENT = [
    ("12", "13"),
    ("12", "-12"),
    ("12", "1,2"),
    ("12", "1 2"),
    ("12", "1\x002"),
    ("0.333333", "1/3"),
    ("1.414214", r"\sqrt{2}"),
    ("3 1/2", "31/2"),
    ("5 cm", "5 m"),
    ("5cm", "5 m"),
    ("30min", "30 hours"),
    ("10 cm^2", "10 m^2"),
    ("10 cm^3", "10 square centimeters"),
    ("10 m/s", "10 km/h"),
    ("5 cm", "5 cm^2"),
    ("$5", "5%"),
    ("50%", "0.05"),
    ("50%", "0.5%"),
    ("5 million", "5"),
    ("A", "B"),
    ("A", "a"),
    ("xy", "yx"),  # words, by their looks
    ("x=5", "y=5"),
    ("(1,2)", "(2,1)"),
    ("[0,1)", "[0,1]"),
    ("x^2+3", "3"),
    ("1, 2, 3", "3"),
    ("$1$ and $2$", "2"),
    ("1.4142135623730951", r"\sqrt{2}"),
    ("yes", "no"),
    ("yes", "1"),
    ("0/0", "1"),
    ("0/0", "0"),
    ("1e999999999", "2e999999999"),
    ("nan", "0"),
    ("inf", "1e400"),
    ("", ""),
    ("", "0"),
    (".", ""),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_alike(one: str, other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "same", _unasked)
    assert equal(one, other) and equal(other, one)
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal_with_different_keys(one: str, other: str) -> None:
    assert equal(one, other) and equal(other, one)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different(one: str, other: str) -> None:
    assert not equal(one, other) and not equal(other, one)


PLAIN = ["12", "-0.5", "7/8", "50%", "5 cm", "0/0", "1e999999999", "B", "yes", "not at all", "nan", "the answer is in doubt"]


@pytest.mark.parametrize("one", PLAIN)
def test_numbers_and_words_never_reach_math_verify(one: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "same", _unasked)
    assert [equal(one, other) for other in PLAIN] == [one == other for other in PLAIN]


def _unasked(answer: str, gold: str) -> bool:
    raise AssertionError(f"math-verify was asked about {answer!r} and {gold!r}")


def test_correct_is_equal_to_any_gold() -> None:
    assert correct("0.5", ["7", "1/2"])
    assert not correct("0.5", ["7", "8"])
    assert not correct("0.5", [])
    assert not correct(None, ["7"])


@given(st.fractions(max_denominator=10**6), st.fractions(max_denominator=10**6))
def test_numbers_are_equal_exactly_if_their_values_are(one: Fraction, other: Fraction) -> None:
    assert equal(str(one), rf"\frac{{{one.numerator}}}{{{one.denominator}}}")
    assert canonical(str(one)) == str(one)
    assert equal(str(one), str(other)) == (one == other)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=4))
def test_thousands_separators_change_nothing(value: object) -> None:
    assert canonical(f"{value:,}") == canonical(f"{value}") == str(Fraction(str(value)))


@given(st.text(max_size=60))
def test_any_text_has_a_key_that_is_its_own_key_and_equals_itself(text: str) -> None:
    key = canonical(text)
    assert canonical(key) == key or not _settled(text)
    assert equal(text, text) == (answers.normalise(text) != "")


def _settled(text: str) -> bool:
    """Whether normalising `text` twice is the same as once; spellings may leave each other behind in noise."""
    once = answers.normalise(text)
    return answers.normalise(once) == once


# -- hostile strings ---------------------------------------------------------------------------------------------------

MEGABYTE = 1_000_000
HOSTILE = {
    "deep braces": "{" * 10_000 + "1" + "}" * 10_000,
    "deep box": r"\boxed{" + "{" * 10_000 + "1" + "}" * 10_000 + "}",
    "open braces": "{" * MEGABYTE,
    "open boxes": r"\boxed{" * (MEGABYTE // 7),
    "open text": r"\text{" * (MEGABYTE // 6),
    "open fractions": r"\frac{1}{" * (MEGABYTE // 9),
    "digits": "7" * MEGABYTE,
    "digits with commas": "777," * (MEGABYTE // 4),
    "fractions": "1/" * (MEGABYTE // 2),
    "points": "1." * (MEGABYTE // 2),
    "signs": "-" * MEGABYTE,
    "spaces": "answer" + " " * MEGABYTE,
    "backslashes": "\\" * MEGABYTE,
    "dollars": "$" * MEGABYTE,
    "stars": "*" * MEGABYTE,
    "answers": "the answer is " * (MEGABYTE // 14),
    "options": "option the " * (MEGABYTE // 11),
    "hashes": "#" * MEGABYTE,
    "lines": "\n" * MEGABYTE,
    "python tower": "9**9**9**9",
    "latex tower": "9^{9^{9^9}}",
    "factorials": "9!!!!!!!!!!",
    "huge exponent": "1e999999999",
    "huge power": r"1 \times 10^{999999999999999999999}",
    "zero by zero": "0/0",
    "nan": "nan",
    "infinity": r"-\infty",
    "nulls": "\x00" * 1_000 + "1",
    "right to left": "\u202e" + "21" + "\u202c",
    "lone surrogate": "\ud800",
    "deep roots": r"\sqrt{" * 300 + "2" + "}" * 300,
    "slow sum": r"\sum_{n=1}^{10^{12}} n^{n}",
    "slow integral": r"\int_0^1 \sin(x^x) e^{-x^3} dx",
    "slow expansion": "(x+y+z)^{5000}",
    "code": "__import__('os').system('touch /tmp/owned')",
}


@pytest.fixture(scope="module")
def _helper() -> None:
    symbolic.same("x", "x+1")


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.usefixtures("_helper")
def test_a_hostile_string_gets_every_verdict_within_a_second(name: str) -> None:
    text = HOSTILE[name]
    for how in answers.EXTRACTORS:
        _timed(lambda how=how: extract(text, how))
    assert _timed(lambda: equal(text, text)) == bool(_timed(lambda: canonical(text)))
    assert not _timed(lambda: equal(text[: answers.LONGEST], r"2\sqrt{3}"))


def _timed(question: Callable[[], object]) -> object:
    """The verdict, which took less than a second of this process's time, and no more than a question may by the clock."""
    began, clock = time.process_time(), time.monotonic()
    verdict = question()
    assert time.process_time() - began < 1
    assert time.monotonic() - clock < symbolic.PATIENCE + 5
    return verdict


@pytest.mark.usefixtures("_helper")
def test_ten_thousand_plain_verdicts_take_a_second() -> None:
    began = time.process_time()
    for number in range(5_000):
        assert equal(f"{number}.0", rf"\boxed{{{number}}}") and not equal(str(number), str(number + 1))
    assert time.process_time() - began < 4


# -- a thousand of them ------------------------------------------------------------------------------------------------

PIECES = (
    "{", "}", "\\", "$", "^", "_", "\\frac", "\\boxed{", "\\sqrt{", "\\left(", "\\begin{pmatrix}", "&", "9**9**9", "9^{9^{9}}",
    "1e999", "0/0", "\x00", "\u202e", "\N{ARABIC-INDIC DIGIT THREE}", "\N{SUPERSCRIPT TWO}", "\N{SQUARE ROOT}",
    "\N{INFINITY}", "x", "=", "<", "\\le", ",", ";", "%", "or", "\\text{", "\\in", "\\cup", "[", ")", "-", "!", "\ud800",
    "7" * 50, " " * 50, "\n",
)  # fmt: skip
BOMBS = (
    "9^{9^{9^9}}",
    "9!!!!!!!!!",
    r"\sum_{n=1}^{10^{9}} n^n",
    "(x+y+z)^{3000}",
    r"\int_0^1 \sin(x^x) dx",
    r"\sqrt{" * 200 + "2" + "}" * 200,
)


def _hostile() -> Iterator[str]:
    """964 strings of random pieces, a tenth of them a megabyte long, and 36 that keep a computer algebra system busy."""
    random = Random(0)
    for index in range(964):
        text = "".join(random.choices(PIECES, k=random.randint(1, 200)))
        yield text * (MEGABYTE // len(text)) if index % 10 == 0 else text
    for index in range(36):
        yield f"{BOMBS[index % len(BOMBS)]}+{index}"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("_helper")
def test_a_thousand_hostile_strings_are_graded_in_a_minute() -> None:
    """A minute of processor time, the children of the helper counted, so that it holds on a busy machine as well."""
    began, golds = _spent(), ("204", r"3\sqrt{13}", "[0,1]", "C")
    for index, text in enumerate(_hostile()):
        wrong = equal(answers.auto(text) or text, golds[index % len(golds)])
        canonical(text)
        assert wrong is False
    assert _spent() - began < 60


def _spent() -> float:
    """Seconds of processor time of this process, the helper, and the helper's children."""
    helper = symbolic._helper.process
    assert helper is not None
    fields = Path(f"/proc/{helper.pid}/stat").read_text().rpartition(")")[2].split()
    return time.process_time() + sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
