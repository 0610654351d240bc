"""Signing requests: CertificateSigningRequests go when nobody can want them any more (the CSR cleaner)."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from storage.bus import WatchBus
from watchd.controllers.expiry import Expiry
from watchd.registry.store import Store

Object = dict[str, Any]

HOUR_MS = 3_600_000

SETTLED_MS = HOUR_MS
"""How long a request stays that is answered: its client has fetched the certificate, or has been told no."""

PENDING_MS = 24 * HOUR_MS
"""How long a request stays that waits for an answer or for its certificate."""


def signing_requests(store: Store, bus: WatchBus) -> Expiry:
    """Return what removes requests whose time is over."""
    endpoint = store.registry.hub("certificates.k8s.io", "certificatesigningrequests")
    return Expiry(store, bus, endpoint, expiry_ms, name="signing-requests")


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
