"""Registry: the kinds that are installed, and where each is served."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from conversion.codec import Codec
from conversion.gvk import GroupVersionResource
from storage.log import Log
from storage.types import Key, KindId, Scope, kind_of, make_key
from watchd.registry.kind import Kind, Version
from watchd.registry.view import View

NO_STORAGE = KindId(0)
"""The id of kinds that are not stored; those of the log begin with 1."""


class Retirement:
    """Tells those who serve a kind for long that it is served otherwise now, or no longer."""

    def __init__(self) -> None:
        self.done = False
        self._calls: dict[Callable[[], object], None] = {}

    def announce(self) -> None:
        """Say so, once and for all."""
        self.done = True
        for call in tuple(self._calls):
            call()

    def begin_calling(self, call: Callable[[], object]) -> None:
        """Have something called, at once if it has been said already, until `end_calling`."""
        self._calls[call] = None
        if self.done:
            call()

    def end_calling(self, call: Callable[[], object]) -> None:
        """Take `begin_calling` back."""
        del self._calls[call]

    @contextmanager
    def calling(self, call: Callable[[], object]) -> Iterator[None]:
        """Have something called while in the context, at once if it has been said already."""
        self.begin_calling(call)
        try:
            yield
        finally:
            self.end_calling(call)


class Endpoint(msgspec.Struct, frozen=True, eq=False):
    """A kind at one of its served versions: what a request's path leads to."""

    kind: Kind
    version: Version
    id: KindId
    """What the log calls the kind."""
    retirement: Retirement = msgspec.field(default_factory=Retirement)
    _views: dict[Codec, View] = msgspec.field(default_factory=dict)

    @property
    def group(self) -> str:
        """The API group."""
        return self.kind.group

    @property
    def resource(self) -> str:
        """The plural."""
        return self.kind.names.plural

    def view(self, codec: Codec) -> View:
        """Return how the objects are seen in a format, whole and without a selection. There is one of each."""
        found = self._views.get(codec)
        if found is None:
            found = self._views[codec] = View(self.kind, self.version.name, codec)
        return found

    def key(self, namespace: str, name: str) -> Key:
        """Return the key of an object."""
        return make_key(self.id, f"{namespace}/{name}" if self.kind.namespaced else name)

    def prefix(self, namespace: str = "") -> bytes:
        """Return the prefix of a collection: one namespace's, or all."""
        return make_key(self.id, f"{namespace}/" if namespace and self.kind.namespaced else "")

    def scope(self, namespace: str = "", name: str = "", tag: tuple[str, str] | None = None) -> Scope:
        """Return the scope of a watch."""
        if name and (namespace or not self.kind.namespaced):
            return Scope(self.key(namespace, name), exact=True)
        return Scope(self.prefix(namespace), tag=tag)


class Registry:
    """The installed kinds. `generation` changes whenever they do, so that discovery knows when to be made anew."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._kinds: dict[tuple[str, str], Kind] = {}
        self._endpoints: dict[GroupVersionResource, Endpoint] = {}
        self._hubs: dict[tuple[str, str], Endpoint] = {}
        self._by_id: dict[KindId, Kind] = {}
        self.generation = 0

    @property
    def kinds(self) -> list[Kind]:
        """The installed kinds, in the order of their installation."""
        return list(self._kinds.values())

    @property
    def hubs(self) -> list[Endpoint]:
        """The installed kinds that are stored, at their hub versions. A copy: kinds come and go while somebody goes over it."""
        return [endpoint for endpoint in self._hubs.values() if not endpoint.kind.virtual]

    async def install(self, kind: Kind) -> None:
        """Serve a kind, in place of what was installed under its group and plural before. Raises ValueError for one without its hub."""
        await self.install_all([kind])

    async def install_all(self, kinds: Sequence[Kind]) -> None:
        """Serve kinds; those that the log does not know yet are made known to it in one write. Raises as `install` does."""
        await self._log.allot([kind.storage_name for kind in kinds if not kind.virtual])
        ids = self._log.kinds()
        for kind in kinds:
            self._install(kind, NO_STORAGE if kind.virtual else ids[kind.storage_name])

    def _install(self, kind: Kind, kind_id: KindId) -> None:
        hub = kind.version(kind.hub)
        if hub is None:
            raise ValueError(f"{kind.storage_name} has no version {kind.hub}, which is to be its hub")
        self._forget(kind.group, kind.names.plural)
        self._kinds[kind.group, kind.names.plural] = kind
        retirement = Retirement()
        self._hubs[kind.group, kind.names.plural] = Endpoint(kind, hub, kind_id, retirement)
        if not kind.virtual:
            # Of two kinds that share their storage the first one speaks for it.
            self._by_id.setdefault(kind_id, kind)
        for version in kind.versions:
            if version.served:
                self._endpoints[kind.gvr(version.name)] = Endpoint(kind, version, kind_id, retirement)
        self.generation += 1

    def uninstall(self, group: str, plural: str) -> None:
        """Serve a kind no longer."""
        if self._forget(group, plural):
            self.generation += 1

    def _forget(self, group: str, plural: str) -> bool:
        kind = self._kinds.pop((group, plural), None)
        if kind is None:
            return False
        for version in kind.versions:
            self._endpoints.pop(kind.gvr(version.name), None)
        self._hubs.pop((group, plural)).retirement.announce()
        self._by_id = {kind_id: known for kind_id, known in self._by_id.items() if known is not kind}
        return True

    def endpoint(self, group: str, version: str, resource: str) -> Endpoint | None:
        """Return where a resource is served at a version."""
        return self._endpoints.get(GroupVersionResource(group, version, resource))

    def kind(self, group: str, plural: str) -> Kind | None:
        """Return an installed kind."""
        return self._kinds.get((group, plural))

    def hub(self, group: str, plural: str) -> Endpoint:
        """Return an installed kind's endpoint at its hub version, for the server's own use: it may not be served."""
        return self._hubs[group, plural]

    def by_key(self, key: Key) -> Endpoint | None:
        """Return the hub endpoint of a key's kind, or None where it is not installed."""
        kind = self._by_id.get(kind_of(key))
        return None if kind is None else self._hubs[kind.group, kind.names.plural]

    def by_kind(self, group: str, kind_name: str) -> Endpoint | None:
        """Return the hub endpoint of a kind by the name that objects carry, as ownerReferences do."""
        for kind in self._kinds.values():
            if kind.group == group and kind.names.kind == kind_name:
                return self.hub(group, kind.names.plural)
        return None

    def serves_group_version(self, group: str, version: str) -> bool:
        """Tell whether any resource is served at a group version."""
        return any(gvr.group == group and gvr.version == version for gvr in self._endpoints)
