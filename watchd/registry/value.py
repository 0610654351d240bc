"""What the log keeps of an object: a small header, and the JSON of the hub version ready to be sent (DESIGN section 4).

The body's layout is fixed: `{"apiVersion":A,"kind":K,"metadata":{"resourceVersion":"N",...},...}`. So the place of the
revision's digits and the length of the part that items of built-in lists leave out depend on the kind alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec
import orjson

from conversion.gvk import GroupVersionKind
from storage.types import Record, Stored
from watchd.registry.kind import Kind
from watchd.registry.managed.texts import Known

Object = dict[str, Any]

_METADATA = b'"metadata":{"resourceVersion":"'

HEADS = 1024
"""Kinds and versions whose heads are kept: every write asks for one."""


class Header(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What selectors, owners and deletion ask of an object, without decoding it."""

    epoch: bytes
    """The kind's schema epoch when this was written."""
    uid: str
    name: str
    labels: dict[str, str]
    fields: dict[str, str]
    """Values of the kind's selectable fields, beside metadata.name and metadata.namespace."""
    owners: tuple[str, ...]
    """uids of the ownerReferences."""
    deleting: bool
    """Whether metadata.deletionTimestamp is set."""
    finalizers: bool
    """Whether something still holds a deleted object."""
    prefix: int
    """Bytes of `"apiVersion":A,"kind":K,` behind the opening brace of the body."""
    time_ms: int = 0
    """For kinds that expire: when the object was written last, in milliseconds since the epoch."""


_encode_header = msgspec.msgpack.Encoder().encode
_decode_header = msgspec.msgpack.Decoder(Header).decode


class Value(msgspec.Struct, frozen=True, gc=False):
    """An object ready to be appended."""

    header: bytes
    body: bytes
    """Without the revision's digits."""
    stamp_at: int


def head_of(kind: Kind) -> bytes:
    """Return the bytes with which every stored body of a kind begins, behind the opening brace."""
    return head_as(kind.hub_gvk)


@lru_cache(HEADS)
def head_as(gvk: GroupVersionKind) -> bytes:
    """Return the bytes with which the body of an object of a version begins, behind the opening brace."""
    return b'"apiVersion":%b,"kind":%b,' % (orjson.dumps(str(gvk.group_version)), orjson.dumps(gvk.kind))


def encode(kind: Kind, obj: Object, *, time_ms: int, known: Known | None = None) -> Value:
    """Encode an object of the hub version. Its resourceVersion is left out: the log writes it.

    `known` are its managedFields, where their text is at hand: if the object still has just these, they are not encoded again.
    """
    head = head_of(kind)
    metadata = {k: v for k, v in obj["metadata"].items() if k != "resourceVersion"}
    rest = {k: v for k, v in obj.items() if k not in {"apiVersion", "kind", "metadata"}}
    if known is not None and known.text and metadata.get("managedFields") is known.entries:
        del metadata["managedFields"]
        parts = [b"{", head, _METADATA, b'",', orjson.dumps(metadata)[1:-1], b',"managedFields":', known.text, b"}"]
    else:
        parts = [b"{", head, _METADATA, b'",', orjson.dumps(metadata)[1:]]
    if rest:
        parts += [b",", orjson.dumps(rest)[1:]]
    else:
        parts.append(b"}")
    owners = tuple(owner["uid"] for owner in metadata.get("ownerReferences") or ())
    header = Header(
        epoch=kind.epoch,
        uid=metadata.get("uid", ""),
        name=metadata["name"],
        labels=metadata.get("labels") or {},
        fields=field_values(kind, obj),
        owners=owners,
        deleting="deletionTimestamp" in metadata,
        finalizers=bool(metadata.get("finalizers")) or kind.strategy.finalizers_hold(obj),
        prefix=len(head),
        time_ms=time_ms,
    )
    return Value(_encode_header(header), b"".join(parts), 1 + len(head) + len(_METADATA))


def field_values(kind: Kind, obj: Object) -> dict[str, str]:
    """Return the values of a kind's selectable fields in an object of the hub version."""
    values = kind.strategy.fields(obj)
    for path in kind.selectable_fields:
        if path not in values:
            values[path] = _text(_at(obj, path))
    return values


def _at(obj: Any, path: str) -> Any:
    for step in path.lstrip(".").split("."):
        if not isinstance(obj, dict):
            return None
        obj = obj.get(step)
    return obj


def _text(value: Any) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def header_of(encoded: bytes) -> Header:
    """Decode a stored header."""
    return _decode_header(encoded)


def fresh_header(kind: Kind) -> bytes:
    """Return the bytes with which the stored header of each value of a kind's present epoch begins, and no other's."""
    header = Header(kind.epoch, "", "", {}, {}, (), deleting=False, finalizers=False, prefix=0)
    encoded = _encode_header(header)
    return encoded[: encoded.index(kind.epoch) + len(kind.epoch)]


def stored_at_hub(kind: Kind, stored: Stored | Record) -> bool:
    """Tell whether a value was written at what is the hub version now."""
    return stored.body.startswith(head_of(kind), 1)


def decode(stored: Stored) -> Object:
    """Decode a stored body: an object of the version that was the hub when it was written."""
    obj: Object = orjson.loads(stored.body)
    return obj


def canonical(obj: Object) -> bytes:
    """Return bytes that are equal for two objects exactly if they say the same, resourceVersion aside."""
    metadata = {k: v for k, v in obj["metadata"].items() if k != "resourceVersion"}
    return orjson.dumps({**obj, "metadata": metadata}, option=orjson.OPT_SORT_KEYS)


def says_the_same(one: Object, other: Object, *, managed: bool = True) -> bool:
    """Tell whether two objects say the same, resourceVersion aside. Quicker than their canonical bytes where they do not.

    `managed` tells whether their managedFields count.
    """
    # Python's own comparison is taken for no only, and most of what is written differs outside of metadata.
    if any(name != "metadata" and (name not in other or item != other[name]) for name, item in one.items()):
        return False
    left_out = {"resourceVersion"} if managed else {"resourceVersion", "managedFields"}
    return equal(*({**obj, "metadata": {k: v for k, v in obj["metadata"].items() if k not in left_out}} for obj in (one, other)))


def equal(one: Object, other: Object) -> bool:
    """Tell whether two values are written alike. For Python 1, 1.0 and True are one, so that its word is taken for no only."""
    if one != other:
        return False
    return orjson.dumps(one, option=orjson.OPT_SORT_KEYS) == orjson.dumps(other, option=orjson.OPT_SORT_KEYS)


TAG_NAME = "metadata.name"
"""The wake-up tag of one object's name, wherever it lives."""


def tag_of(header: bytes, tag: str) -> str | None:
    """Return the value of a wake-up tag in a stored header.

    Tags are metadata.name, `label:KEY`, and the paths of selectable fields.
    """
    if not header:
        return None
    decoded = _decode_header(header)
    if tag == TAG_NAME:
        return decoded.name
    if tag.startswith("label:"):
        return decoded.labels.get(tag[6:])
    return decoded.fields.get(tag)
