"""The CustomResourceDefinition controller: accepts names, installs kinds, and cleans up behind those that go (FEATURES H)."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import trio

from conversion.webhook import NewUid
from storage.bus import WatchBus
from storage.errors import StorageError
from storage.types import Op, Record, Revision, Scope, Stored, path_of
from watchd.controllers.following import follow
from watchd.crd import conditions, names
from watchd.crd.conversion import Calls, no_calls
from watchd.crd.definitions import CLEANUP_FINALIZER, GROUP
from watchd.crd.install import kind_of
from watchd.crd.reading import alike, read
from watchd.registry.kind import Kind
from watchd.registry.registry import Endpoint
from watchd.registry.store import Store
from watchd.registry.value import header_of
from watchd.status import Reason, StatusError, not_found

Object = dict[str, Any]

PLURAL = "customresourcedefinitions"

RETRY_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Between two looks at objects that wait for their finalizers: soon at first, then rarely."""

FAILURE_WAIT_SECONDS = 1.0
"""Before a definition whose handling failed is looked at again."""

logger = logging.getLogger(__name__)


class Definitions:
    """Keeps the Registry's custom kinds as the definitions say."""

    def __init__(self, store: Store, bus: WatchBus, calls: Calls = no_calls, new_uid: NewUid = str) -> None:
        self._store = store
        self._calls = calls
        self._new_uid = new_uid
        self._bus = bus
        self._endpoint = store.registry.hub(GROUP, PLURAL)
        self._known: defaultdict[str, dict[str, Object]] = defaultdict(dict)
        """Every definition as it was seen last, by group and name: names are taken within a group."""
        self._installed: dict[str, Object] = {}
        """Name -> what was installed for it, so that nothing is installed twice."""
        self._at_rest: dict[str, Revision] = {}
        """Name -> the revision at which `load` found that nothing has to be done for it."""
        self._cleaning: set[str] = set()
        """uids: a definition that is made again under the same name is another one."""

    async def load(self) -> None:
        """Install what was established before the start, so that it is served from the first request on."""
        kinds: list[Kind] = []
        for stored in await self._store.walk(self._endpoint):
            name, definition = path_of(stored.key), self._read(stored)
            group = self._group(name)
            group[name] = definition
            if conditions.is_true(definition, conditions.ESTABLISHED):
                if (kind := self._new_kind(definition)) is not None:
                    kinds.append(kind)
                    self._installed[name] = definition
                accepted = names.accept(definition, group.values())
                if "deletionTimestamp" not in definition["metadata"] and self._with_status(definition, accepted)["status"] == definition["status"]:
                    self._at_rest[name] = stored.revision
        await self._store.registry.install_all(kinds)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled or the log closes."""
        async with trio.open_nursery() as nursery:

            async def on_definition(seen: Stored | Record) -> None:
                await self._on_definition(seen, nursery)

            nursery.start_soon(follow, self._store.log, self._bus, self._endpoint.scope(), on_definition)
            task_status.started()

    async def follow(
        self, seen: Callable[[Revision], None], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Install and uninstall what another process has settled, until cancelled or the log closes.

        `seen` is told up to which revision that is done.
        """
        present: set[str] = set()

        async def on_definition(change: Stored | Record) -> None:
            if isinstance(change, Record) and change.op is Op.DELETE:
                self._uninstall(path_of(change.key))
            else:
                present.add(path_of(change.key))
                definition = self._read(change)
                if conditions.is_true(definition, conditions.ESTABLISHED):
                    await self._install(definition)
            if isinstance(change, Record):
                # The state comes in the order of the names: none of its parts says anything of the others.
                seen(change.revision)

        def whole(revision: Revision) -> None:
            for name in self._installed.keys() - present:
                self._uninstall(name)
            seen(revision)

        scope = self._endpoint.scope()
        await follow(
            self._store.log, self._bus, scope, on_definition, again=present.clear, whole=whole, task_status=task_status
        )

    @property
    def scope(self) -> Scope:
        """Of all definitions."""
        return self._endpoint.scope()

    def _group(self, name: str) -> dict[str, Object]:
        """Return what is known of a definition's group, itself included. It is called after its plural and its group."""
        return self._known[name.partition(".")[2]]

    def _read(self, seen: Stored | Record) -> Object:
        return read(self._endpoint.kind, self._endpoint.version.name, seen)

    async def _on_definition(self, seen: Stored | Record, nursery: trio.Nursery) -> None:
        name = path_of(seen.key)
        if self._at_rest.pop(name, None) == seen.revision:
            return
        if isinstance(seen, Record) and seen.op is Op.DELETE:
            gone = self._group(name).pop(name, None)
            self._uninstall(name)
            if gone is not None:
                await self._settle_group(name, nursery)
            return
        definition = self._group(name)[name] = self._read(seen)
        if "deletionTimestamp" in definition["metadata"]:
            if conditions.is_true(definition, conditions.ESTABLISHED):
                await self._install(definition)
            uid = definition["metadata"]["uid"]
            if CLEANUP_FINALIZER in definition["metadata"].get("finalizers", ()) and uid not in self._cleaning:
                self._cleaning.add(uid)
                nursery.start_soon(self._clean_up, name, uid)
            return
        await self._settle(name, nursery)

    async def _settle_group(self, name: str, nursery: trio.Nursery) -> None:
        """Look again at the definitions of a definition's group: a name may have become free."""
        for other, definition in list(self._group(name).items()):
            if "deletionTimestamp" not in definition["metadata"]:
                await self._settle(other, nursery)

    async def _settle(self, name: str, nursery: trio.Nursery) -> None:
        """Bring a definition's status and what is installed for it up to date."""
        group = self._group(name)
        definition = group.get(name)
        if definition is None:
            return
        accepted = names.accept(definition, group.values())
        wanted = self._with_status(definition, accepted)

        async def change(current: Object) -> Object:
            await trio.lowlevel.checkpoint()
            return self._with_status(current, names.accept(current, group.values()))

        try:
            if conditions.is_true(wanted, conditions.ESTABLISHED):
                # Served before it says so: a client that saw Established finds it there.
                await self._install(wanted)
            if wanted["status"] == definition["status"]:
                return
            written = await self._store.update(self._endpoint, "", name, change, subresource="status")
        except (StatusError, StorageError) as error:
            if isinstance(error, StatusError) and error.reason is Reason.NOT_FOUND:
                return
            logger.warning("the status of definition %s could not be written: %s", name, error)
            nursery.start_soon(self._later, name, nursery)
            return
        if name not in group:
            # It went while a later attempt was under way.
            return
        group[name] = written.object
        if written.object["status"].get("acceptedNames") != definition["status"].get("acceptedNames"):
            # It may have given up a name that another one waits for.
            await self._settle_group(name, nursery)

    async def _later(self, name: str, nursery: trio.Nursery) -> None:
        await trio.sleep(FAILURE_WAIT_SECONDS)
        definition = self._group(name).get(name)
        if definition is not None and "deletionTimestamp" not in definition["metadata"]:
            await self._settle(name, nursery)

    def _with_status(self, definition: Object, accepted: names.Accepted) -> Object:
        """Return a definition with the status that its names come to."""
        status = definition.get("status") or {}
        found = [dict(condition) for condition in status.get("conditions") or ()]
        wanted = {**definition, "status": {**status, "conditions": found, "acceptedNames": accepted.names}}
        conditions.set_condition(wanted, accepted.condition, self._store.clock)
        if accepted.established is not None:
            # Installing and serving are one here: what the reference says for a moment in between is never seen.
            installing = accepted.established is conditions.INSTALLING
            condition = conditions.INITIAL_NAMES_ACCEPTED if installing else accepted.established
            conditions.set_condition(wanted, condition, self._store.clock)
        return wanted

    async def _install(self, definition: Object) -> None:
        kind = self._new_kind(definition)
        if kind is not None:
            await self._store.registry.install(kind)
            self._installed[definition["metadata"]["name"]] = definition

    def _new_kind(self, definition: Object) -> Kind | None:
        """Return the kind that a definition makes, or None where just that is installed or the server has one by itself."""
        name = definition["metadata"]["name"]
        installed = self._installed.get(name)
        if installed is not None and alike(installed, definition):
            return None
        known = self._store.registry.kind(definition["spec"]["group"], definition["status"]["acceptedNames"]["plural"])
        if known is not None and not known.uid:
            logger.warning("definition %s names a resource that the server has by itself, which stays what it is", name)
            return None
        return kind_of(definition, self._calls, self._new_uid)

    def _uninstall(self, name: str) -> None:
        if self._installed.pop(name, None) is not None:
            plural, _, group = name.partition(".")
            self._store.registry.uninstall(group, plural)

    # Deletion

    async def _clean_up(self, name: str, uid: str) -> None:
        """Delete the objects of a definition, then let the definition go."""
        attempt = 0
        try:
            while not await self._try_to_clean_up(name, uid):
                await trio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
                attempt += 1
        finally:
            self._cleaning.discard(uid)

    async def _try_to_clean_up(self, name: str, uid: str) -> bool:
        """Delete what can be deleted now; tell whether that was the end of the definition."""
        plural, _, group = name.partition(".")
        try:
            if name not in self._installed:
                await self._finish(name, uid, conditions.NEVER_ESTABLISHED)
                return True
            endpoint = self._store.registry.hub(group, plural)
            await self._report(name, uid, conditions.DELETION_IN_PROGRESS)
            if await self._delete_all(endpoint, name, uid):
                return False
            await self._finish(name, uid, conditions.DELETION_COMPLETED)
        except (StatusError, StorageError) as error:
            if isinstance(error, StatusError) and error.reason in {Reason.NOT_FOUND, Reason.CONFLICT}:
                # It is gone, or another one of the same name stands there.
                return True
            logger.warning("the objects of definition %s cannot be removed yet: %s", name, error)
            return False
        return True

    async def _delete_all(self, endpoint: Endpoint, definition: str, uid: str) -> int:
        """Delete all objects; return how many are left. Raises StatusError 404 once the definition is gone."""
        found = await self._store.walk(endpoint)
        # Looked at after the objects: what was found is this definition's, and none of one that was made again meanwhile.
        current = await self._store.log.get(self._endpoint.key("", definition))
        if current is None or header_of(current.header).uid != uid:
            raise not_found(GROUP, PLURAL, definition)
        return await self._store.delete_each(endpoint, found)

    async def _report(self, name: str, uid: str, condition: conditions.Condition) -> None:
        async def change(current: Object) -> Object:
            await trio.lowlevel.checkpoint()
            conditions.set_condition(current, condition, self._store.clock)
            return current

        await self._store.update(self._endpoint, "", name, change, subresource="status", uid=uid, validate=False)

    async def _finish(self, name: str, uid: str, condition: conditions.Condition) -> None:
        await self._report(name, uid, condition)

        async def change(current: Object) -> Object:
            await trio.lowlevel.checkpoint()
            kept = [f for f in current["metadata"].get("finalizers", []) if f != CLEANUP_FINALIZER]
            current["metadata"]["finalizers"] = kept
            if not kept:
                del current["metadata"]["finalizers"]
            return current

        await self._store.update(self._endpoint, "", name, change, uid=uid, validate=False)
