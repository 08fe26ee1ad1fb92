"""What one side may leave out or say in another form."""

from __future__ import annotations

import pytest

from reflectgen import symbolic
from reflectgen.answers import canonical, equal
from reflectgen.forms import alike, interval, unit_of, value


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x>3", r"(3,\infty)"),
        (r"x\ge 3", r"[3,\infty)"),
        ("3<x", r"(3,\infty)"),
        (r"t\le -1", r"(-\infty,-1]"),
        (r"-5\le x<1", "[-5,1)"),
        (r"1>x\ge -5", "[-5,1)"),
        (r"2<\theta<3", "(2,3)"),
        ("x<2 or x>3", r"(-\infty,2)\cup(3,\infty)"),
        (r"\{x:x>3\}", r"(3,\infty)"),
        (r"\{x\in\mathbb{R}\mid x\le 3\}", r"(-\infty,3]"),
        ("2<x>3", None),
        ("x<y<z<3", None),
        ("2x<3", None),
        ("3", None),
        ("<3", None),
    ],
)
def test_intervals(text: str, found: str | None) -> None:
    assert interval(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x=5", "5"),
        ("AB=5", "5"),
        ("f(2)=5", "5"),
        ("S_{10}=5", "5"),
        ("m+n=5", "5"),
        (r"\gcd=5", "5"),
        (r"\angle ABC=90°", "90°"),
        ("(a,b)=(1,2)", "(1,2)"),
        (r"x\in[0,1]", "[0,1]"),
        (r"x\approx 5", "5"),
        ("There are 5 of them", "5 of them"),
        ("It is Tuesday", "tuesday"),
        ("total:5", "5"),
        ("Answer:the sum is 5", "5"),
        ("3:5", "3:5"),
        ("a:5", "a:5"),
        ("about 5", "about 5"),
        ("2x=5", "2x=5"),
        ("x=y=5", "x=y=5"),
        ("5", "5"),
    ],
)
def test_named_values(text: str, found: str) -> None:
    assert value(text) == found


def test_a_name_stays_where_both_sides_have_one() -> None:
    assert alike("y=2x", "x=2y") == ("y=2x", "x=2y")
    assert alike("y=2x", "2x") == ("2x", "2x")
    assert alike("2x=5", "5") == ("2x=5", "5")


def test_units_of_formulas() -> None:
    assert [unit_of(text) for text in (r"4\pi cm^2", r"\sqrt{2}cm", r"4\pi square inches", r"4\pi", r"\sqrt{2}m", "3x")] == [
        "cm", "cm", "in", "", "", "",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def _helper() -> None:
    symbolic.same("x", "x+1")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (r"-5 \le x < 1", "[-5,1)", True),
        (r"-5 \le x < 1", "(-5,1]", False),
        (r"x \leqslant 5", r"(-\infty, 5]", True),
        ("3 < x", "x > 3", True),
        (r"\boxed{(a,b,c)=(3,4,5)}", "(3,4,5)", True),
        ("y=2x+3", "2x-y+3=0", True),
        (r"144\pi\text{ cm}^2", r"144\pi", True),
        (r"4\pi\text{ centimeters}", r"4\pi\text{ cm}", True),
        (r"4\pi\text{ cm}", r"4\pi\text{ m}", False),
        ("52_8", "52_{8}", True),
        ("52_8", "52", True),
        ("52_8", "52_9", False),
        ("5\N{SQUARE ROOT}5", r"5\sqrt{5}", True),
        ("\N{PLUS-MINUS SIGN}3", "3, -3", True),
        (r"\frac{1}{2^{98}}", "2^{-98}", True),
        (r"\frac{1}{2^{98}}", "2^{-97}", False),
        ("10^{-20}", "10^{-21}", False),
        (r"\boxed{\;237\;}", "237", True),
        (r"17 \text{ (mod } 23)", "17", True),
        (r"x \equiv 17 \pmod{23}", "17", True),
        (r"17 \pmod{23}", r"17 \pmod{29}", False),
        (r"\text{There are } 17 \text{ such sets}", "17", True),
        (r"\text{There are at least } 17", "17", False),
        (r"\text{Answer: yes}", "Yes", True),
        (r"\langle 3, 4 \rangle", "(3,4)", True),
        (r"\varnothing", r"\emptyset", True),
        (r"2\pi \text{ radians}", r"2\pi", True),
        (r"10{:}30", "10:30", True),
        (r"6\text{ PM}", r"6:00\text{ p.m.}", True),
        (r"6\text{ PM}", r"6\text{ a.m.}", False),
        (r"\log_e 2", r"\ln 2", True),
        (r"$\frac{28}{2}$ apples", "14", True),
        (r"x \approx 1.41", r"\sqrt{2}", False),
        (r"\frac x2", r"\frac{x}{2}", True),
    ],
)
@pytest.mark.usefixtures("_helper")
def test_equality_over_forms(one: str, other: str, same: bool) -> None:
    assert equal(one, other) is equal(other, one) is same


def test_an_equation_is_no_number_of_its_digits() -> None:
    assert canonical("2x=5") == "2x=5"
    assert canonical("x=5") == canonical("AB = 5") == "5"
