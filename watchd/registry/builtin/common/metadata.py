"""Metadata that a write of the status leaves alone, for the few kinds that are so strict (metav1.ResetObjectMetaForStatus)."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

KEPT = ("labels", "annotations", "finalizers", "ownerReferences")


def keep_metadata(obj: Object, old: Object) -> None:
    """Put the old metadata back, in place, but for who manages which field."""
    new, before = obj["metadata"], old["metadata"]
    for field in KEPT:
        if field in before:
            new[field] = before[field]
        else:
            new.pop(field, None)
