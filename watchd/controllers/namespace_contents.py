"""What every namespace has: its `default` ServiceAccount and the `kube-root-ca.crt` ConfigMap (many tools wait for both)."""

from __future__ import annotations

import logging
from functools import partial

import trio

from storage.bus import WatchBus
from storage.errors import StorageError
from storage.types import Op, Record, Stored, path_of
from watchd.controllers.following import follow
from watchd.registry.builtin.core.namespace import INITIAL
from watchd.registry.registry import Endpoint
from watchd.registry.store import Store
from watchd.registry.value import header_of
from watchd.registry.view import load
from watchd.status import Reason, StatusError

SERVICE_ACCOUNT = "default"
ROOT_CA = "kube-root-ca.crt"

DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."
)
"""The reference's own annotation of these ConfigMaps."""

EXPECTED = frozenset({Reason.NOT_FOUND, Reason.FORBIDDEN, Reason.ALREADY_EXISTS})
"""How a create may end in the ordinary course of things."""

RETRY_SECONDS = 2.0
"""Before a write that failed is tried again: a disk that is full stays so for a while."""

logger = logging.getLogger(__name__)


class NamespaceContents:
    """Makes both objects in each namespace, again where they were deleted."""

    def __init__(self, store: Store, bus: WatchBus, ca_pem: str) -> None:
        """`ca_pem` is the certificate that clients verify the server with; empty where there is none."""
        self._store = store
        self._bus = bus
        registry = store.registry
        self._namespaces = registry.hub("", "namespaces")
        self._accounts = registry.hub("", "serviceaccounts")
        self._config_maps = registry.hub("", "configmaps")
        self._ca_pem = ca_pem
        self._nursery: trio.Nursery | None = None
        """For what has to be tried again; set while it runs."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Follow namespaces and the two objects, until cancelled or the log closes."""
        log, bus = self._store.log, self._bus
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for endpoint, name in ((self._accounts, SERVICE_ACCOUNT), (self._config_maps, ROOT_CA)):
                scope = endpoint.scope(tag=("metadata.name", name))
                await nursery.start(partial(follow, log, bus, scope, self._on_object, present=False))
            # Those of a new server are whole when it is ready; what thousands of others lack does not hold a start up.
            for name in INITIAL:
                await self._fill(name)
            nursery.start_soon(follow, log, bus, self._namespaces.scope(), self._on_namespace)
            task_status.started()

    async def _on_namespace(self, seen: Stored | Record) -> None:
        if (isinstance(seen, Record) and seen.op is Op.DELETE) or header_of(seen.header).deleting:
            return
        await self._fill(path_of(seen.key))

    async def _on_object(self, seen: Stored | Record) -> None:
        namespace, _, name = path_of(seen.key).rpartition("/")
        if name in {SERVICE_ACCOUNT, ROOT_CA} and isinstance(seen, Record):
            await self._fill(namespace)

    async def _fill(self, namespace: str, wait_seconds: float = 0) -> None:
        """Make both objects; where the log cannot take them now, try again later."""
        await trio.sleep(wait_seconds)
        try:
            await self._make(namespace)
        except (StatusError, StorageError) as error:
            # The namespace goes, or somebody else was first: both are fine.
            if isinstance(error, StatusError) and error.reason in EXPECTED:
                return
            logger.warning("namespace %s lacks its first objects: %s", namespace, error)
            if self._nursery is not None:
                self._nursery.start_soon(self._fill, namespace, RETRY_SECONDS)

    async def _make(self, namespace: str) -> None:
        await self._ensure(self._accounts, namespace, {"metadata": {"name": SERVICE_ACCOUNT}})
        if self._ca_pem:
            metadata = {"name": ROOT_CA, "annotations": {"kubernetes.io/description": DESCRIPTION}}
            await self._ensure(self._config_maps, namespace, {"metadata": metadata, "data": {"ca.crt": self._ca_pem}})

    async def _ensure(self, endpoint: Endpoint, namespace: str, obj: dict[str, object]) -> None:
        """Make an object, or bring the ConfigMap's data up to date."""
        gvk = endpoint.kind.gvk(endpoint.version.name)
        obj = {"apiVersion": str(gvk.group_version), "kind": gvk.kind, **obj}
        name = obj["metadata"]["name"]  # type: ignore[index] # built just above
        stored = await self._store.log.get(endpoint.key(namespace, name))
        if stored is None:
            await self._store.create(endpoint, namespace, obj)
        elif "data" in obj and load(endpoint.kind, endpoint.version.name, stored).get("data") != obj["data"]:

            async def refresh(current: dict[str, object]) -> dict[str, object]:
                await trio.lowlevel.checkpoint()
                return {**current, "data": obj["data"]}

            await self._store.update(endpoint, namespace, name, refresh)
