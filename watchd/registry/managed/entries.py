"""managedFields: entries of an object's metadata, and the sets of the managers that they stand for.

After apimachinery's util/managedfields/internal (managedfields.go, capmanagers.go). Reading a set is remembered by the
bytes of its FieldsV1, since most objects of a kind are owned alike.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import attrs
import orjson

from watchd.registry.managed.errors import InvalidManagedFields, manager_text
from watchd.registry.managed.fieldset import FieldSet
from watchd.schema.goscalars import TypeMismatch, canonical_time
from watchd.status import go_quote

Entry = dict[str, Any]
"""A metav1.ManagedFieldsEntry."""

APPLY = "Apply"
UPDATE = "Update"
FIELDS_V1 = "FieldsV1"

UNKNOWN_MANAGER = "unknown"
"""The name of a manager without one."""

MAX_UPDATE_MANAGERS = 10
"""Entries of operation Update that an object may have before the oldest become one (DefaultMaxUpdateManagers)."""

ANCIENT_CHANGES = "ancient-changes"
"""The manager of the entries that became one."""

CACHE_BYTES = 8 << 20
"""Bytes of FieldsV1 whose sets are remembered; the sets themselves take about ten times as much, at the very most."""

CACHE_ENTRY_BYTES = 64 << 10
"""Bytes of the largest FieldsV1 that is remembered: one huge object must not push out all others."""

_TEXTS = ("manager", "operation", "apiVersion", "fieldsType", "subresource")


class Identity(NamedTuple):
    """Who a set belongs to. An applier has one set, whatever version it applies at; an updater one for each version."""

    manager: str
    operation: str
    api_version: str
    """Empty for operation Apply."""
    subresource: str = ""

    @property
    def order(self) -> bytes:
        """What the reference sorts identities by: their JSON."""
        fields = {"manager": self.manager, "operation": self.operation, "apiVersion": self.api_version}
        return orjson.dumps({k: v for k, v in (*fields.items(), ("subresource", self.subresource)) if v})

    @property
    def text(self) -> str:
        """How conflicts name the manager."""
        return manager_text(self.manager, self.api_version, self.subresource, applied=self.operation == APPLY)


def identity(manager: str, operation: str, api_version: str, subresource: str = "") -> Identity:
    """Name the owner of a set."""
    return Identity(manager, operation, "" if operation == APPLY else api_version, subresource)


@attrs.frozen
class Owned:
    """What one manager owns, and the version at which its paths are to be read."""

    fields: FieldSet
    api_version: str
    applied: bool
    time: str = ""
    """RFC 3339, whole seconds; empty where there is none."""
    entry: Entry | None = attrs.field(default=None, eq=False)
    """The entry that says exactly this, where it can be used again."""

    def owning(self, fields: FieldSet) -> Owned:
        """Return the same with other fields."""
        return self if fields is self.fields else Owned(fields, self.api_version, self.applied, self.time)

    def again(self, later: Owned) -> Owned:
        """Return a later state of the same manager; where only the time differs, the entry's fields are used again."""
        return later if self.entry is None or self.fields != later.fields else self.at(later.time)

    def at(self, time: str) -> Owned:
        """Return the same at another time; the entry's fields are used again."""
        if time == self.time:
            return self
        entry = None if self.entry is None else {**self.entry, "time": time}
        return Owned(self.fields, self.api_version, self.applied, time, entry)


Managers = dict[Identity, Owned]


def is_reset(managed: Any) -> bool:
    """Tell whether a client asks for all ownership to be forgotten: an empty list, or one with one empty entry."""
    if not isinstance(managed, list) or len(managed) > 1:
        return False
    return not managed or (isinstance(managed[0], dict) and not any(managed[0].get(name) for name in (*_TEXTS, *_REST)))


_REST = ("time", "fieldsV1")


