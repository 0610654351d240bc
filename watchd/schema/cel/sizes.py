"""Ranges of sizes and costs: least and most, of unsigned 64-bit numbers that stop at their maximum."""

from __future__ import annotations

import math
from typing import Protocol

import attrs

from watchd.schema.cel.ast import Node
from watchd.schema.cel.types import Type

UNLIMITED = (1 << 64) - 1
"""As much as there can be."""

MAX_FORMAT = 64
"""Characters of a named format, for comparisons."""
FORMAT_PATTERN = 128
"""Characters of a named format's pattern."""

Range = tuple[int, int]
"""Least and most, of a size or a cost."""

UNKNOWN: Range = (0, UNLIMITED)
"""Anything."""
ONE: Range = (1, 1)
"""Just one."""
NOTHING: Range = (0, 0)
"""Nothing at all."""

def cap(value: int) -> int:
    """Return a number, or the maximum."""
    return min(value, UNLIMITED)


def add(*ranges: Range) -> Range:
    """Add ranges."""
    return cap(sum(one[0] for one in ranges)), cap(sum(one[1] for one in ranges))


def multiply(one: Range, two: Range) -> Range:
    """Multiply ranges."""
    return cap(one[0] * two[0]), cap(one[1] * two[1])


def by(size: Range, factor: float) -> Range:
    """Multiply a range by a factor, rounded up."""
    return scaled(size[0], factor), scaled(size[1], factor)


def scaled(value: int, factor: float) -> int:
    """Multiply a number by a factor, rounded up."""
    product = float(value) * factor
    return UNLIMITED if product >= 2.0**64 else cap(math.ceil(product))


def union(one: Range, two: Range) -> Range:
    """Return the range over two."""
    return min(one[0], two[0]), max(one[1], two[1])


@attrs.frozen
class Part:
    """What a call is given: its type, where it stands, its size if that is known."""

    node: Node | None
    type: Type
    path: tuple[str, ...]
    size: Range | None


Estimated = tuple[Range, Range | None]
"""The cost of a call and the size of its result."""


class Sizes(Protocol):
    """Knows the sizes of what calls are given."""

    def size_of(self, part: Part) -> Range:
        """Return the size of what a call is given."""

    def element_of(self, part: Part) -> Part | None:
        """Return the elements of a list that a call is given."""
