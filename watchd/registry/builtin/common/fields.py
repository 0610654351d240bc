"""Checks of single fields that many kinds need, in the reference's words (apimachinery's validation packages)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from watchd.registry.metadata import IMMUTABLE
from watchd.registry.value import equal
from watchd.status import FieldError, FieldProblem, Written, go_json, go_quote

Object = dict[str, Any]

NEGATIVE = "must be greater than or equal to 0"

_PERCENT = re.compile(r"[0-9]+%", re.ASCII)
_NO_PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
)


def required(path: str, detail: str = "") -> FieldError:
    """Return the error of a field that is missing."""
    return FieldError(FieldProblem.REQUIRED, path, None, detail)


def invalid(path: str, value: Any, detail: str) -> FieldError:
    """Return the error of a value that breaks a rule."""
    return FieldError(FieldProblem.INVALID, path, value, detail)


def forbidden(path: str, detail: str) -> FieldError:
    """Return the error of a field that may not be set."""
    return FieldError(FieldProblem.FORBIDDEN, path, None, detail)


def not_supported(path: str, value: Any, supported: Iterable[str]) -> FieldError:
    """Return the error of a value that is none of those there are, which are told in this order."""
    texts = ", ".join(map(go_quote, supported))
    return FieldError(FieldProblem.NOT_SUPPORTED, path, value, f"supported values: {texts}")


def one_of(value: Any, supported: Sequence[str], path: str) -> list[FieldError]:
    """Check that a value is one of those there are."""
    return [] if value in supported else [not_supported(path, value, supported)]


def nonnegative(value: int | None, path: str) -> list[FieldError]:
    """Check a number; one that is absent is fine."""
    return [invalid(path, value, NEGATIVE)] if value is not None and value < 0 else []


def nonnegatives(obj: Mapping[str, Any], names: Iterable[str], path: str) -> list[FieldError]:
    """Check several numbers of one object, in this order."""
    return [error for name in names for error in nonnegative(obj.get(name), f"{path}.{name}")]


def immutable(new: Any, old: Any, path: str) -> list[FieldError]:
    """Check that a field is as it was."""
    return [] if new is old or equal(new, old) else [invalid(path, Written(go_json(new)) if isinstance(new, dict | list) else new, IMMUTABLE)]


def int_or_percent(value: int | str, path: str) -> list[FieldError]:
    """Check a number that may be a percentage."""
    if isinstance(value, str):
        return [] if _PERCENT.fullmatch(value) else [invalid(path, value, _NO_PERCENT)]
    return nonnegative(value, path)


def amount_of(value: int | str) -> int:
    """Return the number of an int-or-percent, as good as it can be read."""
    if isinstance(value, int):
        return value
    if _PERCENT.fullmatch(value):
        return int(value[:-1])
    return int(value) if value.removeprefix("-").isdigit() else 0


def at_most_all(value: int | str, path: str) -> list[FieldError]:
    """Check that a percentage is one of 100 at most."""
    if isinstance(value, str) and _PERCENT.fullmatch(value) and int(value[:-1]) > 100:
        return [invalid(path, value, "must not be greater than 100%")]
    return []
