"""ResourceQuota: nothing is created beyond what a namespace may have (the admission plugin of that name).

What is about to be written is charged to the status of each quota that counts it, and refused where that is more than allowed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import trio

from storage.log import Log
from watchd.registry.attributes import Attributes, Operation
from watchd.registry.lookups import Lookups
from watchd.registry.quota.ledger import Ledger
from watchd.registry.registry import Registry
from watchd.registry.store import Store
from watchd.status import internal

if TYPE_CHECKING:
    from watchd.admission.resourcequota_charge import Charge

QUOTAS = "resourcequotas"

PAGE = 500
"""Quotas of a namespace that are looked at: people have a handful."""

IGNORED = frozenset({("", "events"), ("events.k8s.io", "events")})
"""What is never counted, beside reviews and other objects that are not stored."""


class ResourceQuota:
    """Admission member. `store` is set once there is one: it goes through this very chain."""

    custom_kinds = True

    def __init__(self, log: Log, lookups: Lookups, registry: Registry, ledger: Ledger) -> None:
        self._log = log
        self._lookups = lookups
        self._quotas = registry.hub("", QUOTAS)
        self._ledger = ledger
        self.store: Store | None = None
        self._waiting: dict[str, list[Charge]] = {}
        """Charges that wait for their turn, by namespace."""

    async def mutate(self, attributes: Attributes) -> None:
        """Let pass: what other members fill in counts too."""

    async def validate(self, attributes: Attributes) -> None:
        """Charge what the object counts for. Raises StatusError 403 where that is too much."""
        kind = attributes.kind
        if not kind.namespaced or kind.virtual or attributes.operation is Operation.DELETE or self.store is None:
            return
        if (kind.group, kind.names.plural) in IGNORED:
            return
        prefix = self._quotas.prefix(attributes.namespace)
        if await self._lookups.is_empty(prefix):
            return
        # Only here: most namespaces have no quota, and most servers no namespace that has.
        from watchd.admission.resourcequota_charge import Charge, make_all  # noqa: PLC0415 - see above

        charge = Charge(self.store, self._quotas, attributes)
        if not charge.handled:
            return
        if attributes.dry_run:
            charge.check(charge.load((await self._log.scan(prefix, limit=PAGE)).items))
            return
        namespace = attributes.namespace
        await self._ledger.enter(namespace)
        attributes.ended.append(partial(self._ended, namespace))
        self._waiting.setdefault(namespace, []).append(charge)
        async with self._ledger.charging(namespace):
            # All that wait are charged in one write of each quota, by whoever is the first of them.
            waiting = self._waiting.pop(namespace, [])
            if waiting:
                with trio.CancelScope(shield=True):
                    await make_all(waiting, (await self._log.scan(prefix, limit=PAGE)).items)
        if charge.refused is not None:
            raise charge.refused
        if not charge.judged:
            raise internal("the charge to the quotas of the namespace has failed")

    def _ended(self, namespace: str, stored: bool) -> None:  # noqa: FBT001 - the hook's own form
        self._ledger.leave(namespace, stored=stored)
