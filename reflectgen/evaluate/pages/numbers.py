"""Numbers as a person reads them."""

from __future__ import annotations

from reflectgen.metrics import Interval


def percent(found: Interval | None, *, signed: bool = False, digits: int = 1) -> str:
    """An estimate and its interval, in percent with that many digits behind the point; nothing for None, a dash for NaN."""
    if found is None:
        return ""
    if found.estimate != found.estimate:
        return "-"
    sign = "+" if signed else ""
    return f"{100 * found.estimate:{sign}.{digits}f} [{100 * found.low:.{digits}f}, {100 * found.high:.{digits}f}]"


def count(value: float | None) -> str:
    """A mean number of tokens or passes; nothing for None."""
    return "" if value is None else f"{value:,.0f}"


def seconds(value: float | None) -> str:
    """Three digits; nothing for None."""
    return "" if value is None else f"{value:.3g}"


def decimal(value: float | None, digits: int = 3) -> str:
    """With fixed digits; nothing for None."""
    return "" if value is None else f"{value:.{digits}f}"
