"""What a write makes of an object beside its metadata: status kept apart, the generation, finalizers and time of a deletion."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

from watchd.registry import metadata
from watchd.registry.value import equal
from watchd.seams import rfc3339

if TYPE_CHECKING:
    from watchd.registry.strategy import Strategy

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


class Grace(Enum):
    """What a delete finds of an object that is left time to end by itself."""

    NONE = "none"
    """Its kind knows no such time, or the time is over: it goes as every object does."""
    BEGUN = "begun"
    """It is marked now, or its time is shorter now."""
    PENDING = "pending"
    """Its time is running, and this delete does not change that."""


def leave_time(obj: Object, strategy: Strategy, asked: int | None, now_ms: int) -> Grace:
    """Mark an object whose deletion begins with the time that it is left, in place; shorten the time where less is asked for."""
    meta = obj["metadata"]
    wanted = strategy.grace_period(obj, asked)
    if wanted is None:
        return Grace.NONE
    if "deletionTimestamp" not in meta:
        meta["deletionTimestamp"] = rfc3339(now_ms + wanted * 1000)
        meta["deletionGracePeriodSeconds"] = wanted
        if meta.get("generation", 0) > 0:
            meta["generation"] += 1
        return Grace.BEGUN
    left = meta.get("deletionGracePeriodSeconds")
    if not left:
        return Grace.NONE
    if asked is None or asked >= left:
        return Grace.PENDING
    end = datetime.fromisoformat(meta["deletionTimestamp"]) + timedelta(seconds=asked - left)
    meta["deletionTimestamp"] = rfc3339(int(end.timestamp()) * 1000)
    meta["deletionGracePeriodSeconds"] = asked
    return Grace.BEGUN
