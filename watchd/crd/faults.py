"""Faults of definitions: field errors with their texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from watchd.status import FieldError, FieldProblem, go_quote


def invalid(path: str, value: Any, why: str) -> FieldError:
    """Say what is wrong with a value."""
    return FieldError(FieldProblem.INVALID, path, value, why)


def required(path: str, why: str = "") -> FieldError:
    """Say that a value is missing."""
    return FieldError(FieldProblem.REQUIRED, path, None, why)


def forbidden(path: str, why: str) -> FieldError:
    """Say that a value may not be there."""
    return FieldError(FieldProblem.FORBIDDEN, path, None, why)


def not_supported(path: str, value: str, accepted: Iterable[str]) -> FieldError:
    """Say that a value is none of those that are accepted."""
    listed = ", ".join(map(go_quote, accepted))
    return FieldError(FieldProblem.NOT_SUPPORTED, path, value, f"supported values: {listed}")
