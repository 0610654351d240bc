"""The way to the rules of a schema that are in CEL: its modules take a tenth of the server's start to import, and most schemas have no rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from watchd.status import FieldError, FieldProblem

if TYPE_CHECKING:
    from watchd.schema.cel.rules import Rules

# ruff: noqa: PLC0415 - CEL is imported by what has rules, see above

Warn = Callable[[str], None]
"""Takes the text of a warning."""

_BLOCKING = frozenset(
    {
        FieldProblem.NOT_SUPPORTED,
        FieldProblem.REQUIRED,
        FieldProblem.TOO_LONG,
        FieldProblem.TOO_MANY,
        FieldProblem.TYPE_INVALID,
    }
)

SKIPPED = FieldError(
    FieldProblem.INVALID,
    "",
    None,
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)
"""What is said of an object whose schema lets it not get as far as its rules."""


def blocked(errors: Iterable[FieldError]) -> bool:
    """Tell whether errors of the schema keep the rules from being checked: then SKIPPED is added to them."""
    return any(error.problem in _BLOCKING for error in errors)


def _has_rules(schema: Mapping[str, Any]) -> bool:
    return b'"x-kubernetes-validations"' in orjson.dumps(schema)


def compile_rules(schema: Mapping[str, Any], *, resource: bool = True) -> Rules | None:
    """Return what validates values by the rules of a structural schema, None where it has none (see cel.rules)."""
    if not _has_rules(schema):
        return None
    from watchd.schema.cel import rules

    return rules.compile_rules(schema, resource=resource)


def check_rules(schema: Mapping[str, Any], path: str, *, found: Iterable[FieldError] = ()) -> list[FieldError]:
    """Return what is wrong with the expressions of a structural schema, and with what they can cost (see cel.rule_checks)."""
    if not _has_rules(schema):
        return []
    from watchd.schema.cel import rule_checks

    return rule_checks.check_rules(schema, path, found=found)
