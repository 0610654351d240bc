"""Amounts of resources as objects hold them: texts of quantities (`1.5Gi`, `100m`) by the name of the resource."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from watchd.schema.quantity import Quantity, QuantityError, canonical_quantity

MILLI = -3
"""Amounts of resources are rounded up to this power of ten when they are decoded (SetDefaults_ResourceList)."""

ZERO = Quantity(0)

_REMEMBERED = 4096
"""Texts whose numbers are remembered: the quantities of a cluster are few."""


@lru_cache(_REMEMBERED)
def _parsed(text: str) -> Quantity:
    return Quantity.parse(text)


def amount(value: Any) -> Quantity:
    """Return what a quantity of an object amounts to; one that is absent, or is none, is nothing."""
    try:
        return ZERO if value is None else _parsed(str(value))
    except QuantityError:
        return ZERO


@lru_cache(_REMEMBERED)
def rounded_up(text: str) -> str:
    """Return a quantity at whole thousandths, as Go writes it; what is none stays as it is."""
    try:
        value = _parsed(text)
    except QuantityError:
        return text
    if value.scale >= MILLI:
        return canonical_quantity(text)
    return str(Quantity(value.milli_value(), MILLI, value.format, wide=value.wide))


def round_up_all(amounts: Any) -> None:
    """Bring the amounts of a ResourceList to whole thousandths, in place; none is fine."""
    if isinstance(amounts, dict):
        for name, value in amounts.items():
            amounts[name] = rounded_up(str(value))
