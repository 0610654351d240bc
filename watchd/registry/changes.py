"""What a write makes of an object beside its metadata: status kept apart, the generation, finalizers of a deletion."""

from __future__ import annotations

from typing import Any

from watchd.registry import metadata
from watchd.registry.value import equal

Object = dict[str, Any]


def same_content(new: Object, old: Object, *, status: bool) -> bool:
    """Tell whether the generation stays."""
    left_out = {"metadata", "apiVersion", "kind"} if status else {"metadata", "apiVersion", "kind", "status"}
    after, before = ({k: v for k, v in obj.items() if k not in left_out} for obj in (new, old))
    return equal(after, before)


def split_status(new: Object, old: Object, subresource: str, *, custom: bool) -> None:
    """Keep a write of the object from changing status, and a write of status from changing anything else."""
    if subresource == "status":
        status, written = new.get("status"), "status" in new
        kept = {k: v for k, v in old.items() if k != "status"}
        if not custom:
            # Built-in kinds take labels and annotations through status.
            kept["metadata"] = new["metadata"]
        elif "managedFields" in new["metadata"]:
            kept["metadata"] = {**old["metadata"], "managedFields": new["metadata"]["managedFields"]}
        else:
            kept["metadata"] = {name: item for name, item in old["metadata"].items() if name != "managedFields"}
        new.clear()
        new.update(kept)
        if written:
            new["status"] = status
    elif subresource == "":
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]


def with_propagation(finalizers: list[str], propagation: str) -> list[str]:
    """Return the finalizers that a delete with a propagation policy leaves, in order (FEATURES row 26)."""
    if not propagation:
        return finalizers
    wanted = {"Foreground": metadata.FOREGROUND, "Orphan": metadata.ORPHAN}.get(propagation)
    kept = [f for f in finalizers if f not in {metadata.FOREGROUND, metadata.ORPHAN} or f == wanted]
    return kept if wanted is None or wanted in kept else [*kept, wanted]
