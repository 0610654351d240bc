"""Names of finalizers as kinds of Kubernetes' own have them: without a domain they are one of a few."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watchd.registry.kind import Kind
from watchd.status import FieldError, FieldProblem

STANDARD = frozenset({"kubernetes", "orphan", "foregroundDeletion"})
"""The finalizers that need no domain."""

_LAX_GROUPS = frozenset(
    {
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
        "apiregistration.k8s.io",
        "coordination.k8s.io",
        "node.k8s.io",
        "policy",
    }
)
"""Groups whose validation is that of metadata of any kind."""

_LAX_KINDS = frozenset({("", "Event")})


def finalizer_names(kind: Kind, meta: Mapping[str, Any]) -> list[FieldError]:
    """Return which finalizers have neither a domain nor a standard name, which objects of most built-in kinds may not have."""
    if not meta.get("finalizers") or kind.custom or kind.group in _LAX_GROUPS or (kind.group, kind.names.kind) in _LAX_KINDS:
        return []
    why = "name is neither a standard finalizer name nor is it fully qualified"
    return [
        FieldError(FieldProblem.INVALID, f"metadata.finalizers[{index}]", name, why)
        for index, name in enumerate(meta["finalizers"])
        if "/" not in name and name not in STANDARD
    ]
