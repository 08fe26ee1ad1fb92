"""Numbers as people write them: exact values, units, and what is refused."""

from __future__ import annotations

from fractions import Fraction

import pytest

from reflectgen.quantity import LARGEST, Quantity, looks_numeric, quantity


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("12", 12, ""),
        ("-0.5", Fraction(-1, 2), ""),
        ("12.", 12, ""),
        (".25", Fraction(1, 4), ""),
        ("1,234.5", Fraction(2469, 2), ""),
        ("1 234", 1234, ""),
        ("7/2", Fraction(7, 2), ""),
        ("3 1/2", Fraction(7, 2), ""),
        (r"-3\frac{1}{2}", Fraction(-7, 2), ""),
        (r"1.2\times 10^{-3}", Fraction(12, 10_000), ""),
        ("1.2*10^3", 1200, ""),
        ("1e-3", Fraction(1, 1000), ""),
        ("$5", 5, "$"),
        ("-$5", -5, "$"),
        ("$-5", -5, "$"),
        ("5 dollars", 5, "$"),
        ("50%", 50, "%"),
        ("50 percent", 50, "%"),
        ("90°", 90, "°"),
        ("5 cm", 5, "cm"),
        ("5 centimeters", 5, "cm"),
        ("5 inches", 5, "in"),
        ("5 apples", 5, ""),
        ("5 miles per hour", 5, "mi/h"),
        ("5 m^2", 5, "m^2"),
    ],
)
def test_values_and_units(text: str, value: Fraction, unit: str) -> None:
    assert quantity(text) == Quantity(Fraction(value), unit)


@pytest.mark.parametrize(
    "text", ["", "-", ".", "x", "2x", "12,34", "1 2", "31/2/3", "2 or 3", "5 million", "½", "٣", "1_000", "0x10"]
)
def test_what_is_no_number(text: str) -> None:
    assert quantity(text) is None and not looks_numeric(text)


@pytest.mark.parametrize("text", ["0/0", "3 1/0", r"\frac{1}{0}", f"1e{LARGEST + 1}", "1e-999999999", "1e" + "9" * 100])
def test_what_looks_like_a_number_and_is_not_computed_with(text: str) -> None:
    assert quantity(text) is None and looks_numeric(text)


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        (Quantity(Fraction(5), "cm"), Quantity(Fraction(5), "cm"), True),
        (Quantity(Fraction(5), "cm"), Quantity(Fraction(5), ""), True),
        (Quantity(Fraction(5), "cm"), Quantity(Fraction(5), "m"), False),
        (Quantity(Fraction(5), ""), Quantity(Fraction(6), ""), False),
        (Quantity(Fraction(50), "%"), Quantity(Fraction(50), ""), True),
        (Quantity(Fraction(50), "%"), Quantity(Fraction(1, 2), ""), True),
        (Quantity(Fraction(50), "%"), Quantity(Fraction(1, 2), "%"), False),
        (Quantity(Fraction(50), "%"), Quantity(Fraction(1, 2), "$"), False),
    ],
)
def test_agreement(one: Quantity, other: Quantity, agree: bool) -> None:
    assert one.agrees(other) is other.agrees(one) is agree
