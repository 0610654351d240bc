"""Conditions of a status (metav1.Condition), checked in the reference's words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from watchd.names import qualified_name
from watchd.registry.builtin.common.addresses import duplicate
from watchd.registry.builtin.common.fields import invalid, one_of, required
from watchd.registry.builtin.common.values import too_long
from watchd.status import FieldError

Object = dict[str, Any]

STATUSES = ("False", "True", "Unknown")

REASON_MAX = 1 << 10
MESSAGE_MAX = 32 << 10
"""Bytes."""

_REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?", re.ASCII)
_NO_REASON = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must "
    f"end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', "
    f"regex used for validation is '{_REASON.pattern}')"
)


def condition_problems(conditions: Sequence[Object], path: str) -> list[FieldError]:
    """Return what is wrong with conditions."""
    out: list[FieldError] = []
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        kind = condition.get("type", "")
        if kind in seen:
            out.append(duplicate(f"{path}[{index}]", kind))
        seen.add(kind)
        out += _condition(condition, f"{path}[{index}]")
    return out


def _condition(condition: Object, path: str) -> list[FieldError]:
    kind, status, reason = (condition.get(name, "") for name in ("type", "status", "reason"))
    out = [invalid(f"{path}.type", kind, text) for text in qualified_name(kind)] if kind else [required(f"{path}.type", "is required")]
    out += one_of(status, STATUSES, f"{path}.status") if status else [required(f"{path}.status")]
    seen = condition.get("observedGeneration", 0)
    if seen < 0:
        out.append(invalid(f"{path}.observedGeneration", seen, "must be greater than or equal to zero"))
    if not condition.get("lastTransitionTime"):
        out.append(required(f"{path}.lastTransitionTime"))
    if not reason:
        out.append(required(f"{path}.reason"))
    elif not _REASON.fullmatch(reason):
        out.append(invalid(f"{path}.reason", reason, _NO_REASON))
    if len(reason.encode()) > REASON_MAX:
        out.append(too_long(f"{path}.reason", REASON_MAX))
    if len(condition.get("message", "").encode()) > MESSAGE_MAX:
        out.append(too_long(f"{path}.message", MESSAGE_MAX))
    return out
