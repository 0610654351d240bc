"""Values of expressions: how they compare, what size they have, what they are called.

int, float, str, bytes, bool and None stand for themselves; a list is a Python list, a map a dict. The classes below are
the rest. What comes from an object is wrapped by watchd.schema.cel.data.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import attrs

from watchd.schema.cel.errors import EvaluationError
from watchd.status import go_number

MIN_INT = -(1 << 63)
"""The least int."""
MAX_INT = (1 << 63) - 1
"""The largest int."""
MAX_UINT = (1 << 64) - 1
"""The largest uint."""

_MOST_DIGITS = 40
"""Digits of numbers that are still told apart: none that counts has more."""


def whole(digits: str, base: int = 10) -> int:
    """Read an unsigned number; one of more digits than any that counts comes out as a large one."""
    bare = digits.lstrip("0") or "0"
    return int(bare, base) if len(bare) <= _MOST_DIGITS else base**_MOST_DIGITS


NO_OVERLOAD = "no such overload"
"""What is wrong with operands of types that do not go together."""


class Uint(int):
    """An unsigned integer."""

    __slots__ = ()


@attrs.frozen(order=True)
class Timestamp:
    """A point in time."""

    nanoseconds: int
    """Since 1970, UTC."""
    offset: int = attrs.field(default=0, eq=False, order=False)
    """Seconds by which the zone that it was written in is ahead of UTC."""


@attrs.frozen(order=True)
class Duration:
    """A length of time."""

    nanoseconds: int


@attrs.frozen(eq=False)
class Optional:
    """A value that may be missing."""

    value: Any = None
    present: bool = False


NONE = Optional()
"""The optional without a value."""


@attrs.frozen
class TypeValue:
    """A type, as a value."""

    name: str


class Opaque:
    """A value of one of Kubernetes' libraries; equality is Python's."""

    type_name: ClassVar[str] = ""


class Struct:
    """An object with declared fields."""

    __slots__ = ()

    def find(self, name: str) -> Any:
        """Return the value of a field, or MISSING."""
        raise NotImplementedError

    def equals(self, other: Any) -> bool:
        """Tell whether another value is equal."""
        raise NotImplementedError

    def has(self, name: str) -> bool:
        """Tell whether a field has a value."""
        raise NotImplementedError

    def size(self) -> int:
        """Return how many fields there are."""
        raise NotImplementedError

    def names(self) -> list[str]:
        """Return the names of the fields that have a value."""
        raise NotImplementedError


class DataList(list[Any]):
    """A list that comes from an object; it refuses to be compared with what is no list."""

    __slots__ = ()

    def equals(self, other: list[Any]) -> bool:
        """Tell whether another list holds equal elements in the same order."""
        return len(self) == len(other) and all(equals(one, two) for one, two in zip(self, other, strict=True))

    def plus(self, other: list[Any]) -> list[Any]:
        """Append another list."""
        return [*self, *other]


class DataMap(dict[str, Any]):
    """A map that comes from an object; it refuses to be compared with what is no map."""

    __slots__ = ()


class _Missing:
    __slots__ = ()


MISSING = _Missing()
"""No value under this name."""


def no_overload() -> EvaluationError:
    """Operands of types that do not go together."""
    return EvaluationError(NO_OVERLOAD)


def no_such_key(key: Any) -> EvaluationError:
    """A name that an object or map does not have."""
    return EvaluationError(f"no such key: {show(key)}")


_NUMBERS = frozenset({int, Uint, float})


def equals(first: Any, second: Any) -> bool:  # noqa: PLR0911 - a table of cases
    """Tell whether two values are equal, across the kinds of numbers too.

    Raises:
        EvaluationError: what comes from an object is compared with something of another shape.

    """
    kind = type(first)
    other = type(second)
    if kind in _NUMBERS:
        return other in _NUMBERS and bool(first == second)
    if first is None or second is None:
        return first is second
    if isinstance(first, list):
        return _list_equals(first, second)
    if isinstance(first, Struct):
        return bool(first.equals(second))
    if isinstance(first, dict):
        return _map_equals(first, second)
    if kind is Optional:
        if other is not Optional or first.present != second.present:
            return False
        return not first.present or equals(first.value, second.value)
    if isinstance(first, Opaque) and kind is not other:
        raise no_overload()
    return kind is other and bool(first == second)


def _list_equals(first: list[Any], second: Any) -> bool:
    if not isinstance(second, list):
        if isinstance(first, DataList):
            raise no_overload()
        return False
    if isinstance(first, DataList):
        return first.equals(second)
    return len(first) == len(second) and all(equals(one, two) for one, two in zip(first, second, strict=True))


def _map_equals(first: dict[Any, Any], second: Any) -> bool:
    if isinstance(second, Struct):
        return second.equals(first)
    if not isinstance(second, dict):
        if isinstance(first, DataMap):
            raise no_overload()
        return False
    if len(first) != len(second):
        return False
    return all(key in second and equals(value, second[key]) for key, value in first.items())


def compare(first: Any, second: Any) -> int:
    """Return -1, 0 or 1 as the first value is less than, equal to or greater than the second.

    Raises:
        EvaluationError: they have no order.

    """
    kind, other = type(first), type(second)
    comparable = (kind in _NUMBERS and other in _NUMBERS) or (
        kind is other and kind in {str, bytes, bool, Timestamp, Duration}
    )
    if not comparable:
        raise no_overload()
    if kind is str:
        # Bytes have Go's order: code points beyond the basic plane come last.
        return int(first > second) - int(first < second)
    if (kind is float and math.isnan(first)) or (other is float and math.isnan(second)):
        raise EvaluationError("NaN values cannot be ordered")
    return int(first > second) - int(first < second)


def size(value: Any) -> int:
    """Return the size of a value as costs count it: code points, bytes, elements or fields; of all else 1."""
    if isinstance(value, Struct):
        return value.size()
    if isinstance(value, str | bytes | list | dict):
        return len(value)
    if type(value) is Optional and value.present:
        return size(value.value)
    return 1


_TYPE_NAMES: dict[type, str] = {
    bool: "bool",
    int: "int",
    Uint: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    Timestamp: "google.protobuf.Timestamp",
    Duration: "google.protobuf.Duration",
    Optional: "optional_type",
    TypeValue: "type",
    type(None): "null_type",
}


def type_name(value: Any) -> str:
    """Return the name of a value's type."""
    if isinstance(value, list):
        return "list"
    if isinstance(value, dict | Struct):
        return "map"
    if isinstance(value, Opaque):
        return value.type_name
    return _TYPE_NAMES[type(value)]


def show(value: Any) -> str:
    """Write a value as error messages do."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float):
        return go_number(value)
    return str(value)
