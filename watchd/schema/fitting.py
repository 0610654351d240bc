"""Closures that fit an object to its Go types in place (watchd.schema.typed), as long as all is well with it.

A component has one closure, made when the first object with such a part comes by. They know no paths: on an unknown field,
a value of another type and whatever else is rare they raise Unfit, having changed the object in nothing that counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from watchd.schema.goscalars import ZERO_TIMES, TypeMismatch, canonical_base64, canonical_time, written_quantity

Schema = Mapping[str, Any]
Fit = Callable[[Any], Any]

INT_BITS = {"int32": 32, "int64": 64}
"""Bits of the integer formats; an integer of no format has 64."""

TIMES = frozenset({"Time", "MicroTime"})
"""Types of times; their zero value is null in JSON."""

_KEEP: Final = 0
_DROP: Final = 1
_NULL: Final = 2
"""What becomes of a field's zero value."""

_PLAIN: dict[str, type] = {"string": str, "boolean": bool}
"""Types of which every value of the class is well."""

_made: dict[int, tuple[Any, Fit]] = {}
"""Closures by the identity of the part of a schema that they are made of, and that part, so that it stays. Schemas are data
of the package and live as long as the process."""


class Unfit(Exception):
    """Something to tell of, or too rare to have a closure."""


class _Never:
    """A class without values."""


def fitting(schema: Schema, defs: Mapping[str, Schema]) -> Fit:
    """Return the closure of a schema; `defs` are those that its references name. It raises Unfit."""
    if "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    properties = schema.get("properties")
    # A reference with something beside it is another dict with the same properties.
    part = schema if properties is None else properties
    found = _made.get(id(part))
    if found is None:
        found = _made[id(part)] = (part, _fitting(schema, defs))
    return found[1]


def is_struct(schema: Schema) -> bool:
    """Tell whether a schema of an object is that of a Go struct, which may have no fields at all."""
    return "properties" in schema or ("title" in schema and "additionalProperties" not in schema and "x-go-json" not in schema)


def keeps_no_empty(schema: Schema) -> bool:
    """Tell whether an empty list comes back from storage as null: protobuf, in which it is stored, has neither."""
    return schema.get("type") == "array" and schema.get("x-go-zero", ...) is None and "x-go-keeps-empty" not in schema


def _fitting(schema: Schema, defs: Mapping[str, Schema]) -> Fit:
    own = _OWN.get(schema.get("x-go-json", ""))
    if own is not None:
        return own
    match schema.get("type"):
        case "object" if is_struct(schema):
            made = _struct(schema.get("properties", {}), defs)
        case "object":
            made = _map(schema.get("additionalProperties"), defs)
        case "array":
            made = _list(schema.get("items", {}), defs)
        case "integer":
            made = _integer(INT_BITS[schema.get("format", "int64")])
        case "string" if schema.get("format") == "byte":
            made = _bytes
        case "string" if schema.get("format") == "date-time":
            made = _moment(micro=schema.get("title") == "MicroTime")
        case None if "anyOf" in schema:
            made = _one_of(schema["anyOf"], defs)
        case kind:
            made = _SCALARS.get(str(kind), _anything)
    return made


class _Fields:
    """What is done with the fields of a struct."""

    __slots__ = ("known", "zeros")

    def __init__(self, properties: Mapping[str, Schema], defs: Mapping[str, Schema]) -> None:
        self.known: dict[str, tuple[type, Fit, int]] = {}
        """The class of which every value is well, the closure for others, and what becomes of a zero value."""
        self.zeros: list[tuple[str, Any, Fit | None]] = []
        """What is written of fields that are absent, and a closure where that is a struct."""
        for key, inner in properties.items():
            empty = _DROP if "x-go-omitempty" in inner else _NULL if keeps_no_empty(inner) else _KEEP
            self.known[key] = (_plain(inner), fitting(inner, defs), empty)
            if "x-go-zero" in inner:
                zero = inner["x-go-zero"]
                self.zeros.append((key, zero, fitting(inner, defs) if zero == {} else None))


def _plain(schema: Schema) -> type:
    """Return the class of which every value is well."""
    special = schema.get("format") in ("byte", "date-time") or "x-go-json" in schema
    return _Never if special else _PLAIN.get(schema.get("type", ""), _Never)


