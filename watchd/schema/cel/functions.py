"""What the functions of the language do: by name, for values of any type that they take.

Operators that decide what is evaluated (and, or, the conditional, selection, folds) are watchd.schema.cel.program's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from watchd.schema.cel import (
    arithmetic,
    conversions,
    formatting,
    kubernetes,
    lists,
    named_formats,
    network,
    texts,
    urls,
)
from watchd.schema.cel.errors import EvaluationError
from watchd.schema.cel.times import DURATION_PARTS, PARTS, duration_part, part
from watchd.schema.cel.values import (
    NO_OVERLOAD,
    NONE,
    Duration,
    Optional,
    Struct,
    Timestamp,
    Uint,
    no_overload,
    show,
    size,
    type_name,
)

Function = Callable[..., Any]


def _not(value: Any) -> bool:
    if type(value) is not bool:
        raise no_overload()
    return not value


def _in(value: Any, container: Any) -> bool:
    if isinstance(container, list):
        return lists.holds(container, value)
    if isinstance(container, Struct):
        return type(value) is str and container.has(value)
    if isinstance(container, dict):
        return _hashable(value) and value in container
    raise no_overload()


def _hashable(value: Any) -> bool:
    return not isinstance(value, list | dict)


def _size(value: Any) -> int:
    if isinstance(value, str | bytes | list | dict | Struct):
        return size(value)
    raise no_overload()


def _time_part(function: str) -> Function:
    def get(value: Any, zone: str = "UTC") -> int:
        if type(value) is Timestamp:
            return part(function, value, zone)
        if type(value) is Duration and function in DURATION_PARTS:
            return duration_part(function, value)
        raise no_overload()

    return get


def _insert(mapping: Any, *entry: Any) -> dict[Any, Any]:
    added = {entry[0]: entry[1]} if len(entry) == 2 else entry[0]
    if not isinstance(mapping, dict) or not isinstance(added, dict):
        raise no_overload()
    for key in added:
        if key in mapping:
            raise EvaluationError(f"insert failed: key {show(key)} already exists")
    return {**mapping, **added}


def _optional(value: Any) -> Optional:
    if type(value) is not Optional:
        raise no_overload()
    return value


def _value(value: Any) -> Any:
    if not _optional(value).present:
        raise EvaluationError("optional.none() dereference")
    return value.value


def _of(value: Any) -> Optional:
    return Optional(value, present=True)


def _of_non_zero(value: Any) -> Optional:
    zero = value is None or value in (False, 0, "", b"") if not isinstance(value, list | dict | Struct) else not size(value)
    if type(value) in {Timestamp, Duration}:
        zero = not value.nanoseconds
    if type(value) is Optional:
        zero = not value.present
    return NONE if zero else _of(value)


def _index_of(value: Any, *rest: Any) -> int:
    return lists.index_of(value, *rest) if isinstance(value, list) else texts.index_of(value, *rest)


def _last_index_of(value: Any, *rest: Any) -> int:
    return lists.last_index_of(value, *rest) if isinstance(value, list) else texts.last_index_of(value, *rest)


def _ip(value: Any) -> network.Ip:
    return network.address_of(value) if isinstance(value, network.Cidr) else network.parse_ip(value)


def _is_greater(value: Any, other: Any) -> bool:
    return kubernetes.compare(value, other) > 0


def _is_less(value: Any, other: Any) -> bool:
    return kubernetes.compare(value, other) < 0


FUNCTIONS: dict[str, Function] = {
    "!_": _not,
    "-_": arithmetic.negate,
    "_+_": arithmetic.add,
    "_-_": arithmetic.subtract,
    "_*_": arithmetic.multiply,
    "_/_": arithmetic.divide,
    "_%_": arithmetic.modulo,
    "_<_": arithmetic.less,
    "_<=_": arithmetic.less_equals,
    "_>_": arithmetic.greater,
    "_>=_": arithmetic.greater_equals,
    "_==_": lists.same,
    "_!=_": lambda one, two: not lists.same(one, two),
    "@in": _in,
    "@sortByAssociatedKeys": lists.sort_by,
    "add": kubernetes.plus,
    "asApproximateFloat": kubernetes.approximate_float,
    "asInteger": kubernetes.as_integer,
    "bool": conversions.to_bool,
    "bytes": conversions.to_bytes,
    "cel.@mapInsert": _insert,
    "charAt": texts.char_at,
    "cidr": network.parse_cidr,
    "compareTo": kubernetes.compare,
    "contains": texts.contains,
    "containsCIDR": network.contains_cidr,
    "containsIP": network.contains_ip,
    "distinct": lists.distinct,
    "double": conversions.to_double,
    "duration": conversions.to_duration,
    "dyn": conversions.to_dyn,
    "endsWith": texts.ends_with,
    "family": network.family,
    "find": texts.find,
    "findAll": texts.find_all,
    "first": lists.first,
    "flatten": lists.flatten,
    "format": formatting.apply,
    "format.named": named_formats.named,
    "getEscapedPath": urls.path_of,
    "getHost": urls.host_of,
    "getHostname": urls.hostname_of,
    "getPort": urls.port_of,
    "getQuery": urls.query_of,
    "getScheme": urls.scheme_of,
    "hasValue": lambda value: _optional(value).present,
    "indexOf": _index_of,
    "int": conversions.to_int,
    "ip": _ip,
    "ip.isCanonical": network.is_canonical,
    "isCIDR": network.is_cidr,
    "isGlobalUnicast": network.is_global_unicast,
    "isGreaterThan": _is_greater,
    "isIP": network.is_ip,
    "isInteger": kubernetes.is_integer,
    "isLessThan": _is_less,
    "isLinkLocalMulticast": network.is_link_local_multicast,
    "isLinkLocalUnicast": network.is_link_local_unicast,
    "isLoopback": network.is_loopback,
    "isQuantity": kubernetes.is_quantity,
    "isSemver": kubernetes.is_semver,
    "isSorted": lists.is_sorted,
    "isURL": urls.is_url,
    "isUnspecified": network.is_unspecified,
    "join": texts.join,
    "last": lists.last,
    "lastIndexOf": _last_index_of,
    "lists.range": lists.numbers,
    "lowerAscii": texts.lower_ascii,
    "major": kubernetes.major,
    "masked": network.masked,
    "matches": texts.matches,
    "max": lists.greatest,
    "min": lists.least,
    "minor": kubernetes.minor,
    "optional.none": lambda: NONE,
    "optional.of": _of,
    "optional.ofNonZeroValue": _of_non_zero,
    "optional.unwrap": lists.unwrap,
    "patch": kubernetes.patch,
    "prefixLength": network.prefix_length,
    "quantity": kubernetes.quantity,
    "replace": texts.replace,
    "reverse": lists.reverse,
    "semver": kubernetes.semver,
    "sets.contains": lists.includes_all,
    "sets.equivalent": lists.equivalent,
    "sets.intersects": lists.intersects,
    "sign": kubernetes.sign,
    "size": _size,
    "slice": lists.part,
    "sort": lists.sort,
    "split": texts.split,
    "startsWith": texts.starts_with,
    "string": conversions.to_string,
    "strings.quote": texts.quote,
    "sub": kubernetes.minus,
    "substring": texts.substring,
    "timestamp": conversions.to_timestamp,
    "trim": texts.trim,
    "type": conversions.to_type,
    "uint": conversions.to_uint,
    "unwrapOpt": lists.unwrap,
    "upperAscii": texts.upper_ascii,
    "url": urls.parse,
    "validate": named_formats.validate,
    "value": _value,
    **{name: _time_part(name) for name in (*PARTS, "getMilliseconds")},
    **{f"format.{name}": (lambda form=form: form) for name, form in named_formats.FORMATS.items()},
}
"""Implementations by the name of the function."""

CONVERSIONS = frozenset({"bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"})
"""Functions that are applied once, before any object is seen, where their argument is a constant."""


_PLAIN = frozenset({"containsIP", "startsWith", "endsWith", "contains", "matches", "dyn", "type"})
"""Functions that say no more than that there is no such overload; operators neither."""

_NUMBERS = frozenset({int, Uint, float})
_TIMES = frozenset({Timestamp, Duration})
_ORDERED = _NUMBERS | _TIMES | {bool, str, bytes}
_RECEIVERS = _TIMES | {str}
"""Types whose values are asked whatever the operator."""
_OPERANDS = {
    **dict.fromkeys(("_<_", "_<=_", "_>_", "_>=_"), _ORDERED),
    "_+_": _NUMBERS | _RECEIVERS | {bytes},
    **dict.fromkeys(("_-_", "_*_", "_/_"), _NUMBERS | _RECEIVERS),
    "_%_": _RECEIVERS | {int, Uint},
}
"""What the first operand of an operator may be; of another one it says its name."""


def named(name: str, overload: str) -> Function:
    """Return a function that says which one it is where it is given what it does not take.

    Args:
        name: of the function.
        overload: the one that it can only be; empty where there are several.

    """
    call = lists.sum_from(overload) if name == "sum" else FUNCTIONS[name]
    operands = _OPERANDS.get(name)
    if name in _PLAIN or (name[0] in "_!-@" and operands is None):
        return call

    def checked(*args: Any) -> Any:
        try:
            return call(*args)
        except EvaluationError as error:
            if str(error) != NO_OVERLOAD:
                raise
            if operands is None:
                given = "" if name == "size" else f"({', '.join(map(type_name, args))})"
            elif type(args[0]) in operands or (name == "_+_" and isinstance(args[0], list)):
                raise
            else:
                given = ""
            raise EvaluationError(f"{NO_OVERLOAD}: {name}{given}") from error

    return checked
