"""View: how a client sees objects of one kind - version, format, projection, selector. GET, LIST and WATCH go through it.

At the hub version in JSON stored bytes are copied; anything else is decoded, converted and encoded (DESIGN section 4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import orjson

from conversion.codec import JSON, Codec
from conversion.gvk import GroupVersion
from storage.bodies import Cut
from storage.types import Key, Record, Stored, path_of
from watchd.registry.kind import Kind
from watchd.registry.managed.texts import TEXTS, Known, unmark
from watchd.registry.value import Header, field_values, fresh_header, head_as, head_of, header_of

Object = dict[str, Any]

LIST_COMMA = b","
"""Between the items of a list in JSON."""

Projection = Callable[[Object], Object]
"""What becomes of an object before it is encoded (its metadata alone, a Table row). Must not change its argument."""


class Form(msgspec.Struct, frozen=True):
    """What a list is that is not a list of the objects themselves."""

    kind: str
    api_version: str
    field: str = "items"
    """What holds the items."""
    extra: Object = msgspec.field(default_factory=dict)
    """Further fields of the list."""


class Selector(Protocol):
    """Which objects are wanted."""

    @property
    def by_namespace(self) -> bool:
        """Whether it asks for metadata.namespace, which the stored header does not have."""

    def matches(self, labels: dict[str, str], fields: dict[str, str]) -> bool:
        """Decide by labels and selectable fields, as the stored header has them."""


def load_hub(kind: Kind, stored: Stored | Record) -> Object:
    """Decode a stored value into an object of the hub version. The caller owns the result."""
    return _at_hub(kind, stored, orjson.loads(stored.body))


def _at_hub(kind: Kind, stored: Stored | Record, obj: Object) -> Object:
    if header_of(stored.header).epoch != kind.epoch:
        # The schema has changed since this was written.
        kind.strategy.settle(obj)
    hub = kind.hub_gvk
    if obj["apiVersion"] == str(hub.group_version) and obj["kind"] == hub.kind:
        return obj
    # Written while another version was the hub, or the kind was called something else.
    version = GroupVersion.parse(obj["apiVersion"]).version
    if obj["kind"] == hub.kind and kind.version(version) is not None:
        return kind.to_hub(obj, version)
    # That version is defined no more, so nothing is known of it: the object must still be readable, and go with its kind.
    return {**obj, "apiVersion": str(hub.group_version), "kind": hub.kind}


def load(kind: Kind, version: str, stored: Stored | Record) -> Object:
    """Decode a stored value into an object at a version, defaults filled in. The caller owns the result."""
    return _at(kind, version, load_hub(kind, stored))


def load_decoded(kind: Kind, version: str, stored: Stored | Record, obj: Object) -> Object:
    """Do what `load` does to what a stored value decodes into, or the part of it that is wanted."""
    return _at(kind, version, _at_hub(kind, stored, obj))


def load_known(kind: Kind, version: str, stored: Stored | Record) -> tuple[Object, Known | None]:
    """Decode like `load`, but for managedFields whose text is known: nobody is to change what is in those.

    Returns the object, and what its managedFields say, or None where that is not known.
    """
    cut = TEXTS.cut(stored.body)
    if cut is not None:
        rest, known = cut
        obj: Object = orjson.loads(rest)
        if unmark(obj):
            obj["metadata"]["managedFields"] = known.entries
            return _at(kind, version, _at_hub(kind, stored, obj)), known
    return load(kind, version, stored), None


def _at(kind: Kind, version: str, obj: Object) -> Object:
    # What is read takes the defaults of the version that is stored; those of custom kinds it took when it was decoded.
    if not kind.custom:
        kind.strategy.default(obj)
    return obj if kind.is_hub(version) else kind.from_hub(obj, version)


class View:
    """One way of seeing a kind. Immutable; watchers that see a kind alike share one (see FrameCache)."""

    __slots__ = ("__weakref__", "_by_namespace", "_fresh", "_head", "_prefix", "codec", "form", "kind", "projection", "selector", "verbatim", "version")

    def __init__(
        self,
        kind: Kind,
        version: str,
        codec: Codec,
        *,
        selector: Selector | None = None,
        projection: Projection | None = None,
        form: Form | None = None,
    ) -> None:
        self.kind = kind
        self.version = version
        self.codec = codec
        self.selector = selector
        self.projection = projection
        self.form = form
        self._by_namespace = kind.namespaced and selector is not None and selector.by_namespace
        self.verbatim = codec.media_type == JSON and projection is None and kind.is_hub(version)
        """Whether stored bytes can be sent as they are, as long as their epoch is current."""
        plain = codec.media_type == JSON and projection is None and kind.differs_in_name(version)
        self._head = head_as(kind.gvk(version)) if plain else b""
        """What stored bytes begin with where they can be sent with another apiVersion."""
        self._fresh = fresh_header(kind) if self.verbatim or plain else b""
        """What the headers of values of the current epoch begin with, where those need not be decoded."""
        self._prefix = 1 + len(head_of(kind)) if self._fresh else 0
        """How long such bytes are up to their metadata."""

    def wants(self, stored: Stored | Record) -> bool:
        """Tell whether the selector takes an object."""
        return self.selector is None or self.takes(stored.key, header_of(stored.header), stored)

    def wanted_before(self, record: Record) -> bool | None:
        """Tell whether the selector took the predecessor of a change, by its header; None where that is of another epoch."""
        if not record.previous_header:
            return False
        if self.selector is None:
            return True
        header = header_of(record.previous_header)
        return self.takes(record.key, header, None) if header.epoch == self.kind.epoch else None

    def takes(self, key: Key, header: Header, stored: Stored | Record | None) -> bool:
        """Decide by a decoded header; `stored` serves to compute the fields anew where its epoch is not current."""
        if self.selector is None:
            return True
        fields = header.fields
        if header.epoch != self.kind.epoch and stored is not None:
            fields = field_values(self.kind, load_hub(self.kind, stored))
        fields = {**fields, "metadata.name": header.name}
        if self._by_namespace:
            fields["metadata.namespace"] = path_of(key).partition("/")[0]
        return self.selector.matches(header.labels, fields)

    def object(self, stored: Stored | Record) -> Object:
        """Return the object as this view shows it, not yet encoded."""
        obj = load(self.kind, self.version, stored)
        return obj if self.projection is None else self.projection(obj)

    def body(self, stored: Stored | Record) -> bytes:
        """Return the encoded object."""
        if self._fresh and stored.header.startswith(self._fresh):
            return stored.body if self.verbatim else b"{" + self._head + stored.body[self._prefix :]
        return self.codec.encode(self.object(stored))

    def list_object(self, stored: Stored) -> Object:
        """Return the object as an item of a list, not yet encoded: those of built-in kinds carry no apiVersion and kind."""
        obj = self.object(stored)
        if not self.kind.custom and self.projection is None:
            del obj["apiVersion"], obj["kind"]
        return obj

    def item(self, stored: Stored) -> bytes:
        """Return the encoded object as an item of a list."""
        kept = self.kept_item(stored)
        return self.codec.item(self.object(stored), named=self.kind.custom or self.projection is not None) if kept is None else kept

    def kept_item(self, stored: Stored) -> bytes | None:
        """Return the object as an item of a list where that is a copy of stored bytes, else None."""
        if not self._fresh or not stored.header.startswith(self._fresh):
            return None
        return self.body(stored) if self.kind.custom else b"{" + stored.body[self._prefix :]

    @property
    def cut(self) -> Cut | None:
        """How objects are put together as a list of stored bytes; None where each one has to be looked at."""
        if not self._fresh or self._by_namespace:
            return None
        wanted = None if self.selector is None else self._wants_header
        if self.verbatim and self.kind.custom:
            return Cut(self._fresh, 0, b"", LIST_COMMA, wanted)
        return Cut(self._fresh, self._prefix, b"{" + (self._head if self.kind.custom else b""), LIST_COMMA, wanted)

    def _wants_header(self, encoded: bytes) -> bool:
        """Tell by a stored header of the current epoch whether the selector takes an object, wherever that is."""
        assert self.selector is not None  # noqa: S101 - asked where there is one
        header = header_of(encoded)
        return self.selector.matches(header.labels, {**header.fields, "metadata.name": header.name})
