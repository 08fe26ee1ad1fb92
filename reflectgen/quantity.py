"""Numbers as people write them: an exact rational value and a unit.

`1,234.5`, `-3 1/2`, `\frac{7}{2}`, `7/2`, `1.2 \times 10^{3}`, `1e-3`, `$5`, `50%`, `90°`, `12 cm`. The base of a numeral
(`52_8`) is taken as its unit, and its digits as decimal ones. Texts come normalised (`reflectgen.answers.normalise`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

LARGEST = 1_000
"""Largest power of ten, either way, of a number that is computed with."""

_INTEGER = r"(?:\d{1,3}(?:,\d{3})+|\d{1,3}(?:\ \d{3})+|\d+)"
_QUANTITY = re.compile(
    rf"""(?P<sign>[+-]?)\ ?(?P<currency>[$€£¥]?)(?P<inner>[+-]?)
    (?: (?:(?P<whole>\d+)\ )?(?P<top>{_INTEGER})/(?P<bottom>{_INTEGER})
      | (?=\.?\d)(?P<decimal>{_INTEGER}?(?:\.\d*)?)
        (?:[eE](?P<exponent>[+-]?\d+) | (?:\\times|\\cdot|\*)\ ?10\^(?:(?P<power>\d+)|\{{(?P<braced>[+-]?\d+)\}}))?
    )
    (?P<unit>
        \ ?(?:%|°[CF]?)
      | _[1-9]\d?
      | (?:mm|cm|km|kg|mg|ml|min)(?:\^\{{?[23]\}}?)?
      | \ (?!(?:or|and|to|hundred|thousand|million|billion|trillion|dozen)\b)
        (?:[A-Za-z]{{2,}}|[mgslLhNJWVK])(?:[ /][A-Za-z]+){{0,3}}(?:\^\{{?[23]\}}?)?
    )?""",
    re.ASCII | re.VERBOSE,
)
_FRACTION = re.compile(r"\\frac\{([+-]?\d+)\}\{(\d+)\}(?![A-Za-z](?![A-Za-z]))", re.ASCII)
_NAMES = {
    "dollar": "$", "euro": "€", "pound": "£", "percent": "%", "degree": "°", "millimeter": "mm", "centimeter": "cm",
    "meter": "m", "kilometer": "km", "inche": "in", "inch": "in", "foot": "ft", "feet": "ft", "mile": "mi", "gram": "g",
    "kilogram": "kg", "liter": "L", "second": "s", "sec": "s", "minute": "min", "hour": "h", "hr": "h", "radian": "rad",
}  # fmt: skip
_PER = re.compile(r"/| per ")
_POWERS = {"square": "2", "sq": "2", "cubic": "3"}
_RAISED = re.compile(r"(?P<base>[A-Za-z]+)\^\{?(?P<power>[23])\}?|(?P<word>square|sq|cubic) (?P<name>[A-Za-z]+)")
CURRENCIES = ("$", "€", "£", "¥")
_SYMBOLS = frozenset({*_NAMES.values(), "¥", "°C", "°F", "mg", "ml", "am", "pm"})


@dataclass(frozen=True, slots=True)
class Quantity:
    """A rational number and its unit; the unit is empty where there is none, or none that is known here."""

    value: Fraction
    unit: str

    def agrees(self, other: Quantity) -> bool:
        """Whether both may mean the same: equal values, of one unit or with a unit left out on one side.

        Against a bare number a percentage also means its hundredth: 50% agrees with 50 and with 0.5.
        """
        if self.unit == other.unit:
            return self.value == other.value
        if self.unit and other.unit:
            return False
        return bool(self._readings() & other._readings())

    def _readings(self) -> set[Fraction]:
        return {self.value, self.value / 100} if self.unit == "%" else {self.value}


def quantity(text: str) -> Quantity | None:
    """The number that `text` is; None where it is none, divides by zero or lies beyond `LARGEST` powers of ten."""
    found = _match(text)
    if found is None:
        return None
    value = _ratio(found) if found["bottom"] else _decimal(found)
    if value is None:
        return None
    negative = (found["sign"] == "-") != (found["inner"] == "-")
    return Quantity(-value if negative else value, found["currency"] or symbol(found["unit"] or ""))


def looks_numeric(text: str) -> bool:
    """Whether `text` is written as a number, be it one that can be computed with or not (`0/0`, `1e999999999`)."""
    return _match(text) is not None


def _match(text: str) -> re.Match[str] | None:
    return _QUANTITY.fullmatch(_FRACTION.sub(r" \1/\2 ", text).strip())


def _ratio(found: re.Match[str]) -> Fraction | None:
    bottom = _integer(found["bottom"])
    return int(found["whole"] or 0) + Fraction(_integer(found["top"]), bottom) if bottom else None


def _decimal(found: re.Match[str]) -> Fraction | None:
    exponent = found["exponent"] or found["power"] or found["braced"] or "0"
    if len(exponent) > 9 or abs(int(exponent)) > LARGEST:
        return None
    return Fraction(_joined(found["decimal"])) * Fraction(10) ** int(exponent)


def _integer(text: str) -> int:
    return int(_joined(text))


def _joined(digits: str) -> str:
    """Digits without the separators between thousands."""
    return digits.replace(",", "").replace(" ", "")


def symbol(text: str) -> str:
    """Symbol of the unit `text`, e.g. `cm`, `m^2` or `km/h`, of a price the currency; empty where it is not known."""
    parts = [_power(part.strip()) for part in _PER.split(text)]
    return parts[0] if parts[0] in CURRENCIES else "/".join(parts) if all(parts) else ""


def _power(name: str) -> str:
    """Symbol of a unit or a power of one."""
    if name in _SYMBOLS or name.startswith("_"):
        return name
    if found := _RAISED.fullmatch(name):
        base = symbol(found["base"] or found["name"])
        return base and f"{base}^{found['power'] or _POWERS[found['word']]}"
    return _NAMES.get(name.casefold().rstrip("s"), "")
