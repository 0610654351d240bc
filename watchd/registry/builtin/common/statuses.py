"""What writes of a status leave as it was beside the spec."""

from __future__ import annotations

from watchd.registry.strategy import Object

KEPT = ("generation", "labels", "annotations", "finalizers", "ownerReferences")
"""Metadata that a write of the status does not change in kinds that keep it (metav1.ResetObjectMetaForStatus)."""

KEEPS = ("spec", "metadata")
"""What such a kind says as its `status_keeps`."""


def keep_metadata(obj: Object, old: Object) -> None:
    """Put back the metadata that a write of the status may not change, in place."""
    meta, before = obj["metadata"], old["metadata"]
    for field in KEPT:
        if field in before:
            meta[field] = before[field]
        else:
            meta.pop(field, None)