def _struct(properties: Mapping[str, Schema], defs: Mapping[str, Schema]) -> Fit:  # noqa: C901 - see below
    fields: _Fields | None = None

    def fit(value: Any) -> Any:  # noqa: C901, PLR0912 - the hottest of them: in one piece
        nonlocal fields
        if value.__class__ is not dict:
            raise Unfit
        if fields is None:
            fields = _Fields(properties, defs)
        known = fields.known
        dropped = None
        for key, item in value.items():
            try:
                plain, inner, empty = known[key]
            except KeyError:
                raise Unfit from None
            if item.__class__ is plain:
                fitted = item
            elif item is not None:
                fitted = inner(item)
                if fitted is not item:
                    value[key] = fitted
            else:
                # A null leaves a field at its zero value.
                fitted, empty = None, _DROP
            if empty and not fitted:
                if empty == _NULL:
                    value[key] = None
                elif dropped is None:
                    dropped = [key]
                else:
                    dropped.append(key)
        if dropped:
            for key in dropped:
                del value[key]
        for key, zero, struct in fields.zeros:
            if key not in value:
                value[key] = zero if struct is None else struct({})
        return value

    return fit


def _map(entries: Any, defs: Mapping[str, Schema]) -> Fit:
    if not isinstance(entries, Mapping):
        return _free
    plain, inner = _items(entries, defs)

    def fit(value: Any) -> Any:
        if value.__class__ is not dict:
            raise Unfit
        for key, item in value.items():
            if item.__class__ is not plain:
                if item is None:
                    raise Unfit
                fitted = inner()(item)
                if fitted is not item:
                    value[key] = fitted
        return value

    return fit


def _list(items: Schema, defs: Mapping[str, Schema]) -> Fit:
    plain, inner = _items(items, defs)

    def fit(value: Any) -> Any:
        if value.__class__ is not list:
            raise Unfit
        for index, item in enumerate(value):
            if item.__class__ is not plain:
                if item is None:
                    raise Unfit
                fitted = inner()(item)
                if fitted is not item:
                    value[index] = fitted
        return value

    return fit


def _items(schema: Schema, defs: Mapping[str, Schema]) -> tuple[type, Callable[[], Fit]]:
    """Return the class of which every item is well, and what returns the closure for others: a type may hold itself."""
    found: list[Fit] = []

    def inner() -> Fit:
        if not found:
            found.append(fitting(schema, defs))
        return found[0]

    return _plain(schema), inner


def _one_of(options: list[Schema], defs: Mapping[str, Schema]) -> Fit:
    made: dict[type, Fit] = {}

    def fit(value: Any) -> Any:
        if not made:
            for option in reversed(options):
                resolved = defs[option["$ref"].rpartition("/")[2]] if "$ref" in option else option
                made[_CLASSES[resolved["type"]]] = fitting(option, defs)
        inner = made.get(value.__class__)
        if inner is None or value == []:
            raise Unfit
        return inner(value)

    return fit


_CLASSES: dict[str, type] = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": float}


def _integer(bits: int) -> Fit:
    low, high = -(1 << (bits - 1)), 1 << (bits - 1)

    def fit(value: Any) -> Any:
        if value.__class__ is not int or not low <= value < high:
            raise Unfit
        return value

    return fit


_int32 = _integer(32)


def _number(value: Any) -> Any:
    if value.__class__ is not int and value.__class__ is not float:
        raise Unfit
    return value


def _unfit(_value: Any) -> Any:
    raise Unfit


def _anything(value: Any) -> Any:
    return value


def _free(value: Any) -> Any:
    if value.__class__ is not dict:
        raise Unfit
    return value


def _bytes(value: Any) -> Any:
    if value.__class__ is not str:
        raise Unfit
    try:
        return canonical_base64(value)
    except TypeMismatch:
        raise Unfit from None


def _quantity(value: Any) -> Any:
    try:
        return written_quantity(value)
    except TypeMismatch:
        raise Unfit from None


def _int_or_string(value: Any) -> Any:
    return value if value.__class__ is str else _int32(value)


def _moment(*, micro: bool) -> Fit:
    def fit(value: Any) -> Any:
        if value.__class__ is not str:
            raise Unfit
        try:
            written = canonical_time(value, micro=micro)
        except TypeMismatch:
            raise Unfit from None
        if written in ZERO_TIMES:
            raise Unfit
        return written

    return fit


_SCALARS: dict[str, Fit] = {"string": _unfit, "boolean": _unfit, "number": _number}
"""Closures by type, for values that are not of the type's plain class."""

_OWN: dict[str, Fit] = {
    "Quantity": _quantity,
    "IntOrString": _int_or_string,
    "RawExtension": _anything,
    "Raw": _anything,
    "Time": _moment(micro=False),
    "MicroTime": _moment(micro=True),
}
