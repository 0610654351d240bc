"""Conditions of a Pod's status, as the API server itself sets them."""

from __future__ import annotations

from typing import Any

from watchd.seams import rfc3339

Object = dict[str, Any]


def set_condition(status: Object, condition: Object, now_ms: int) -> None:
    """Set a condition in a Pod's status, in place; its time stays while its status does."""
    conditions = status.setdefault("conditions", [])
    new = {**condition, "lastProbeTime": None, "lastTransitionTime": rfc3339(now_ms)}
    for index, old in enumerate(conditions):
        if old.get("type") == condition["type"]:
            if old.get("status") == condition["status"] and old.get("lastTransitionTime"):
                new["lastTransitionTime"] = old["lastTransitionTime"]
            conditions[index] = new
            return
    conditions.append(new)


def is_true(status: Object, kind: str) -> bool:
    """Tell whether a condition is there and holds."""
    return any(found.get("type") == kind and found.get("status") == "True" for found in status.get("conditions") or ())
