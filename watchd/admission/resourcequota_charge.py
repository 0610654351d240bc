"""Charge: what one write counts for, held against the ResourceQuotas of its namespace (resourcequota/controller.go, CheckRequest)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

import attrs
import trio

from storage.types import Stored
from watchd.registry.attributes import Attributes, Object, Operation
from watchd.registry.quota.amounts import add, more, only, read, text, write
from watchd.registry.quota.usage import Amounts, Counted, Pods, counted, has_deadline, scopes_of
from watchd.registry.registry import Endpoint
from watchd.registry.store import Store
from watchd.registry.view import load_hub
from watchd.schema.quantity import Quantity
from watchd.status import Reason, StatusError, forbidden

ZERO = Quantity(0)


@attrs.frozen
class Bill:
    """What is asked of one quota."""

    quota: Object
    delta: Amounts


class Charge:
    """One write, and what it counts for."""

    def __init__(self, store: Store, quotas: Endpoint, attributes: Attributes) -> None:
        self._store = store
        self._quotas = quotas
        self._attributes = attributes
        # One object is counted once, by whichever of its names it is made.
        home = attributes.kind.home
        self._rules: Counted = counted(home.group, home.names.plural)
        self.bills: list[Bill] = []
        self.refused: StatusError | None = None
        self.judged = False
        """Whether it has been charged or refused."""

    @property
    def handled(self) -> bool:
        """Whether a write of this sort can ask for more."""
        attributes = self._attributes
        created = attributes.operation is Operation.CREATE
        if isinstance(self._rules, Pods):
            if attributes.subresource or created:
                return not attributes.subresource if created else attributes.subresource == "resize"
            return has_deadline(attributes.object or {}) != has_deadline(attributes.old or {})
        if attributes.subresource == "status" and self._rules.plural == "persistentvolumeclaims":
            return not created
        return not attributes.subresource and (created or self._rules.on_update)

    def load(self, stored: Iterable[Stored]) -> list[Object]:
        """Return stored quotas as objects."""
        return [load_hub(self._quotas.kind, item) for item in stored]

    def check(self, quotas: Sequence[Object]) -> list[Bill]:
        """Return what is asked of which quota. Raises StatusError 403 where that is too much, or cannot be told."""
        interesting = [quota for quota in quotas if self._counts(quota, self._attributes.object or {})]
        for quota in interesting:
            self._demand(quota)
        bills = [Bill(quota, delta) for quota, delta in zip(interesting, self._deltas(interesting), strict=True) if delta]
        for bill in bills:
            self.after(bill.quota, bill.delta)
        return bills

    def _counts(self, quota: Object, obj: Object) -> bool:
        hard = (quota.get("status") or {}).get("hard") or {}
        return bool(self._rules.matching(hard)) and self._rules.counts(obj, scopes_of(quota))

    def _demand(self, quota: Object) -> None:
        """Refuse an object that does not say what has to be counted, and a quota that is not counted yet."""
        name, status = quota["metadata"]["name"], quota.get("status") or {}
        names = self._rules.matching(status.get("hard") or {})
        missing = self._rules.missing(names, self._attributes.object or {})
        if missing:
            raise self._forbidden(f"failed quota: {name}: {missing}")
        if any(resource not in (status.get("used") or {}) for resource in names):
            raise self._forbidden(f"status unknown for quota: {name}, resources: {','.join(names)}")

    def _deltas(self, quotas: Sequence[Object]) -> list[Amounts]:
        """Return how much more than now each quota is to bear."""
        attributes, now_ms = self._attributes, self._store.clock.now_ms()
        usage = self._rules.usage(attributes.object or {}, now_ms)
        negative = sorted(name for name, value in usage.items() if value < ZERO)
        if negative:
            raise self._forbidden(f"quota usage is negative for resource(s): {','.join(negative)}")
        difference = usage
        if attributes.operation is Operation.UPDATE and attributes.old is not None:
            difference = more(usage, self._rules.usage(attributes.old, now_ms))
        out = []
        for quota in quotas:
            # What was not counted before is charged whole.
            before = attributes.old is not None and self._counts(quota, attributes.old)
            delta = difference if before else usage
            hard = (quota.get("status") or {}).get("hard") or {}
            out.append(only({name: value for name, value in delta.items() if value.sign()}, hard))
        return out

    def after(self, quota: Object, delta: Amounts) -> Amounts:
        """Return what is used of a quota with the object. Raises StatusError 403 where that is too much."""
        status = quota.get("status") or {}
        hard, used = read(status.get("hard")), read(status.get("used"))
        after = add(used, delta)
        exceeded = [name for name in delta if name in hard and after[name] > hard[name]]
        if exceeded and self._attributes.subresource != "status":
            asked, had, limit = (text(only(amounts, exceeded)) for amounts in (delta, used, hard))
            raise self._forbidden(f"exceeded quota: {quota['metadata']['name']}, requested: {asked}, used: {had}, limited: {limit}")
        return after

    def _forbidden(self, why: str) -> StatusError:
        attributes = self._attributes
        return forbidden(attributes.kind.group, attributes.kind.names.plural, attributes.name, why)

    async def update(self, quota: Object, change: Callable[[Object], Awaitable[Object]]) -> None:
        """Write the status of a quota. One that went meanwhile limits nothing."""
        meta = quota["metadata"]
        try:
            await self._store.update(
                self._quotas, meta["namespace"], meta["name"], change, subresource="status", uid=meta["uid"], validate=False
            )
        except StatusError as error:
            if error.reason not in {Reason.NOT_FOUND, Reason.CONFLICT}:
                raise


async def make_all(charges: Sequence[Charge], stored: Iterable[Stored]) -> None:
    """Charge several writes, one after the other, with one write of each quota; tell each that is refused.

    What a quota was charged for a write that another one refuses is found again by counting.
    """
    quotas = charges[0].load(stored)
    for charge in charges:
        try:
            charge.bills = charge.check(quotas)
        except StatusError as error:
            charge.refused = error
            continue
        for bill in charge.bills:
            _set_used(bill.quota, charge.after(bill.quota, bill.delta))
    for quota in quotas:
        asking = [(charge, bill) for charge in charges for bill in charge.bills if bill.quota is quota]
        if asking:
            await _charge(quota, asking)
    for charge in charges:
        charge.judged = True


async def _charge(quota: Object, asking: Sequence[tuple[Charge, Bill]]) -> None:
    refused: dict[Charge, StatusError] = {}

    async def change(current: Object) -> Object:
        await trio.lowlevel.checkpoint()
        refused.clear()
        for charge, bill in asking:
            # The quota may be another one than was looked at: somebody has lowered it.
            try:
                _set_used(current, charge.after(current, bill.delta))
            except StatusError as error:
                refused[charge] = error
        return current

    try:
        await asking[0][0].update(quota, change)
    except StatusError as error:
        refused = {charge: error for charge, _ in asking}
    for charge, why in refused.items():
        charge.refused = why


def _set_used(quota: Object, used: Amounts) -> None:
    quota["status"] = {**(quota.get("status") or {}), "used": write(used)}
