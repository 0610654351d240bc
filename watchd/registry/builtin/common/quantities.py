"""Quantities (`1.5Gi`, `100m`) as objects hold them: exact numbers, and the one way in which each is written."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from watchd.schema.cel.errors import EvaluationError
from watchd.schema.cel.kubernetes import quantity

MILLI = Fraction(1, 1000)
"""What amounts of resources are rounded up to when they are decoded."""

BINARY_FROM = 1024
"""Less than this is never written with a binary suffix."""

_BINARY = (*((f"{unit}i", 1 << 10 * power) for power, unit in reversed([*enumerate("KMGTPE", 1)])), ("", 1))
_DECIMAL = (("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3), ("", 0), ("m", -3), ("u", -6), ("n", -9))
_CACHED = 4096
"""Distinct texts whose numbers are remembered: clusters repeat few."""


@lru_cache(_CACHED)
def number(text: str) -> Fraction:
    """Return what a quantity amounts to. Raises EvaluationError for what is none."""
    return quantity(text).number


def amount(value: Any) -> Fraction:
    """Return what a quantity of an object amounts to; one that is absent, or is none, is nothing."""
    try:
        return number(str(value)) if value is not None else Fraction(0)
    except EvaluationError:
        return Fraction(0)


@lru_cache(_CACHED)
def rounded_up(text: str) -> str:
    """Return a quantity at whole thousandths, in its canonical form; what is none stays as it is."""
    try:
        value = number(text)
    except EvaluationError:
        return text
    steps = -((-value) // MILLI) if value > 0 else value // MILLI
    return written(steps * MILLI, like=text)


def round_up_all(amounts: Mapping[str, Any] | None) -> None:
    """Bring the amounts of a ResourceList to whole thousandths, in place (SetDefaults_ResourceList)."""
    if isinstance(amounts, dict):
        for name, value in amounts.items():
            amounts[name] = rounded_up(str(value))


def written(value: Fraction, *, like: str) -> str:
    """Write a number in the canonical form of Go's Quantity, with the kind of suffix that another one has.

    Binary suffixes are for whole numbers from 1024 on, so such numbers are rounded up.
    """
    if like.endswith("i") and abs(value) >= BINARY_FROM:
        whole = -(-value // 1) if value > 0 else value // 1
        return next(f"{whole // factor}{suffix}" for suffix, factor in _BINARY if whole % factor == 0)
    exponential = like[-1].isdigit() and ("e" in like or "E" in like)
    for suffix, power in _DECIMAL if value else ():
        scaled = value / Fraction(10) ** power
        if scaled.denominator == 1:
            return f"{scaled}{f'e{power}' if exponential and power else '' if exponential else suffix}"
    return "0"
