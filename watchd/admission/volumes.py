"""Volumes: finalizers that protect storage in use, taints of new nodes, and which claims may grow.

The admission plugins StorageObjectInUseProtection, TaintNodesByCondition and PersistentVolumeClaimResize.
"""

from __future__ import annotations

from storage.log import Log
from watchd.registry.attributes import Attributes, Object, Operation
from watchd.registry.builtin.common.quantities import amount
from watchd.registry.registry import Registry
from watchd.registry.view import load_hub
from watchd.seams import Clock, rfc3339
from watchd.status import forbidden

CLAIMS = ("", "persistentvolumeclaims")
VOLUMES = ("", "persistentvolumes")

PROTECTION = {
    VOLUMES: "kubernetes.io/pv-protection",
    CLAIMS: "kubernetes.io/pvc-protection",
    ("storage.k8s.io", "volumeattributesclasses"): "kubernetes.io/vac-protection",
}
"""The finalizer that keeps a new object while it is used."""

NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
"""The taint that keeps pods off a node until somebody finds it ready."""


class Volumes:
    """Admission member."""

    custom_kinds = False

    def __init__(self, log: Log, registry: Registry, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._classes = registry.hub("storage.k8s.io", "storageclasses")

    async def mutate(self, attributes: Attributes) -> None:
        """Protect new objects of storage, taint new nodes, and note when the phase of a volume changes."""
        obj, where = attributes.object, (attributes.kind.group, attributes.kind.names.plural)
        if obj is None:
            return
        if attributes.operation is Operation.CREATE and not attributes.subresource:
            if (finalizer := PROTECTION.get(where)) is not None:
                finalizers = obj["metadata"].setdefault("finalizers", [])
                if finalizer not in finalizers:
                    finalizers.append(finalizer)
            elif where == ("", "nodes"):
                _taint(obj)
        elif where == VOLUMES and attributes.subresource == "status" and attributes.old is not None:
            self._note_phase(obj.setdefault("status", {}), attributes.old.get("status", {}))

    async def validate(self, attributes: Attributes) -> None:
        """Refuse to let a claim grow whose class does not allow it. Raises StatusError 403."""
        obj, old = attributes.object, attributes.old
        if obj is None or old is None or (attributes.kind.group, attributes.kind.names.plural) != CLAIMS or attributes.subresource:
            return
        size, before = (amount(one["spec"].get("resources", {}).get("requests", {}).get("storage")) for one in (obj, old))
        if size <= before:
            return
        if old.get("status", {}).get("phase") != "Bound":
            raise forbidden(*CLAIMS, attributes.name, "Only bound persistent volume claims can be expanded")
        if not await self._may_grow(obj, old):
            why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"
            raise forbidden(*CLAIMS, attributes.name, why)

    async def _may_grow(self, obj: Object, old: Object) -> bool:
        # Whoever has claims has what these have; nobody else needs to.
        from watchd.registry.builtin.core.persistentvolume import class_of  # noqa: PLC0415 - see above

        name = class_of(obj)
        if not name or name != class_of(old):
            return False
        stored = await self._log.get(self._classes.key("", name))
        return stored is not None and bool(load_hub(self._classes.kind, stored).get("allowVolumeExpansion"))

    def _note_phase(self, status: Object, old: Object) -> None:
        field = "lastPhaseTransitionTime"
        if status.get("phase") == old.get("phase"):
            if field not in status and field in old:
                status[field] = old[field]
        elif status.get(field) in (None, old.get(field)):
            status[field] = rfc3339(self._clock.now_ms())


def _taint(node: Object) -> None:
    taints = node["spec"].setdefault("taints", [])
    if not any(all(taint.get(field) == value for field, value in NOT_READY.items()) for taint in taints):
        taints.append(dict(NOT_READY))
