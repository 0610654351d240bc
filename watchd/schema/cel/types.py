"""Types of expressions, and when one may stand for another (the checker's rules of cel-go)."""

from __future__ import annotations

from enum import Enum, auto

import attrs


class Kind(Enum):
    """What a type is made of."""

    DYN = auto()
    ERROR = auto()
    NULL = auto()
    BOOL = auto()
    INT = auto()
    UINT = auto()
    DOUBLE = auto()
    STRING = auto()
    BYTES = auto()
    TIMESTAMP = auto()
    DURATION = auto()
    LIST = auto()
    MAP = auto()
    OBJECT = auto()
    """A structure with declared fields, or one of Kubernetes' own values."""
    OPAQUE = auto()
    PARAMETER = auto()
    """A type that is still open, in a declaration or an expression."""
    TYPE = auto()


@attrs.frozen(cache_hash=True)
class Type:
    """A type; two that are equal are the same."""

    kind: Kind
    name: str
    parameters: tuple[Type, ...] = ()

    def __str__(self) -> str:
        """Return the type as error messages write it."""
        if not self.parameters:
            return self.name
        return f"{self.name}({', '.join(str(parameter) for parameter in self.parameters)})"


DYN = Type(Kind.DYN, "dyn")
ERROR = Type(Kind.ERROR, "!error!")
NULL = Type(Kind.NULL, "null")
BOOL = Type(Kind.BOOL, "bool")
INT = Type(Kind.INT, "int")
UINT = Type(Kind.UINT, "uint")
DOUBLE = Type(Kind.DOUBLE, "double")
STRING = Type(Kind.STRING, "string")
BYTES = Type(Kind.BYTES, "bytes")
TIMESTAMP = Type(Kind.TIMESTAMP, "timestamp")
DURATION = Type(Kind.DURATION, "duration")
TYPE = Type(Kind.TYPE, "type")

SCALARS = {t.name: t for t in (DYN, BOOL, INT, UINT, DOUBLE, STRING, BYTES, TIMESTAMP, DURATION)}
OPAQUE_NAMES = frozenset({"net.IP", "net.CIDR"})
"""Types of values whose inside is hidden; those of Kubernetes' libraries count as objects, as in the reference."""


def list_of(element: Type) -> Type:
    """Return the type of a list."""
    return Type(Kind.LIST, "list", (element,))


def map_of(key: Type, value: Type) -> Type:
    """Return the type of a map."""
    return Type(Kind.MAP, "map", (key, value))


def optional_of(value: Type) -> Type:
    """Return the type of a value that may be missing."""
    return Type(Kind.OPAQUE, "optional_type", (value,))


def type_of(value: Type) -> Type:
    """Return the type of a type."""
    return Type(Kind.TYPE, "type", (value,))


def object_type(name: str) -> Type:
    """Return the type of a structure."""
    return Type(Kind.OPAQUE if name in OPAQUE_NAMES else Kind.OBJECT, name)


def parameter(name: str) -> Type:
    """Return a type that is still open."""
    return Type(Kind.PARAMETER, name)


def unwrap_optional(value: Type) -> tuple[Type, bool]:
    """Return what an optional holds and True, or the type itself and False."""
    if value.kind is Kind.OPAQUE and value.name == "optional_type":
        return value.parameters[0], True
    return value, False


Substitutions = dict[Type, Type]
"""What open types have turned out to be."""

_WITH_PARAMETERS = frozenset({Kind.LIST, Kind.MAP, Kind.OPAQUE, Kind.TYPE})
_NULLABLE = frozenset({Kind.OPAQUE, Kind.OBJECT, Kind.DURATION, Kind.TIMESTAMP, Kind.NULL})
"""Types that null may stand for."""


def substitute(known: Substitutions, value: Type, *, close: bool = False) -> Type:
    """Replace open types by what they have turned out to be; what is still open becomes dyn with `close`."""
    if value.kind is Kind.PARAMETER:
        found = known.get(value)
        if found is None:
            return DYN if close else value
        return substitute(known, found, close=close)
    if not value.parameters:
        return value
    return Type(value.kind, value.name, tuple(substitute(known, inner, close=close) for inner in value.parameters))


def less_specific(first: Type, second: Type) -> bool:
    """Tell whether the first type covers at least what the second does."""
    if first.kind in {Kind.DYN, Kind.PARAMETER}:
        return True
    if second.kind in {Kind.DYN, Kind.PARAMETER} or first.kind is not second.kind:
        return False
    if first.kind is Kind.TYPE:
        return True
    if first.kind in _WITH_PARAMETERS:
        return (
            first.name == second.name
            and len(first.parameters) == len(second.parameters)
            and all(map(less_specific, first.parameters, second.parameters))
        )
    return first == second


def most_general(first: Type, second: Type) -> Type:
    """Return the one of two types that covers more."""
    return first if less_specific(first, second) else second


def _is_free_of(known: Substitutions, wanted: Type, within: Type) -> bool:
    if wanted == within:
        return False
    if within.kind is Kind.PARAMETER:
        return within not in known or _is_free_of(known, wanted, known[within])
    return all(_is_free_of(known, wanted, inner) for inner in within.parameters)


def _bind(known: Substitutions, value: Type, open_type: Type) -> tuple[bool, bool]:
    """Let an open type be a type: whether that holds, and whether it was bound before."""
    if value == open_type:
        return True, True
    bound = known.get(open_type)
    if bound is not None:
        if value == bound:
            return True, True
        if _assign(known, value, bound):
            wider = most_general(value, bound)
            if _is_free_of(known, open_type, wider):
                known[open_type] = wider
            return True, True
        return False, True
    if _is_free_of(known, open_type, value):
        known[open_type] = value
        return True, False
    return False, False


def _assign(known: Substitutions, first: Type, second: Type) -> bool:  # noqa: PLR0911 - a table of cases
    if second.kind is Kind.PARAMETER:
        valid, bound = _bind(known, first, second)
        if valid:
            return True
        if bound:
            return False
    if first.kind is Kind.PARAMETER:
        return _bind(known, second, first)[0]
    if first.kind in {Kind.DYN, Kind.ERROR} or second.kind in {Kind.DYN, Kind.ERROR}:
        return True
    if first.kind is Kind.NULL:
        return second.kind in _NULLABLE
    if second.kind is Kind.NULL:
        return first.kind in _NULLABLE
    if first.kind is Kind.TYPE:
        return second.kind is Kind.TYPE
    if first.kind in _WITH_PARAMETERS:
        return (
            first.kind is second.kind
            and first.name == second.name
            and assign_all(known, first.parameters, second.parameters)
        )
    return first == second


def assign_all(known: Substitutions, first: tuple[Type, ...], second: tuple[Type, ...]) -> bool:
    """Tell whether each type may stand for the other; binds open types in `known` even where it fails."""
    return len(first) == len(second) and all(_assign(known, one, other) for one, other in zip(first, second, strict=True))


def assignable(known: Substitutions, first: tuple[Type, ...], second: tuple[Type, ...]) -> Substitutions | None:
    """Return the substitutions under which types match, or None where they do not."""
    tried = dict(known)
    return tried if assign_all(tried, first, second) else None
