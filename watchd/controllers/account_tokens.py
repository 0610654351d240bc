"""Account tokens: Secrets of type kubernetes.io/service-account-token are filled, and go with their ServiceAccount."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import trio

from storage.bus import WatchBus
from storage.types import Op, Record, Stored, path_of
from watchd.controllers.following import follow
from watchd.controllers.worklist import Worklist
from watchd.registry.builtin.core.secret import SERVICE_ACCOUNT_NAME, SERVICE_ACCOUNT_TOKEN
from watchd.registry.store import Store
from watchd.registry.value import header_of
from watchd.registry.view import load_hub
from watchd.registry.writes import Deletion
from watchd.status import Reason, StatusError

Object = dict[str, Any]

Sign = Callable[[Object, Object], str]
"""From a ServiceAccount and the Secret that the token lives and dies with, to the token."""

SERVICE_ACCOUNT_UID = "kubernetes.io/service-account.uid"

CA, TOKEN, NAMESPACE = "ca.crt", "token", "namespace"


class AccountTokens:
    """Fills token Secrets, also where somebody took parts of them away."""

    def __init__(self, store: Store, bus: WatchBus, sign: Sign, ca_pem: str) -> None:
        """`ca_pem` is the certificate that clients verify the server with; empty where there is none."""
        self._store = store
        self._bus = bus
        self._sign = sign
        self._ca_pem = ca_pem
        self._secrets = store.registry.hub("", "secrets")
        self._accounts = store.registry.hub("", "serviceaccounts")
        self._work: Worklist[tuple[str, str]] = Worklist("account-tokens", self._look_at)
        self._named: dict[tuple[str, str], set[str]] = {}
        """Namespace and ServiceAccount -> names of its Secrets."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled or the log closes."""
        log, bus = self._store.log, self._bus
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._work.run)
            await nursery.start(follow, log, bus, self._secrets.scope(tag=("type", SERVICE_ACCOUNT_TOKEN)), self._on_secret)
            await nursery.start(follow, log, bus, self._accounts.scope(), self._on_account)
            task_status.started()

    async def _on_secret(self, seen: Stored | Record) -> None:
        await trio.lowlevel.checkpoint()
        if header_of(seen.header).fields.get("type") != SERVICE_ACCOUNT_TOKEN:
            return
        namespace, _, name = path_of(seen.key).partition("/")
        account = (load_hub(self._secrets.kind, seen)["metadata"].get("annotations") or {}).get(SERVICE_ACCOUNT_NAME, "")
        named = self._named.setdefault((namespace, account), set())
        if isinstance(seen, Record) and seen.op is Op.DELETE:
            named.discard(name)
            if not named:
                del self._named[namespace, account]
            return
        named.add(name)
        self._work.add((namespace, name))

    async def _on_account(self, seen: Stored | Record) -> None:
        await trio.lowlevel.checkpoint()
        if isinstance(seen, Record):
            namespace, _, account = path_of(seen.key).partition("/")
            for name in self._named.get((namespace, account), ()):
                self._work.add((namespace, name))

    async def _look_at(self, path: tuple[str, str]) -> None:
        namespace, name = path
        stored = await self._store.log.get(self._secrets.key(namespace, name))
        if stored is None or header_of(stored.header).deleting:
            return
        secret = load_hub(self._secrets.kind, stored)
        if secret.get("type") != SERVICE_ACCOUNT_TOKEN:
            return
        meta = secret["metadata"]
        account = await self._account(namespace, meta.get("annotations") or {})
        try:
            if account is None:
                await self._store.delete(self._secrets, namespace, name, Deletion(uid=meta["uid"]))
            elif self._filled(secret, account) != secret:
                await self._fill(secret, account)
        except StatusError as error:
            # Another Secret has its name now, which is looked at in its turn.
            if error.reason is not Reason.CONFLICT:
                raise

    async def _account(self, namespace: str, annotations: Object) -> Object | None:
        """Return the ServiceAccount that a Secret names, or None where it is gone."""
        stored = await self._store.log.get(self._accounts.key(namespace, annotations.get(SERVICE_ACCOUNT_NAME, "")))
        if stored is None:
            return None
        account = load_hub(self._accounts.kind, stored)
        wanted = annotations.get(SERVICE_ACCOUNT_UID, "")
        return account if not wanted or wanted == account["metadata"]["uid"] else None

    def _filled(self, secret: Object, account: Object) -> Object:
        """Return a Secret with all that it lacks."""
        meta, data = secret["metadata"], dict(secret.get("data") or {})
        if self._ca_pem:
            data[CA] = base64.b64encode(self._ca_pem.encode()).decode()
        data.setdefault(NAMESPACE, base64.b64encode(meta["namespace"].encode()).decode())
        if not data.get(TOKEN):
            data[TOKEN] = base64.b64encode(self._sign(account, secret).encode()).decode()
        annotations = {**(meta.get("annotations") or {}), SERVICE_ACCOUNT_UID: account["metadata"]["uid"]}
        return {**secret, "metadata": {**meta, "annotations": annotations}, "data": data}

    async def _fill(self, secret: Object, account: Object) -> None:
        meta = secret["metadata"]

        async def change(current: Object) -> Object:
            await trio.lowlevel.checkpoint()
            return self._filled(current, account)

        await self._store.update(self._secrets, meta["namespace"], meta["name"], change, uid=meta["uid"])
