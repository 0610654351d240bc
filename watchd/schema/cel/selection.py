"""Selecting from values: fields, keys and indices, and whether there is something."""

from __future__ import annotations

from typing import Any

from watchd.schema.cel.errors import EvaluationError
from watchd.schema.cel.values import (
    MISSING,
    NONE,
    DataMap,
    Optional,
    Struct,
    Uint,
    no_overload,
    no_such_key,
    show,
    type_name,
)

_BOOLS = frozenset({0, 1})


def index(value: Any, key: Any) -> Any:
    """Return what a value holds under a key; of an optional, an optional.

    Raises:
        EvaluationError: it holds nothing there.

    """
    if type(value) is Optional:
        return optional_select(value, key)
    found = _find(value, key)
    if found is not MISSING:
        return found
    if isinstance(value, list):
        raise EvaluationError(f"index out of bounds: {show(key)}")
    raise no_such_key(key)


def optional_select(value: Any, key: Any) -> Optional:
    """Return what a value holds under a key, if it holds something there."""
    if type(value) is Optional:
        if not value.present:
            return NONE
        value = value.value
    found = _find(value, key)
    if found is MISSING:
        return NONE
    return found if type(found) is Optional else Optional(found, present=True)


def has(value: Any, name: str) -> bool:
    """Tell whether a value has a field or key."""
    if type(value) is Optional:
        if not value.present:
            return False
        value = value.value
    return _find(value, name) is not MISSING


def present(value: Any) -> bool:
    """Tell whether an optional has a value."""
    if type(value) is not Optional:
        raise EvaluationError(f"cannot initialize optional list element from non-optional value {show(value)}")
    return value.present


def _find(value: Any, key: Any) -> Any:  # noqa: PLR0911 - a table of cases
    if isinstance(value, Struct | DataMap) and type(key) is not str:
        raise no_overload()
    if isinstance(value, Struct):
        return value.find(key)
    if isinstance(value, dict):
        if type(key) is float and key.is_integer():
            return value.get(int(key), MISSING)
        if isinstance(key, list | dict):
            return MISSING
        if key in _BOOLS:
            # Python takes a bool for a number.
            same = (found for one, found in value.items() if one == key and (one.__class__ is bool) is (key.__class__ is bool))
            return next(same, MISSING)
        return value.get(key, MISSING)
    if isinstance(value, list):
        place = _place(key)
        return value[place] if 0 <= place < len(value) else MISSING
    return MISSING


def _place(key: Any) -> int:
    if type(key) in {int, Uint}:
        return int(key)
    if type(key) is float:
        if key.is_integer():
            return int(key)
        raise EvaluationError(f"unsupported index value {show(key)} in list")
    raise EvaluationError(f"unsupported index type '{type_name(key)}' in list")


