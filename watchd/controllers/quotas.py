"""The ResourceQuota controller: counts what is there, where something went or a quota is new.

Admission charges what is made (watchd.admission.resourcequota); here is counted anew what only counting tells: what quotas have to begin
with, what deletions gave back, pods that came to their end, charges whose object was never stored.
"""

from __future__ import annotations

from typing import Any

import trio

from storage.bus import WatchBus
from storage.errors import Compacted, LogClosed
from storage.types import EVERYTHING, Op, Record, Stored, path_of
from watchd.controllers.following import BATCH_BYTES, BATCH_RECORDS, follow
from watchd.controllers.worklist import Worklist
from watchd.registry.quota.amounts import add, only, read, write
from watchd.registry.quota.ledger import Ledger
from watchd.registry.quota.usage import ALIASES, OWN_RULES, TERMINAL, Amounts, Counted, counted, scopes_of
from watchd.registry.registry import Endpoint
from watchd.registry.store import Store
from watchd.registry.view import load_hub
from watchd.schema.quantity import Quantity
from watchd.status import Reason, StatusError

Object = dict[str, Any]

COUNT = "count/"

UNCOUNTED = frozenset({"events", "resourcequotas"})
"""Core kinds whose deletions are not worth counting: Events never count, quotas are seen anyway."""

ENDED = tuple(f'"phase":"{phase}"'.encode() for phase in sorted(TERMINAL))
"""What stands in the bodies of pods at their end; decoding tells for sure."""


class Quotas:
    """Keeps the status of ResourceQuotas true."""

    def __init__(self, store: Store, bus: WatchBus, ledger: Ledger) -> None:
        self._store = store
        self._bus = bus
        self._ledger = ledger
        self._endpoint = store.registry.hub("", "resourcequotas")
        self._names: dict[str, set[str]] = {}
        """Names of quotas by namespace."""
        self._work: Worklist[str] = Worklist("resource-quotas", self._count)
        """Namespaces to be counted."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled or the log closes."""
        self._ledger.recount = self._work.add
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._work.run)
            # Before the quotas are read: a deletion between the two would be missed.
            await nursery.start(self._watch)
            await nursery.start(follow, self._store.log, self._bus, self._endpoint.scope(), self._on_quota)
            task_status.started()

    async def _watch(self, *, task_status: trio.TaskStatus[None]) -> None:
        """See what goes, of any kind."""
        while True:
            try:
                with self._bus.cursor(EVERYTHING, self._bus.head) as cursor:
                    task_status.started()
                    task_status = trio.TASK_STATUS_IGNORED
                    for namespace in self._names:
                        self._work.add(namespace)
                    while True:
                        for record in (await cursor.next(limit=BATCH_RECORDS, max_bytes=BATCH_BYTES)).records:
                            self._on_change(record)
            except Compacted:
                continue
            except LogClosed:
                task_status.started()
                return

    def _on_change(self, record: Record) -> None:
        namespace, slash, _ = path_of(record.key).partition("/")
        if not slash or namespace not in self._names:
            return
        endpoint = self._store.registry.by_key(record.key)
        if endpoint is None or not endpoint.kind.namespaced:
            return
        plural = "" if endpoint.group else endpoint.resource
        if record.op is Op.DELETE:
            gave_back = plural not in UNCOUNTED
        elif plural == "pods":
            gave_back = any(phase in record.body for phase in ENDED)
        else:
            # They may ask for less than before.
            gave_back = plural in OWN_RULES and bool(record.previous)
        if gave_back:
            self._work.add(namespace)

    async def _on_quota(self, seen: Stored | Record) -> None:
        await trio.lowlevel.checkpoint()
        namespace, _, name = path_of(seen.key).partition("/")
        if isinstance(seen, Record) and seen.op is Op.DELETE:
            names = self._names.get(namespace, set())
            names.discard(name)
            if not names:
                self._names.pop(namespace, None)
            # Quotas can be counted by quotas.
            self._work.add(namespace)
            return
        self._names.setdefault(namespace, set()).add(name)
        quota = load_hub(self._endpoint.kind, seen)
        status = quota.get("status") or {}
        if isinstance(seen, Stored) or status.get("hard") != quota["spec"].get("hard") or "used" not in status:
            self._work.add(namespace)

    async def _count(self, namespace: str) -> None:
        """Count a namespace for all of its quotas, while nobody writes what they count."""
        if namespace not in self._names:
            return
        async with self._ledger.counting(namespace):
            found: dict[str, list[Object]] = {}
            for stored in await self._store.walk(self._endpoint, namespace):
                quota = load_hub(self._endpoint.kind, stored)
                used = await self._usage(namespace, quota, found)
                await self._report(quota, used)

    async def _report(self, quota: Object, counted_now: Amounts) -> None:
        meta = quota["metadata"]

        async def change(current: Object) -> Object:
            await trio.lowlevel.checkpoint()
            hard = current["spec"].get("hard") or {}
            used = {**read((current.get("status") or {}).get("used")), **counted_now}
            return {**current, "status": {"hard": hard, "used": write(only(used, hard))}}

        try:
            await self._store.update(
                self._endpoint, meta["namespace"], meta["name"], change, subresource="status", uid=meta["uid"], validate=False
            )
        except StatusError as error:
            if error.reason not in {Reason.NOT_FOUND, Reason.CONFLICT}:
                raise

    async def _usage(self, namespace: str, quota: Object, found: dict[str, list[Object]]) -> Amounts:
        """Return what is used of a quota. `found` holds the objects of kinds that were read already."""
        hard, scopes, now_ms = quota["spec"].get("hard") or {}, scopes_of(quota), self._store.clock.now_ms()
        total: Amounts = {}
        for endpoint, rules in self._kinds(hard):
            names = rules.matching(hard)
            used: Amounts = {name: Quantity(0) for name in names}
            if type(rules) is Counted:
                used = dict.fromkeys(names, Quantity(0 if scopes else await self._number(endpoint, namespace)))
            else:
                if rules.plural not in found:
                    found[rules.plural] = [load_hub(endpoint.kind, stored) for stored in await self._store.walk(endpoint, namespace)]
                for obj in found[rules.plural]:
                    if rules.counts(obj, scopes):
                        used = add(used, only(rules.usage(obj, now_ms), names))
            total.update(used)
        return total

    def _kinds(self, hard: Object) -> list[tuple[Endpoint, Counted]]:
        """Return the kinds that a quota counts."""
        registry = self._store.registry
        wanted = {("", plural): rules for plural, rules in OWN_RULES.items() if rules.matching(hard)}
        for name in hard:
            plural, _, group = (name.removeprefix(COUNT) if name.startswith(COUNT) else ALIASES.get(name, "")).partition(".")
            kind = registry.kind(group, plural)
            if kind is not None and kind.namespaced and not kind.virtual:
                wanted.setdefault((group, plural), counted(group, plural))
        return [(registry.hub(*key), rules) for key, rules in sorted(wanted.items())]

    async def _number(self, endpoint: Endpoint, namespace: str) -> int:
        """Count the objects of a kind."""
        total, start = 0, None
        while True:
            part = await self._store.log.count(endpoint.prefix(namespace), start=start, limit=BATCH_RECORDS)
            total, start = total + part.keys, part.next
            if start is None:
                return total
            await trio.lowlevel.checkpoint()
