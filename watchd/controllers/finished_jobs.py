"""Finished Jobs: they go, with their pods, when spec.ttlSecondsAfterFinished is over (the TTL-after-finished controller)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from storage.bus import WatchBus
from watchd.controllers.expiry import Expiry
from watchd.registry.store import Store

Object = dict[str, Any]


def finished_jobs(store: Store, bus: WatchBus) -> Expiry:
    """Return what removes Jobs whose time is over."""
    return Expiry(store, bus, store.registry.hub("batch", "jobs"), expiry_ms, name="finished-jobs", propagation="Foreground")


def expiry_ms(job: Object) -> int | None:
    """Return when a Job's time is over, in milliseconds since the epoch; None while it runs, goes already or may stay."""
    seconds = job["spec"].get("ttlSecondsAfterFinished")
    if seconds is None or "deletionTimestamp" in job["metadata"]:
        return None
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["type"] in {"Complete", "Failed"} and condition["status"] == "True":
            time = condition.get("lastTransitionTime")
            return int((datetime.fromisoformat(time).timestamp() + seconds) * 1000) if time else None
    return None