def decode(managed: Any, *, reuse: bool = False, known: Sequence[Entry] = ()) -> Managers:
    """Read managedFields.

    Args:
        managed: the field as it is in an object; None for none.
        reuse: whether the entries are the server's own, so that unchanged ones can be written again as they are.
        known: entries of the server's own; those that come back as they were can be written again too.

    Raises:
        InvalidManagedFields: an entry cannot be read.

    """
    out: Managers = {}
    if managed is None:
        return out
    if not isinstance(managed, list):
        raise InvalidManagedFields("managedFields must be a list")
    for index, entry in enumerate(managed):
        if not reuse and entry in known:
            who, owned = _decode_entry(known[known.index(entry)], index, reuse=True)
        else:
            who, owned = _decode_entry(entry, index, reuse=reuse)
        out[who] = owned
    return out


def validate(managed: Any) -> None:
    """Hold managedFields, as an admission plugin left them, to what can be read. Raises InvalidManagedFields."""
    decode(managed)


def _decode_entry(entry: Any, index: int, *, reuse: bool) -> tuple[Identity, Owned]:
    if not isinstance(entry, dict):
        raise InvalidManagedFields(f"managed fields entry {index} is not an object")
    get = entry.get
    operation, api_version, fields_type = get("operation"), get("apiVersion"), get("fieldsType")
    if operation not in (APPLY, UPDATE):
        raise InvalidManagedFields("operation must be `Apply` or `Update`")
    if not api_version:
        raise InvalidManagedFields("apiVersion must not be empty")
    if fields_type != FIELDS_V1:
        if not fields_type:
            raise InvalidManagedFields(f"missing fieldsType in managed fields entry {index}")
        raise InvalidManagedFields(f"invalid fieldsType {go_quote(str(fields_type))} in managed fields entry {index}")
    time = get("time") or ""
    if not reuse:
        for name in _TEXTS:
            if not isinstance(get(name) or "", str):
                raise InvalidManagedFields(f"{name} of managed fields entry {index} is not a string")
        time = _time(time, index)
    owned = Owned(_cache.read(get("fieldsV1")), api_version, operation == APPLY, time, entry if reuse else None)
    who = Identity(get("manager") or "", operation, "" if owned.applied else api_version, get("subresource") or "")
    return who, owned


def _time(time: Any, index: int) -> str:
    if not time:
        return ""
    if not isinstance(time, str):
        raise InvalidManagedFields(f"time of managed fields entry {index} is not a string")
    try:
        return canonical_time(time)
    except TypeMismatch as e:
        raise InvalidManagedFields(f"time of managed fields entry {index}: {e}") from e


def encode(managers: Managers) -> list[Entry]:
    """Write managedFields, in the reference's order. Entries that say the same as before are the old ones."""
    return [owned.entry if owned.entry is not None else _encode_entry(who, owned, owned.fields.to_fields()) for who, owned in _ordered(managers)]


def _ordered(managers: Managers) -> Iterable[tuple[Identity, Owned]]:
    return sorted(managers.items(), key=_entry_order) if len(managers) > 1 else managers.items()


def settled(managers: Managers) -> Managers:
    """Return what managers will be read as, with reuse, when they have been written: each with its entry, in their order."""
    out: Managers = {}
    for index, (who, owned) in enumerate(_ordered(managers)):
        if owned.entry is not None:
            out[who] = owned
            continue
        # Most objects of a kind are owned alike: they share FieldsV1 as they share sets.
        text = orjson.dumps(owned.fields.tree)
        alike = _cache.sets.get(text)
        if alike is not None and alike.written is not None:
            entry = _encode_entry(who, owned, alike.written)
            out[who] = Owned(alike, owned.api_version, owned.applied, owned.time, entry)
            continue
        entry = _encode_entry(who, owned, owned.fields.to_fields())
        again, out_owned = _decode_entry(entry, index, reuse=True)
        entry["fieldsV1"] = out_owned.fields.shared(entry["fieldsV1"])
        # The trie is FieldsV1 in the order in which the object names its fields, as the next one of its kind will.
        _cache.keep(text, out_owned.fields)
        out[again] = out_owned
    return out


def _entry_order(item: tuple[Identity, Owned]) -> tuple[str, ...]:
    who, owned = item
    return (who.operation, owned.time, who.manager, owned.api_version, who.subresource)


def _encode_entry(who: Identity, owned: Owned, fields: dict[str, Any]) -> Entry:
    out: Entry = {"manager": who.manager} if who.manager else {}
    out |= {"operation": who.operation, "apiVersion": owned.api_version}
    if owned.time:
        out["time"] = owned.time
    out |= {"fieldsType": FIELDS_V1, "fieldsV1": fields}
    if who.subresource:
        out["subresource"] = who.subresource
    return out


