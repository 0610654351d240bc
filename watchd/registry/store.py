"""Store: writes and reads objects under the rules of their kind. Verbs and controllers go through it alike.

The way of a write (DESIGN section 3): default, Admission.mutate, Strategy.prepare, validate, Admission.validate, convert to the
hub, encode, append. A lost race starts again from a fresh read.

The file is long: the ways of create, update and delete stand side by side, because their order is what makes them right. What is asked and
answered is in writes.py, what is refused in refusals.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, TypeVar

import orjson
import trio

from conversion.webhook import Unconverted
from storage import errors as storage_errors
from storage.log import Log
from storage.types import NOTHING, Check, Key, Op, Record, Revision, Stored, Write, path_of
from watchd.registry import metadata, refusals, translated
from watchd.registry.attributes import Admission, Attributes, Operation
from watchd.registry.changes import Grace, leave_time, same_content, split_status, with_propagation
from watchd.registry.finalizers import finalizer_names
from watchd.registry.managed.texts import Known
from watchd.registry.managed.tracking import reset_fields, set_managed, settle_times
from watchd.registry.registry import Endpoint, Registry
from watchd.registry.stock import Stock
from watchd.registry.strategy import NOT_ENFORCED
from watchd.registry.value import encode, header_of, says_the_same, stored_at_hub
from watchd.registry.view import load, load_hub, load_known
from watchd.registry.writes import CONTROLLER, Caller, Change, Deletion, Written
from watchd.seams import Clock, Entropy, rfc3339
from watchd.status import (
    FieldError,
    Reason,
    StatusError,
    conflict,
    invalid,
    not_found,
)

Object = dict[str, Any]

COUNT_KEYS = 5_000
"""Keys counted in one go: about a millisecond of the loop."""

ObserveAppend = Callable[[float], None]
"""Told how long an append took, in seconds."""

_UNSHIELDED: AbstractContextManager[None] = nullcontext()
"""A scope costs what a lookup in the log does, and most writes need none."""

W = TypeVar("W", "Written", "Written | None")

GENERATE_ATTEMPTS = 8
"""How often a generated name that is taken is made anew, as the reference does."""

SCAN_PAGE = 500
"""Keys looked at in one go while a collection is walked: about a millisecond of the loop."""


class Store:
    """Objects of all installed kinds."""

    def __init__(
        self,
        log: Log,
        registry: Registry,
        *,
        clock: Clock,
        entropy: Entropy,
        admission: Admission,
        observe_append: ObserveAppend = lambda _: None,
    ) -> None:
        self.log = log
        self.registry = registry
        self.clock = clock
        self._entropy = entropy
        self._admission = admission
        self._observe_append = observe_append
        self.stocks: dict[tuple[str, str], Stock] = {}
        """By group and plural: where objects of the kind take addresses and the like from."""

    async def get(self, endpoint: Endpoint, namespace: str, name: str) -> Stored:
        """Return the newest value. Raises StatusError 404."""
        stored = await self.log.get(endpoint.key(namespace, name))
        if stored is None:
            raise not_found(endpoint.group, endpoint.resource, name)
        return stored

    async def find(self, group: str, plural: str, namespace: str, name: str) -> Object:
        """Return an object at its hub version, decoded. Raises StatusError 404."""
        endpoint = self.registry.hub(group, plural)
        stored = await self.get(endpoint, namespace, name)
        await translated.ready(endpoint.kind, endpoint.version.name, [stored])
        return load(endpoint.kind, endpoint.version.name, stored)

    async def walk(self, endpoint: Endpoint, namespace: str = "") -> list[Stored]:
        """Return a whole collection as it is while it is walked. For controllers and small collections."""
        items: list[Stored] = []
        start: Key | None = None
        while True:
            page = await self.log.scan(endpoint.prefix(namespace), start=start, limit=SCAN_PAGE)
            items += page.items
            if page.next is None:
                return items
            start = page.next
            await trio.lowlevel.checkpoint()

    async def counts(self) -> dict[str, int]:
        """Count the objects of each kind, by its storage name. Walks over all keys, in slices."""
        found: dict[str, int] = {}
        for endpoint in self.registry.hubs:
            if endpoint.kind.storage_name in found:
                continue
            prefix = endpoint.prefix()
            total, start = 0, None
            while True:
                counted = await self.log.count(prefix, start=start, limit=COUNT_KEYS)
                total, start = total + counted.keys, counted.next
                await trio.lowlevel.checkpoint()
                if start is None:
                    break
            found[endpoint.kind.storage_name] = total
        return found

    # Create

    async def create(
        self, endpoint: Endpoint, namespace: str, obj: Object, caller: Caller = CONTROLLER, *, tracked: bool = False
    ) -> Written:
        """Store a new object. Takes over `obj`, which is at the endpoint's version.

        `tracked` tells that its managedFields are those that it is to have.

        Raises StatusError: 409 AlreadyExists, 422 Invalid, what admission refuses, what the log fails with.
        """
        generated = bool(obj["metadata"].get("generateName"))
        attempts = GENERATE_ATTEMPTS if generated and not obj["metadata"].get("name") else 1
        original = orjson.dumps(obj)
        # What a client sends is nobody else's; controllers and appliers hold on to parts of theirs.
        first = obj if caller is not CONTROLLER and not tracked else None
        for attempt in range(attempts):
            try:
                return await self._create(endpoint, namespace, original, first, caller, tracked=tracked)
            except StatusError as error:
                if error.reason is not Reason.ALREADY_EXISTS or not generated:
                    raise
                if attempt == attempts - 1:
                    raise refusals.no_name_left(error) from error
            first = None
        raise AssertionError("unreachable")

    async def _create(
        self, endpoint: Endpoint, namespace: str, original: bytes, first: Object | None, caller: Caller, *, tracked: bool
    ) -> Written:
        """Store a new object, made of its JSON; `first` is the same, for the first time that it is asked for."""
        strategy = endpoint.kind.strategy
        while True:
            obj, first = orjson.loads(original) if first is None else first, None
            attributes = self._attributes(Operation.CREATE, endpoint, namespace, obj, None, "", caller)
            metadata.check_namespace(obj["metadata"], namespace, namespaced=endpoint.kind.namespaced)
            (strategy.default_applied if tracked else strategy.default)(obj)
            metadata.drop_server_owned(obj["metadata"])
            written = None if tracked else self._track(endpoint, obj, None, None, "", caller)
            await self._admission.mutate(attributes)
            metadata.prepare_create(obj["metadata"], clock=self.clock, entropy=self._entropy)
            attributes.name = obj["metadata"].get("name", "")
            stored = await self._held(attributes, partial(self._create_admitted, endpoint, attributes, obj, caller, written))
            if stored is not None:
                return stored
            await trio.lowlevel.checkpoint()

    async def _create_admitted(
        self, endpoint: Endpoint, attributes: Attributes, obj: Object, caller: Caller, written: Known | None
    ) -> Written | None:
        """Prepare, validate and store a new object that admission has had; None for a race that is lost."""
        kind, strategy = endpoint.kind, endpoint.kind.strategy
        if strategy.generation:
            obj["metadata"]["generation"] = 1
        if endpoint.version.status and strategy.status_reset:
            kind.drop_status(obj, endpoint.version.name)
        strategy.prepare_create(obj, clock=self.clock, entropy=self._entropy)
        strategy.record(obj, None, "", user=caller.user, time=rfc3339(self.clock.now_ms()))
        problems = metadata.validate_create(obj["metadata"], namespaced=kind.namespaced, name_format=strategy.name_format)
        warnings: list[str] = []
        problems += finalizer_names(kind, obj["metadata"])
        self._refuse(endpoint, obj, problems + strategy.judge(obj, None, "", warnings.append))
        if not strategy.enforced and caller is not CONTROLLER:
            warnings.append(NOT_ENFORCED)
        # Of what is refused nothing is to be warned of.
        caller.warnings.extend(warnings)
        await self._admission.validate(attributes)
        if endpoint.version.status and strategy.status_reset:
            # What is stored is read with its defaults, and the status that was dropped may have one.
            strategy.default_status(obj)
        key = endpoint.key(attributes.namespace, attributes.name)
        if caller.dry_run:
            if (found := await self.log.get(key)) is not None:
                raise refusals.taken(endpoint, attributes.name, found)
            return Written(await _as_stored(endpoint, obj), None, created=True)
        metadata.drop_resource_version(obj["metadata"])
        try:
            with _shielded(attributes):
                stored = await self._put(endpoint, key, obj, NOTHING, attributes.checks, written)
        except storage_errors.Conflict as error:
            if error.key == key:
                raise refusals.taken(endpoint, attributes.name, await self.log.get(key)) from error
            return None
        _set_revision(obj, stored.revision)
        return Written(obj, stored, created=True)

    async def _held(self, attributes: Attributes, write: Callable[[], Awaitable[W]]) -> W:
        """Write while the kind's stock holds what the object takes of it, and tell the stock how it ended."""
        kind = attributes.kind
        stock = self.stocks.get((kind.group, kind.names.plural)) if self.stocks and not attributes.subresource else None
        if stock is None:
            return await self._told(attributes, write)
        # A write that was handed over is stored even where its caller is cancelled, and its outcome has to be known here.
        with trio.CancelScope(shield=True):
            settle = await stock.take(attributes)
            stored = False
            try:
                written = await self._told(attributes, write)
                stored = written is not None and not written.removed and not attributes.dry_run
            finally:
                await settle(stored)
        return written

    @staticmethod
    async def _told(attributes: Attributes, write: Callable[[], Awaitable[W]]) -> W:
        """Write, and tell the admission members that asked for it how it ended."""
        stored = False
        try:
            written = await write()
            stored = written is not None and not written.removed
        finally:
            for tell in attributes.ended:
                tell(stored)
        return written

    async def _removed(self, endpoint: Endpoint, written: Written, caller: Caller) -> Written:
        """Give back what an object had that is removed now."""
        if written.removed and self.stocks and not caller.dry_run:
            stock = self.stocks.get((endpoint.group, endpoint.resource))
            if stock is not None:
                with trio.CancelScope(shield=True):
                    await stock.removed(written.object)
        return written

    # Update

    async def update(
        self,
        endpoint: Endpoint,
        namespace: str,
        name: str,
        change: Change,
        caller: Caller = CONTROLLER,
        *,
        subresource: str = "",
        uid: str = "",
        attempts: int | None = None,
        validate: bool = True,
        create: Callable[[], Awaitable[Object]] | None = None,
        tracked: bool = False,
        replaces: bool = False,
    ) -> Written:
        """Change an object.

        Args:
            endpoint: the version at which `change` sees the object.
            namespace: of the object.
            name: of the object.
            change: makes the new object from a copy of the current one.
            caller: who asks.
            subresource: "" for the object itself.
            uid: precondition, or empty.
            attempts: how many lost races are borne (a 409 then), or None for as many as it takes. A resourceVersion in the new
                object that is not the current one is a 409 at once.
            validate: whether the result is held against the rules of its kind. The server's own controllers take finalizers and
                owners away also from objects that newer rules would refuse.
            create: makes the object where there is none, for kinds that are created on update, and for apply.
            tracked: whether `change` and `create` give the objects the managedFields that they are to have.
            replaces: whether `change` makes its object of nothing of the current one, which it then does not get a copy of.

        Raises StatusError: 404, 409, 422, what admission refuses, what the log fails with.

        """
        key = endpoint.key(namespace, name)
        attempt = 0
        while True:
            attempt += 1
            stored = await self.log.get(key)
            if stored is None:
                if create is None:
                    raise not_found(endpoint.group, endpoint.resource, name)
                if uid:
                    # Whoever names a uid means an object that was there, and must not bring it back as another one.
                    raise conflict(endpoint.group, endpoint.resource, name, refusals.other_uid(endpoint, key, uid, ""))
                try:
                    return await self.create(endpoint, namespace, await create(), caller, tracked=tracked)
                except StatusError as error:
                    if error.reason is not Reason.ALREADY_EXISTS:
                        raise
                    continue
            await translated.ready(endpoint.kind, endpoint.version.name, [stored])
            try:
                old, known = load_known(endpoint.kind, endpoint.version.name, stored)
                new = await change(old if replaces else load(endpoint.kind, endpoint.version.name, stored))
                self._check_preconditions(endpoint, name, stored, uid, old, new)
                attributes = self._attributes(Operation.UPDATE, endpoint, namespace, new, old, subresource, caller)
                metadata.check_namespace(new["metadata"], namespace, namespaced=endpoint.kind.namespaced)
                strategy = endpoint.kind.strategy
                (strategy.default_applied if tracked else strategy.default)(new)
                written = None if tracked else self._track(endpoint, new, old, known, subresource, caller)
            except Unconverted as missing:
                await translated.fetch(missing)
                attempt -= 1
                continue
            await self._admission.mutate(attributes)
            write = partial(self._update_admitted, endpoint, attributes, stored, new, old, caller, written, validate=validate)
            try:
                ended = await self._held(attributes, write)
                return await self._removed(endpoint, ended, caller)
            except storage_errors.Conflict as error:
                if error.key == key and attempts is not None and attempt >= attempts:
                    raise conflict(endpoint.group, endpoint.resource, name) from error
            await trio.lowlevel.checkpoint()

    def _check_preconditions(self, endpoint: Endpoint, name: str, stored: Stored, uid: str, old: Object, new: Object) -> None:
        """Compare the uid asked for and the new object's resourceVersion with what is stored."""
        old_uid = old["metadata"].get("uid", "")
        if uid and uid != old_uid:
            raise conflict(endpoint.group, endpoint.resource, name, refusals.other_uid(endpoint, stored.key, uid, old_uid))
        revision = refusals.parse_resource_version(new["metadata"].get("resourceVersion") or "")
        if revision == NOTHING:
            if not endpoint.kind.strategy.unconditional_update:
                metadata.require_resource_version({}, group=endpoint.group, resource=endpoint.resource, name=name)
        elif revision != stored.revision:
            raise conflict(endpoint.group, endpoint.resource, name)

    async def _update_admitted(
        self,
        endpoint: Endpoint,
        attributes: Attributes,
        stored: Stored,
        new: Object,
        old: Object,
        caller: Caller,
        written: Known | None,
        *,
        validate: bool,
    ) -> Written:
        """Prepare, validate and store a changed object that admission has had."""
        await self._prepare_update(endpoint, attributes, new, old, validate=validate)
        with _shielded(attributes):
            finished = await self._finish_update(endpoint, stored.key, stored, new, old, caller, attributes.checks, written)
        return finished  # noqa: RET504 - a return inside could be swallowed with a cancellation, as far as types tell

    async def _prepare_update(
        self, endpoint: Endpoint, attributes: Attributes, new: Object, old: Object, *, validate: bool
    ) -> None:
        kind, strategy, subresource = endpoint.kind, endpoint.kind.strategy, attributes.subresource
        metadata.prepare_update(new["metadata"], old["metadata"])
        if endpoint.version.status and strategy.status_reset:
            split_status(new, old, subresource, custom=kind.custom)
        strategy.prepare_update(new, old, subresource)
        strategy.record(new, old, subresource, user=attributes.user, time=rfc3339(self.clock.now_ms()))
        if strategy.generation and not same_content(new, old, status=not endpoint.version.status):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        if validate:
            problems = metadata.validate_update(new["metadata"], old["metadata"], namespaced=kind.namespaced)
            warnings: list[str] = []
            problems += finalizer_names(kind, new["metadata"])
            self._refuse(endpoint, new, problems + strategy.judge(new, old, subresource, warnings.append))
            attributes.warnings.extend(warnings)
        await self._admission.validate(attributes)
        if endpoint.version.status and strategy.status_reset:
            # The rest has its defaults, but for what a write of a subresource took over from the old object.
            (strategy.default if subresource else strategy.default_status)(new)

    async def _finish_update(
        self,
        endpoint: Endpoint,
        key: Key,
        stored: Stored,
        new: Object,
        old: Object,
        caller: Caller,
        checks: list[Check],
        known: Known | None,
    ) -> Written:
        """Write, or leave it where nothing changed, or remove what only its finalizers held."""
        if self._is_gone(endpoint, new):
            _set_revision(new, stored.revision)
            if not caller.dry_run:
                await self._append(Write(key, Op.DELETE, expect=stored.revision), checks)
            return Written(new, None, removed=True)
        if says_the_same(new, old, managed=False):
            settle_times(new, old)
            if says_the_same(new, old) and stored_at_hub(endpoint.kind, stored):
                _set_revision(new, stored.revision)
                fresh = header_of(stored.header).epoch == endpoint.kind.epoch
                return Written(new, stored if fresh and not caller.dry_run else None)
        if caller.dry_run:
            _set_revision(new, stored.revision)
            return Written(await _as_stored(endpoint, new), None)
        written = await self._put(endpoint, key, new, stored.revision, checks, known)
        _set_revision(new, written.revision)
        return Written(new, written)

    @staticmethod
    def _is_gone(endpoint: Endpoint, obj: Object) -> bool:
        """Tell whether a deletion that waited has nothing to wait for any more."""
        meta = obj["metadata"]
        if "deletionTimestamp" not in meta or meta.get("finalizers"):
            return False
        return not meta.get("deletionGracePeriodSeconds") and not endpoint.kind.strategy.finalizers_hold(obj)

    async def amend(
        self, endpoint: Endpoint, namespace: str, name: str, change: Callable[[Object], None], *, dry_run: bool = False
    ) -> Written:
        """Change an object in place past its Strategy, admission and owners, where a subresource is a rule of its own (a Pod's binding).

        Raises StatusError: 404, what `change` raises, what the log fails with.
        """
        key = endpoint.key(namespace, name)
        while True:
            stored = await self.get(endpoint, namespace, name)
            await translated.ready(endpoint.kind, endpoint.version.name, [stored])
            obj = load(endpoint.kind, endpoint.version.name, stored)
            change(obj)
            if dry_run:
                return Written(obj, None)
            try:
                written = await self._put(endpoint, key, obj, stored.revision, [])
            except storage_errors.Conflict:
                await trio.lowlevel.checkpoint()
                continue
            _set_revision(obj, written.revision)
            return Written(obj, written)

    # Delete

    async def delete(
        self,
        endpoint: Endpoint,
        namespace: str,
        name: str,
        deletion: Deletion,
        caller: Caller = CONTROLLER,
    ) -> Written:
        """Remove an object, or mark it where finalizers (or its kind) keep it for now.

        Raises StatusError: 404, 409 for a precondition that does not hold, what admission refuses, what the log fails with.
        """
        key = endpoint.key(namespace, name)
        while True:
            stored = await self.get(endpoint, namespace, name)
            await translated.ready(endpoint.kind, endpoint.version.name, [stored])
            obj = load(endpoint.kind, endpoint.version.name, stored)
            refusals.check_deletion(endpoint, name, deletion, obj)
            attributes = self._attributes(Operation.DELETE, endpoint, namespace, None, obj, "", caller)
            attributes.name = name
            await self._admission.mutate(attributes)
            await self._admission.validate(attributes)
            try:
                return await self._removed(endpoint, await self._delete(endpoint, key, stored, obj, deletion, caller, attributes.checks), caller)
            except storage_errors.Conflict:
                await trio.lowlevel.checkpoint()

    async def _delete(
        self,
        endpoint: Endpoint,
        key: Key,
        stored: Stored,
        obj: Object,
        deletion: Deletion,
        caller: Caller,
        checks: list[Check],
    ) -> Written:
        strategy, meta = endpoint.kind.strategy, obj["metadata"]
        grace = leave_time(obj, strategy, deletion.grace, self.clock.now_ms())
        if grace is Grace.PENDING:
            return Written(obj, stored)
        propagation = deletion.propagation
        orphans = strategy.orphans or (" " if endpoint.version.orphans else "")
        if orphans and not propagation and not {metadata.ORPHAN, metadata.FOREGROUND} & set(meta.get("finalizers") or []):
            propagation = "Orphan"
            caller.warnings.extend(filter(None, [orphans.strip()]))
        finalizers = with_propagation(meta.get("finalizers") or [], propagation)
        waits = grace is Grace.BEGUN and meta["deletionGracePeriodSeconds"]
        if not waits and not finalizers and not strategy.finalizers_hold(obj):
            if not caller.dry_run:
                await self._erase(endpoint, key, stored, obj, checks, marked=grace is Grace.BEGUN)
            return Written(obj, None, removed=True)
        if grace is Grace.NONE and "deletionTimestamp" in meta and finalizers == (meta.get("finalizers") or []):
            return Written(obj, stored)
        if finalizers:
            meta["finalizers"] = finalizers
        else:
            meta.pop("finalizers", None)
        if "deletionTimestamp" not in meta:
            meta["deletionTimestamp"] = rfc3339(self.clock.now_ms())
            meta["deletionGracePeriodSeconds"] = 0
            if meta.get("generation", 0) > 0:
                meta["generation"] += 1
            strategy.on_delete(obj)
        if caller.dry_run:
            return Written(obj, None)
        written = await self._put(endpoint, key, obj, stored.revision, checks)
        _set_revision(obj, written.revision)
        return Written(obj, written)

    async def _erase(self, endpoint: Endpoint, key: Key, stored: Stored, obj: Object, checks: list[Check], *, marked: bool) -> None:
        """Remove an object; of one that is `marked` watchers learn first that its deletion has begun, as in the reference."""
        if marked:
            obj["metadata"].pop("finalizers", None)
            stored = await self._put(endpoint, key, obj, stored.revision, checks)
        try:
            gone = await self._append(Write(key, Op.DELETE, expect=stored.revision), checks)
        except storage_errors.Conflict:
            if marked and await self.log.get(key) is None:
                # Whoever writes a marked object ends it.
                return
            raise
        _set_revision(obj, gone.revision)

    async def delete_each(self, endpoint: Endpoint, found: Sequence[Stored]) -> int:
        """Delete what was found of a kind, by uid; return how many are left, held by finalizers or changed meanwhile."""
        left = 0
        for stored in found:
            namespace, _, name = path_of(stored.key).rpartition("/")
            deletion = Deletion(uid=header_of(stored.header).uid, propagation="Background")
            try:
                written = await self.delete(endpoint, namespace, name, deletion)
            except StatusError as error:
                if error.reason not in {Reason.NOT_FOUND, Reason.CONFLICT}:
                    raise
                left += error.reason is Reason.CONFLICT
            else:
                left += not written.removed
        return left

    async def rewrite(self, endpoint: Endpoint, stored: Stored) -> bool:
        """Write a stored object again as it would be written now; return whether it was written otherwise.

        `endpoint` is the hub's. Raises Conflict where it has been changed meanwhile, StatusError for what its webhook or the log fails with.
        """
        kind, header = endpoint.kind, header_of(stored.header)
        if header.epoch == kind.epoch and stored_at_hub(kind, stored):
            return False
        await translated.ready_at_hub(kind, [stored])
        value = encode(kind, load_hub(kind, stored), time_ms=header.time_ms)
        await self._append(Write(stored.key, Op.PUT, value.header, value.body, value.stamp_at, stored.revision), [])
        return True

    def _track(
        self,
        endpoint: Endpoint,
        new: Object,
        old: Object | None,
        known: Known | None,
        subresource: str,
        caller: Caller,
    ) -> Known | None:
        """Say in the managedFields of an object who owns what now. Before admission, as in the reference.

        `known` is what those of `old` say, where that is known. Returns what was said.
        """
        kind, version = endpoint.kind, endpoint.version
        written = kind.managers.track(
            old,
            new,
            known,
            manager=caller.manager,
            api_version=kind.api_version(version.name),
            time=rfc3339(self.clock.now_ms()),
            subresource=subresource,
            reset_fields=reset_fields(kind, version, subresource),
        )
        set_managed(new, written.entries)
        return written

    # The log

    async def _put(
        self,
        endpoint: Endpoint,
        key: Key,
        obj: Object,
        expect: Revision,
        checks: list[Check],
        known: Known | None = None,
    ) -> Stored:
        kind = endpoint.kind
        hub = await translated.to_hub(kind, obj, endpoint.version.name)
        value = encode(kind, hub, time_ms=self.clock.now_ms(), known=known)
        record = await self._append(Write(key, Op.PUT, value.header, value.body, value.stamp_at, expect), checks)
        return Stored(key, record.revision, record.created, record.header, record.body, record.stamp_at)

    async def _append(self, write: Write, checks: list[Check]) -> Record:
        """Append, and say in the protocol's words what the log fails with. A Conflict passes: the caller starts again."""
        started = trio.current_time()
        try:
            record = await self.log.append(write, checks=checks)
        except storage_errors.Conflict:
            raise
        except storage_errors.KeyTooLong as error:
            message = "the name and namespace together are too long to be stored"
            raise StatusError(Reason.INVALID, message) from error
        except storage_errors.StorageError as error:
            raise refusals.storage_failure(error) from error
        self._observe_append(trio.current_time() - started)
        return record

    def _attributes(
        self,
        operation: Operation,
        endpoint: Endpoint,
        namespace: str,
        new: Object | None,
        old: Object | None,
        subresource: str,
        caller: Caller,
    ) -> Attributes:
        some = new or old or {}
        return Attributes(
            operation=operation,
            kind=endpoint.kind,
            version=endpoint.version,
            namespace=namespace,
            name=some.get("metadata", {}).get("name") or "",
            subresource=subresource,
            object=new,
            old=old,
            dry_run=caller.dry_run,
            user=caller.user,
            warnings=caller.warnings,
        )

    @staticmethod
    def _refuse(endpoint: Endpoint, obj: Object, errors: list[FieldError]) -> None:
        if errors:
            # Of built-in kinds the reference tells what is found twice once, of custom ones each time.
            found = errors if endpoint.kind.behaviour is None else dict(zip(map(str, errors), errors, strict=True)).values()
            raise invalid(endpoint.group, endpoint.kind.names.kind, obj["metadata"].get("name") or "", found)


def _shielded(attributes: Attributes) -> AbstractContextManager[object]:
    """See a write to its end whoever is cancelled, where an admission member waits to be told of that."""
    return trio.CancelScope(shield=True) if attributes.ended else _UNSHIELDED


async def _as_stored(endpoint: Endpoint, obj: Object) -> Object:
    """Return an object as it would be read back: by way of the hub, which may not know all of it. Raises StatusError 500."""
    kind, version = endpoint.kind, endpoint.version.name
    if kind.is_hub(version):
        return obj
    return await translated.from_hub(kind, await translated.to_hub(kind, obj, version), version)


def _set_revision(obj: Object, revision: Revision) -> None:
    obj["metadata"]["resourceVersion"] = str(revision)
