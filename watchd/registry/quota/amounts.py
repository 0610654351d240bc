"""Sums of what is counted: lists of resources as ResourceQuotas have them in spec.hard and status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from watchd.registry.builtin.common.quantities import ZERO, amount
from watchd.registry.quota.usage import Amounts


def read(field: Any) -> Amounts:
    """Return the amounts of a v1.ResourceList; one that is absent has none."""
    return {name: amount(value) for name, value in (field or {}).items()}


def write(amounts: Amounts) -> dict[str, str]:
    """Return a v1.ResourceList."""
    return {name: str(value) for name, value in sorted(amounts.items())}


def add(one: Amounts, other: Amounts) -> Amounts:
    """Return the sum by name."""
    out = dict(one)
    for name, value in other.items():
        out[name] = out[name].add(value) if name in out else value
    return out


def more(new: Amounts, old: Amounts) -> Amounts:
    """Return how much more the new amounts are, nothing where they are less."""
    out = {name: value.sub(old[name]) if name in old else value for name, value in new.items()}
    return {name: max(ZERO, value) for name, value in out.items()}


def only(amounts: Amounts, names: Iterable[str]) -> Amounts:
    """Return the amounts of some names."""
    wanted = set(names)
    return {name: value for name, value in amounts.items() if name in wanted}


def text(amounts: Mapping[str, Any]) -> str:
    """Write amounts as messages have them."""
    return ",".join(f"{name}={value}" for name, value in sorted(amounts.items()))
