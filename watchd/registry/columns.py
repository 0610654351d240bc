"""Columns: what a kind shows in a Table (FEATURES rows 76, 115)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from conversion.codec import INT64_MAX, INT64_MIN
from watchd.registry.jsonpath import JsonPathError, compiled
from watchd.registry.kind import Kind, Version
from watchd.registry.schemas import description
from watchd.status import go_json, go_value

Object = dict[str, Any]

Cell = Callable[[Object, int], Any]
"""(object, time now in ms) -> the cell's value: a string, number, boolean or None."""

NAME_DESCRIPTION = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
    "client to request the generation of an appropriate name automatically. Name is primarily intended for creation "
    "idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
"""The reference's own description of the first column."""

CREATED_DESCRIPTION = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to "
    "be set in happens-before order across separate operations. Clients may not set this value. It is represented in "
    "RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)
"""The reference's own description of ages."""

ENUM_VALUES = "\n\nPossible enum values:"
"""What documents put behind the description of an enum."""

UNKNOWN_AGE = "<unknown>"
INVALID = "<invalid>"
NO_VALUE = "<no value>"

SECOND_MS, MINUTE, HOUR, DAY, YEAR = 1000, 60, 3600, 86_400, 365 * 86_400
"""Milliseconds of a second; seconds of the others."""


class Column(msgspec.Struct, frozen=True):
    """One column of a Table."""

    name: str
    cell: Cell
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0
    listed: Cell | None = None
    """The cell of an item of a list, where that is another one."""
    field: tuple[str, str] | None = None
    """Component and field whose description is the column's, where it has none of its own."""

    def definition(self) -> Object:
        """Return the columnDefinition."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            # The Go types' own texts do not list the values of enums.
            "description": self.description or (description(*self.field).partition(ENUM_VALUES)[0].rstrip("\n") if self.field else ""),
            "priority": self.priority,
        }


def _parts(seconds: int, large: tuple[int, str], small: tuple[int, str]) -> str:
    """Write a duration in two units, the smaller one left out where it is nothing."""
    rest = seconds % large[0] // small[0]
    return f"{seconds // large[0]}{large[1]}" + (f"{rest}{small[1]}" if rest else "")


_S, _M, _H, _D, _Y = (1, "s"), (MINUTE, "m"), (HOUR, "h"), (DAY, "d"), (YEAR, "y")

_PRECISION: tuple[tuple[int, tuple[int, str], tuple[int, str] | None], ...] = (
    (2 * MINUTE, _S, None),
    (10 * MINUTE, _M, _S),
    (3 * HOUR, _M, None),
    (8 * HOUR, _H, _M),
    (2 * DAY, _H, None),
    (8 * DAY, _D, _H),
    (2 * YEAR, _D, None),
    (8 * YEAR, _Y, _D),
)
"""Below how many seconds an age is written in which units."""


def human_duration(seconds: int) -> str:
    """Write an age as kubectl does (apimachinery's duration.HumanDuration)."""
    if seconds < 0:
        return "0s" if seconds == -1 else INVALID
    for limit, large, small in _PRECISION:
        if seconds < limit:
            return f"{seconds // large[0]}{large[1]}" if small is None else _parts(seconds, large, small)
    return f"{seconds // YEAR}y"


def age(timestamp: Any, now_ms: int) -> str:
    """Return how long ago a metav1.Time was."""
    if not timestamp:
        return UNKNOWN_AGE
    moment = parse_time(timestamp)
    return INVALID if moment is None else human_duration(now_ms // SECOND_MS - moment)


_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})", re.ASCII)


def parse_time(value: Any) -> int | None:
    """Return the seconds of a metav1.Time since the epoch, or None for what is none."""
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        return None
    try:
        return int(datetime.fromisoformat(value).astimezone(UTC).timestamp())
    except ValueError:
        return None


def name_cell(obj: Object, _: int) -> Any:
    """Return the object's name."""
    return obj["metadata"].get("name", "")


def age_cell(obj: Object, now_ms: int) -> Any:
    """Return the object's age."""
    return age(obj["metadata"].get("creationTimestamp"), now_ms)


NAME = Column("Name", name_cell, format="name", description=NAME_DESCRIPTION)
AGE = Column("Age", age_cell, description=CREATED_DESCRIPTION)
CREATED_AT = Column(
    "Created At",
    lambda obj, _: obj["metadata"].get("creationTimestamp", UNKNOWN_AGE),
    type="date",
    description=CREATED_DESCRIPTION,
)


CUSTOM_AGE = {
    "name": "Age",
    "type": "date",
    "jsonPath": ".metadata.creationTimestamp",
    "description": CREATED_DESCRIPTION,
}
"""What custom kinds show beside the name where their definitions name no columns."""


def columns_of(kind: Kind, version: Version) -> Sequence[Column]:
    """Return the columns of a kind at a version."""
    if not kind.custom:
        return kind.columns or (NAME, CREATED_AT)
    if not version.columns:
        return (NAME, _custom(CUSTOM_AGE))
    return (NAME, *(_custom(column) for column in _readable(version.columns)))


def _readable(columns: Sequence[Object]) -> Iterator[Object]:
    """Pass columns on up to the first whose path cannot be read, as the reference does."""
    for column in columns:
        try:
            compiled(column["jsonPath"])
        except JsonPathError:
            return
        yield column


def _custom(definition: Object) -> Column:
    """Make a column of an additionalPrinterColumn."""
    path = definition["jsonPath"]
    return Column(
        name=definition["name"],
        cell=partial(_cell_at, path, definition["type"]),
        type=definition["type"],
        format=definition.get("format", ""),
        description=definition.get("description") or f"Custom resource definition column (in JSONPath format): {path}",
        priority=definition.get("priority", 0),
    )


def _cell_at(path: str, kind: str, obj: Object, now_ms: int) -> Any:
    """Return the first value at a path, as a column of a type shows it; None where it is absent or of another type."""
    found = compiled(path).first(obj)
    if not found:
        return None
    return _text(found[0]) if kind == "string" else _SHOWN[kind](found[0], now_ms)


def _integer(value: Any, _: int) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = int(value)
    # What int64 cannot hold is its least value: so amd64 converts.
    return number if INT64_MIN <= number <= INT64_MAX else INT64_MIN


def _number(value: Any, _: int) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _date(value: Any, now_ms: int) -> Any:
    if not isinstance(value, str):
        return None
    return age(value, now_ms)


_SHOWN: dict[str, Cell] = {
    "integer": _integer,
    "number": _number,
    "boolean": lambda value, _: value if isinstance(value, bool) else None,
    "date": _date,
}
"""By the column's type: how a value is shown, None for one of another type."""


def _text(value: Any) -> str:
    if value is None:
        return NO_VALUE
    if isinstance(value, str):
        return value
    return go_json(value) if isinstance(value, dict | list) else go_value(value)
