"""The Scheme: which kinds there are, at which versions, and the way from one to another."""

from __future__ import annotations

from collections.abc import Iterator

from conversion.codec import Object
from conversion.errors import AlreadyRegistered, NotConvertible, UnknownKind
from conversion.gvk import GroupVersion, GroupVersionKind, version_priority
from conversion.hub import Hub


class Scheme:
    """A registry of kinds; definitions come and go while it is in use.

    Readers on the event loop see each change whole: every method is one step without a checkpoint.
    """

    def __init__(self) -> None:
        self._hubs: dict[tuple[str, str], Hub] = {}
        self._by_version: dict[GroupVersionKind, Hub] = {}

    def register(self, hub: Hub) -> None:
        """Add a kind. Raises AlreadyRegistered."""
        if (hub.group, hub.kind) in self._hubs:
            raise AlreadyRegistered(hub.group, hub.kind)
        self._hubs[hub.group, hub.kind] = hub
        self._by_version.update((hub.gvk(version), hub) for version in hub.versions)

    def unregister(self, group: str, kind: str) -> Hub:
        """Remove a kind and return it. Raises UnknownKind."""
        hub = self.hub(group, kind)
        del self._hubs[group, kind]
        for version in hub.versions:
            del self._by_version[hub.gvk(version)]
        return hub

    def replace(self, hub: Hub) -> None:
        """Put a kind in the place of the registered one, or add it."""
        if (hub.group, hub.kind) in self._hubs:
            self.unregister(hub.group, hub.kind)
        self.register(hub)

    def hub(self, group: str, kind: str) -> Hub:
        """Return a kind of a group. Raises UnknownKind."""
        try:
            return self._hubs[group, kind]
        except KeyError as e:
            raise UnknownKind(GroupVersionKind(group, "", kind)) from e

    def versions(self, group: str, kind: str) -> tuple[str, ...]:
        """Return a kind's versions, the preferred one first. Raises UnknownKind."""
        return tuple(sorted(self.hub(group, kind).versions, key=version_priority))

    def stored(self, gvk: GroupVersionKind) -> GroupVersionKind:
        """Return what objects of a kind are stored as. Raises UnknownKind."""
        return self._hub_of(gvk).stored

    def __contains__(self, gvk: GroupVersionKind) -> bool:
        return gvk in self._by_version

    def __iter__(self) -> Iterator[Hub]:
        return iter(tuple(self._hubs.values()))

    def convert(self, obj: Object, to: GroupVersionKind) -> Object:
        """Convert an object from its own apiVersion and kind, through the hub; the input stays as it is.

        The result may share parts of the input. Raises UnknownKind, NotConvertible, ConversionFailed.
        """
        source = kind_of(obj)
        outgoing, incoming = self._hub_of(source), self._hub_of(to)
        if source == to:
            return obj
        if outgoing.stored != incoming.stored:
            raise NotConvertible(source, to)
        return incoming.from_hub(outgoing.to_hub(obj, source.version), to.version)

    def _hub_of(self, gvk: GroupVersionKind) -> Hub:
        try:
            return self._by_version[gvk]
        except KeyError as e:
            raise UnknownKind(gvk) from e


def kind_of(obj: Object) -> GroupVersionKind:
    """Return what an object says it is. Raises UnknownKind where it says nothing that could be a kind."""
    api_version, kind = obj.get("apiVersion"), obj.get("kind")
    if not isinstance(api_version, str) or not isinstance(kind, str) or api_version.count("/") > 1:
        raise UnknownKind(GroupVersionKind("", str(api_version or ""), str(kind or "")))
    version = GroupVersion.parse(api_version)
    return GroupVersionKind(version.group, version.version, kind)
