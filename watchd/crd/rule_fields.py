"""What is wrong with the fields of rules (x-kubernetes-validations), but for the expressions themselves (KEP-2876)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from watchd.crd.faults import invalid, not_supported, required
from watchd.schema.extensions import VALIDATIONS
from watchd.status import FieldError

Schema = Mapping[str, Any]

REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
"""What a rule may give as its reason."""

_LINE_BREAK = re.compile(r"[\n\r]")


def check_rule_fields(schema: Schema, path: str, out: list[FieldError], *, structural: bool) -> None:
    """Check the rules of one schema.

    Args:
        schema: that has rules.
        path: of the schema.
        out: takes the faults.
        structural: whether the schema and all below it can be read as structural: only then paths lead anywhere.

    """
    for index, rule in enumerate(schema[VALIDATIONS]):
        at = f"{path}.{VALIDATIONS}[{index}]"
        _check_texts(rule.get("rule", ""), rule.get("message") or "", at, out)
        expression, reason = rule.get("messageExpression") or "", rule.get("reason")
        if expression and not expression.strip():
            out.append(required(f"{at}.messageExpression", "messageExpression must be non-empty if specified"))
        if reason is not None and reason not in REASONS:
            out.append(not_supported(f"{at}.reason", reason, REASONS))
        if rule.get("fieldPath"):
            _check_field_path(rule["fieldPath"], schema if structural else None, f"{at}.fieldPath", out)


def _check_texts(rule: str, message: str, path: str, out: list[FieldError]) -> None:
    if not rule.strip():
        out.append(required(f"{path}.rule", "rule is not specified"))
    elif message and not message.strip():
        out.append(invalid(f"{path}.message", message, "must be non-empty if specified"))
    elif _LINE_BREAK.search(message.strip()):
        out.append(invalid(f"{path}.message", message, "must not contain line breaks"))
    elif _LINE_BREAK.search(rule.strip()) and not message.strip():
        out.append(required(f"{path}.message", "message must be specified if rule contains line breaks"))


def _check_field_path(field_path: str, schema: Schema | None, path: str, out: list[FieldError]) -> None:
    if not field_path.strip():
        out.append(invalid(path, field_path, "must be non-empty if specified"))
    if _LINE_BREAK.search(field_path):
        out.append(invalid(path, field_path, "must not contain line breaks"))
    if schema is None:
        return
    # As all of CEL, only where there is a rule.
    from watchd.schema.cel.fieldpaths import BadPath, resolve  # noqa: PLC0415 - see above

    try:
        resolve(field_path, schema)
    except BadPath:
        out.append(invalid(path, field_path, "must be a valid path"))
