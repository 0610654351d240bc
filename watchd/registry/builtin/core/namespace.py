"""Namespace: the scope of names. Its deletion waits until spec.finalizers is empty (FEATURES rows 21, 28, 29)."""

from __future__ import annotations

from typing import Any

from watchd.registry import formats
from watchd.registry.columns import AGE, NAME, Column
from watchd.registry.strategy import NameFormat, Object, Strategy
from watchd.seams import Clock, Entropy
from watchd.status import FieldError, FieldProblem

NAME_LABEL = "kubernetes.io/metadata.name"
"""The label that holds every namespace's own name (KEP-2161)."""

FINALIZER = "kubernetes"
"""Kept in spec.finalizers until the namespace controller has emptied the namespace."""

STANDARD_FINALIZERS = frozenset({FINALIZER, "orphan", "foregroundDeletion"})
"""Finalizers that need no domain."""

INITIAL = ("default", "kube-system", "kube-public", "kube-node-lease")
"""Namespaces that are there from the first start."""

ACTIVE = "Active"
TERMINATING = "Terminating"


class NamespaceStrategy(Strategy):
    """The rules of Namespace."""

    name_format = NameFormat.LABEL
    selectable_fields = ("status.phase",)

    def default(self, obj: Object) -> None:
        """Label with the name; spec and status are never absent."""
        name = obj["metadata"].get("name")
        if name:
            obj["metadata"].setdefault("labels", {})[NAME_LABEL] = name
        obj.setdefault("spec", {})
        obj.setdefault("status", {})

    def prepare_create(self, obj: Object, *, clock: Clock, entropy: Entropy) -> None:
        """Begin active, held by the namespace controller's finalizer."""
        del clock, entropy
        obj["status"] = {"phase": ACTIVE}
        finalizers = obj.setdefault("spec", {}).setdefault("finalizers", [])
        if FINALIZER not in finalizers:
            finalizers.append(FINALIZER)

    def prepare_update(self, obj: Object, old: Object, subresource: str) -> None:
        """Leave spec.finalizers to `finalize` and status to `status`."""
        if subresource != "status":
            obj["status"] = old.get("status", {})
        if subresource != "finalize":
            obj["spec"] = old.get("spec", {})

    def validate(self, obj: Object) -> list[FieldError]:
        """Check the names of spec.finalizers."""
        out: list[FieldError] = []
        for name in obj.get("spec", {}).get("finalizers", ()):
            out += _finalizer(name, "spec.finalizers")
        return out

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Check what the subresource may change."""
        del old
        if subresource == "finalize":
            out: list[FieldError] = []
            for index, name in enumerate(obj.get("spec", {}).get("finalizers", ())):
                out += _finalizer(name, f"spec.finalizers[{index}]")
            return out
        return _phase(obj) if subresource == "status" else []

    def fields(self, obj: Object) -> dict[str, str]:
        """Return the phase."""
        return {"status.phase": obj.get("status", {}).get("phase", "")}

    def finalizers_hold(self, obj: Object) -> bool:
        """Tell whether spec.finalizers is not empty."""
        return bool(obj.get("spec", {}).get("finalizers"))

    def on_delete(self, obj: Object) -> None:
        """Become Terminating."""
        obj["status"] = {**obj.get("status", {}), "phase": TERMINATING}


def _finalizer(name: str, path: str) -> list[FieldError]:
    out = [FieldError(FieldProblem.INVALID, path, name, text) for text in formats.qualified_name(name)]
    if "/" not in name and name not in STANDARD_FINALIZERS:
        why = "name is neither a standard finalizer name nor is it fully qualified"
        out.append(FieldError(FieldProblem.INVALID, path, name, why))
    return out


def _phase(obj: dict[str, Any]) -> list[FieldError]:
    phase = obj.get("status", {}).get("phase", "")
    deleting = bool(obj["metadata"].get("deletionTimestamp"))
    if phase == (TERMINATING if deleting else ACTIVE):
        return []
    why = (
        "may only be 'Terminating' if `deletionTimestamp` is not empty"
        if deleting
        else "may only be 'Active' if `deletionTimestamp` is empty"
    )
    return [FieldError(FieldProblem.INVALID, "status.Phase", phase, why)]


STRATEGY = NamespaceStrategy()

COLUMNS = (
    NAME,
    Column("Status", lambda obj, _: obj.get("status", {}).get("phase", ""), description="The status of the namespace"),
    AGE,
)