def capped(managers: Managers, limit: int = MAX_UPDATE_MANAGERS) -> Managers:
    """Keep the entries of operation Update to a number: the oldest of one version become one."""
    updaters = [who for who, owned in managers.items() if not owned.applied]
    left = len(updaters)
    if left <= limit:
        return managers
    updaters.sort(key=lambda who: (managers[who].time, who.order))
    out = dict(managers)
    first: dict[str, Identity] = {}
    for who in updaters:
        if left <= limit:
            break
        owned = managers[who]
        bucket = Identity(ANCIENT_CHANGES, UPDATE, owned.api_version)
        if owned.api_version not in first:
            first[owned.api_version] = who
            continue
        if who == bucket:
            # The reference would lose this entry: it deletes what it has just merged.
            continue
        if bucket not in out:
            out[bucket] = out.pop(first[owned.api_version])
        # The time of the younger of the two.
        fields = owned.fields | out[bucket].fields
        del out[who]
        out[bucket] = Owned(fields, owned.api_version, applied=False, time=owned.time)
        left -= 1
    return out


def keep_times(new: Sequence[Entry], old: Sequence[Entry]) -> list[Entry]:
    """Give entries their old times back, for an object that is otherwise unchanged.

    The caller has found all but managedFields equal. Entries that differ in more than their times are all left as they
    are, so that a write that changes nothing but times changes nothing at all (apiserver's
    IgnoreManagedFieldsTimestampsTransformer).
    """
    if len(new) != len(old) or any(_timeless(a) != _timeless(b) for a, b in zip(new, old, strict=True)):
        return list(new)
    return list(old)


def _timeless(entry: Mapping[str, Any]) -> Entry:
    return {name: item for name, item in entry.items() if name != "time"}


_FIELDS = frozenset((*_TEXTS, "time", "fieldsV1"))


def is_plain(managed: Any) -> bool:
    """Tell whether managedFields are as this server writes them, so that decoding them by type would change nothing.

    Most requests bring back what they were given: to look into each field that somebody owns would cost more than all else
    of the metadata.
    """
    return isinstance(managed, list) and bool(managed) and all(map(_is_plain, managed))


def _is_plain(entry: Any) -> bool:
    if not isinstance(entry, dict) or not entry.keys() <= _FIELDS or not isinstance(entry.get("fieldsV1"), dict):
        return False
    for name, item in entry.items():
        if name != "fieldsV1" and (not isinstance(item, str) or not item):
            return False
    time = entry.get("time")
    return time is None or _is_canonical(time)


def _is_canonical(time: str) -> bool:
    try:
        return canonical_time(time) == time
    except TypeMismatch:
        return False


class _Cache:
    """Sets by the bytes of their FieldsV1, the least recently used first to go."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self.sets: OrderedDict[bytes, FieldSet] = OrderedDict()

    def read(self, fields: Any) -> FieldSet:
        """Return the set that FieldsV1 stands for. Raises InvalidManagedFields."""
        try:
            data = orjson.dumps(fields)
        except TypeError as e:
            raise InvalidManagedFields(f"error decoding set: {e}") from e
        found = self.sets.get(data)
        if found is not None:
            self.sets.move_to_end(data)
            return found
        made = FieldSet.from_fields(fields)
        self.keep(data, made)
        return made

    def keep(self, data: bytes, fields: FieldSet) -> None:
        """Remember the set that FieldsV1 stand for, in whatever order they are written."""
        if data in self.sets or len(data) > CACHE_ENTRY_BYTES:
            return
        self.sets[data] = fields
        self.size += len(data)
        while self.size > self.limit:
            gone, _ = self.sets.popitem(last=False)
            self.size -= len(gone)


_cache = _Cache(CACHE_BYTES)


def owned_by(managers: Iterable[Owned]) -> dict[str, FieldSet]:
    """Return what all managers own together, by version."""
    out: dict[str, FieldSet] = {}
    for owned in managers:
        before = out.get(owned.api_version)
        out[owned.api_version] = owned.fields if before is None else before | owned.fields
    return out
