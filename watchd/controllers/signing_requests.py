"""Signing requests: CertificateSigningRequests go when nobody can want them any more (the CSR cleaner)."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import trio

from storage.bus import WatchBus
from storage.types import Key, Op, Record, Stored, path_of
from watchd.controllers.deadlines import Deadlines
from watchd.controllers.following import follow
from watchd.controllers.worklist import Worklist
from watchd.registry.store import Store
from watchd.registry.view import load_hub
from watchd.registry.writes import Deletion
from watchd.status import Reason, StatusError

Object = dict[str, Any]

HOUR_MS = 3_600_000

SETTLED_MS = HOUR_MS
"""How long a request stays that is answered: its client has fetched the certificate, or has been told no."""

PENDING_MS = 24 * HOUR_MS
"""How long a request stays that waits for an answer or for its certificate."""


class SigningRequests:
    """Removes requests whose time is over."""

    def __init__(self, store: Store, bus: WatchBus) -> None:
        self._store = store
        self._bus = bus
        self._requests = store.registry.hub("certificates.k8s.io", "certificatesigningrequests")
        self._work: Worklist[Key] = Worklist("signing-requests", self._remove)
        self._deadlines = Deadlines(store.clock, self._due)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled or the log closes."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._work.run)
            nursery.start_soon(self._deadlines.run)
            await follow(self._store.log, self._bus, self._requests.scope(), self._on_request, task_status=task_status)
            nursery.cancel_scope.cancel()

    async def _on_request(self, seen: Stored | Record) -> None:
        await trio.lowlevel.checkpoint()
        gone = isinstance(seen, Record) and seen.op is Op.DELETE
        self._deadlines.set(seen.key, None if gone else expiry_ms(load_hub(self._requests.kind, seen)))

    async def _due(self, key: Key) -> None:
        await trio.lowlevel.checkpoint()
        self._work.add(key)

    async def _remove(self, key: Key) -> None:
        stored = await self._store.log.get(key)
        if stored is None:
            return
        request = load_hub(self._requests.kind, stored)
        at_ms = expiry_ms(request)
        if at_ms is None or at_ms > self._store.clock.now_ms():
            self._deadlines.set(key, at_ms)
            return
        try:
            await self._store.delete(self._requests, "", path_of(key), Deletion(uid=request["metadata"]["uid"]))
        except StatusError as error:
            if error.reason is not Reason.CONFLICT:
                raise


def expiry_ms(request: Object) -> int | None:
    """Return when a request's time is over, in milliseconds since the epoch; None for one that goes already."""
    meta, status = request["metadata"], request.get("status") or {}
    if "deletionTimestamp" in meta:
        return None
    certificate = status.get("certificate")
    conditions = status.get("conditions") or ()
    found = [] if conditions else [_ms(meta["creationTimestamp"]) + PENDING_MS]
    for condition in conditions:
        time = condition.get("lastUpdateTime")
        if time and condition["type"] == "Denied":
            found.append(_ms(time) + SETTLED_MS)
        elif time and condition["type"] == "Approved":
            found.append(_ms(time) + (SETTLED_MS if certificate else PENDING_MS))
    if certificate:
        found.extend(_not_after_ms(certificate))
    return min(found, default=None)


def _ms(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp() * 1000)


def _not_after_ms(encoded: str) -> list[int]:
    """Return when a certificate (base64 of PEM) expires; nothing for one that cannot be read."""
    # Only here: most servers never see a certificate of their clients.
    from cryptography import x509  # noqa: PLC0415 - see above

    try:
        certificate = x509.load_pem_x509_certificate(base64.b64decode(encoded))
    except ValueError:
        return []
    return [int(certificate.not_valid_after_utc.astimezone(UTC).timestamp() * 1000)]
