"""The table of controllers that sleep until there is something for them: what wakes each, and how it is made.

Their modules are imported then: a server that has none of their objects pays for a cursor each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from storage.bus import WatchBus
from storage.types import Scope
from watchd.controllers.dormant import Dormant
from watchd.controllers.supervision import Controller
from watchd.registry.quota.ledger import Ledger
from watchd.registry.store import Store

if TYPE_CHECKING:
    from watchd.controllers.account_tokens import Sign

TOKEN_SECRETS = ("type", "kubernetes.io/service-account-token")
"""The tag of Secrets with tokens; the module that has this name for it is not needed before."""

# ruff: noqa: PLC0415 - modules are imported by what needs them, see above


class Needs(msgspec.Struct, frozen=True):
    """What controllers are made of."""

    store: Store
    bus: WatchBus
    ledger: Ledger
    sign: Sign
    ca_pem: str


def _quotas(needs: Needs) -> Controller:
    from watchd.controllers.quotas import Quotas

    return Quotas(needs.store, needs.bus, needs.ledger)


def _slices(needs: Needs) -> Controller:
    from watchd.controllers.endpoint_slices import EndpointSlices

    return EndpointSlices(needs.store, needs.bus)


def _endpoints(needs: Needs) -> Controller:
    from watchd.controllers.endpoints import Endpoints

    return Endpoints(needs.store, needs.bus)


def _tokens(needs: Needs) -> Controller:
    from watchd.controllers.account_tokens import AccountTokens

    return AccountTokens(needs.store, needs.bus, needs.sign, needs.ca_pem)


def _jobs(needs: Needs) -> Controller:
    from watchd.controllers.finished_jobs import finished_jobs

    return finished_jobs(needs.store, needs.bus)


def _requests(needs: Needs) -> Controller:
    from watchd.controllers.signing_requests import signing_requests

    return signing_requests(needs.store, needs.bus)


def _claims(needs: Needs) -> Controller:
    from watchd.controllers.protection import ClaimProtection

    return ClaimProtection(needs.store, needs.bus)


def _volumes(needs: Needs) -> Controller:
    from watchd.controllers.protection import VolumeProtection

    return VolumeProtection(needs.store, needs.bus)


def _classes(needs: Needs) -> Controller:
    from watchd.controllers.protection import ClassProtection

    return ClassProtection(needs.store, needs.bus)


def _pods(needs: Needs) -> Controller:
    from watchd.controllers.pod_garbage import PodGarbage

    return PodGarbage(needs.store, needs.bus)


def _migrations(needs: Needs) -> Controller:
    from watchd.controllers.storage_migrations import StorageMigrations

    return StorageMigrations(needs.store, needs.bus)


class _Row(msgspec.Struct, frozen=True):
    """One controller."""

    make: Callable[[Needs], Controller]
    group: str
    plural: str
    tag: tuple[str, str] | None = None
    ignored: frozenset[str] = frozenset()
    """Paths of objects that are always there."""


TABLE = {
    "resource-quotas": _Row(_quotas, "", "resourcequotas"),
    "endpoint-slices": _Row(_slices, "", "services", ignored=frozenset({"default/kubernetes"})),
    "endpoints": _Row(_endpoints, "discovery.k8s.io", "endpointslices"),
    "pod-garbage": _Row(_pods, "", "pods"),
    "account-tokens": _Row(_tokens, "", "secrets", TOKEN_SECRETS),
    "finished-jobs": _Row(_jobs, "batch", "jobs"),
    "signing-requests": _Row(_requests, "certificates.k8s.io", "certificatesigningrequests"),
    "claim-protection": _Row(_claims, "", "persistentvolumeclaims"),
    "volume-protection": _Row(_volumes, "", "persistentvolumes"),
    "class-protection": _Row(_classes, "storage.k8s.io", "volumeattributesclasses"),
    "storage-migrations": _Row(_migrations, "storagemigration.k8s.io", "storageversionmigrations"),
}
"""By name: what wakes a controller, and how it is made."""


def dormant(needs: Needs) -> dict[str, Controller]:
    """Return the controllers of the table."""
    return {name: _dormant(needs, row) for name, row in TABLE.items()}


def _dormant(needs: Needs, row: _Row) -> Dormant:
    scope: Scope = needs.store.registry.hub(row.group, row.plural).scope(tag=row.tag)
    return Dormant(needs.store.log, needs.bus, [scope], lambda: row.make(needs), ignored=row.ignored)
