r"""Protobuf of built-in kinds (FEATURES row 72), byte for byte what Go's serializer writes.

An object is a message of its kind in an envelope: `k8s\0`, then runtime.Unknown {typeMeta = 1 {apiVersion = 1,
kind = 2}, raw = 2, contentEncoding = 3, contentType = 4}. A watch is a sequence of frames, each a length of four bytes,
big-endian, and a metav1.WatchEvent {type = 1, object = 2 {raw = 1}} that holds an envelope. The items of a list are
messages without envelopes. Custom kinds have no messages; of them only the metadata can be written.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

import orjson

from conversion.codec import MAX_DEPTH, PROTOBUF, Decoded, DecodeError, Object, text_of
from conversion.errors import Unencodable, UnknownKind
from conversion.gvk import GroupVersionKind
from conversion.protobuf_messages import MAGIC, Message, Messages
from conversion.protobuf_types import bytes_of
from conversion.protobuf_wire import BYTES, fields, prefixed, tag, varint

CACHED_LISTS = 256
"""Kinds of lists whose layout is remembered: more than a server has built-in kinds."""

LENGTH_BYTES = 4
"""Of the length before each frame of a watch."""

_UNENCODED = b"\x1a\x00\x22\x00"
"""The end of an envelope: contentEncoding and contentType, both empty."""


class ProtobufCodec:
    """`application/vnd.kubernetes.protobuf`."""

    media_type = PROTOBUF
    stream_media_type: str | None = f"{PROTOBUF};stream=watch"
    terminator = b""
    sized_lists = True

    def knows(self, api_version: str, kind: str) -> bool:
        """Tell whether objects of a kind can be read and written."""
        return messages().message(api_version, kind) is not None

    def decode(self, data: bytes) -> Decoded:
        """Read a body into the JSON that Go would write for it. Raises DecodeError, for a kind without a message too.

        Unknown fields are passed over, as in the reference, whatever fieldValidation says.
        """
        if not data:
            raise DecodeError("empty data")
        if not data.startswith(MAGIC):
            raise DecodeError(
                f"provided data does not appear to be a protobuf message, expected prefix [{' '.join(map(str, MAGIC))}]"
            )
        if len(data) == len(MAGIC):
            raise DecodeError("empty body")
        value = _read_envelope(data, 0)
        try:
            orjson.dumps(value)
        except TypeError as e:  # all it holds came from this codec and orjson, which writes MAX_DEPTH levels
            raise DecodeError(f"exceeded max depth of {MAX_DEPTH}") from e
        return Decoded(value)

    def encode(self, value: Any) -> bytes:
        """Write one object in its envelope.

        Raises UnknownKind where its apiVersion and kind have no message, Unencodable where a field cannot hold its value.
        """
        message, api_version, kind = _named(value)
        raw = message.pack(value)
        return _head(api_version, kind, len(raw)) + raw + _UNENCODED

    def encode_pretty(self, value: Any) -> bytes:
        """Write one object; protobuf has no form for a person's eyes."""
        return self.encode(value)

    def item(self, value: Any, *, named: bool) -> bytes:
        """Write one object as an item of a list: its message alone, whatever `named` says. Raises as `encode` does."""
        del named
        message, api_version, kind = _named(value)
        return tag(_items_number(api_version, f"{kind}List"), BYTES) + prefixed(message.pack(value))

    def event(self, event_type: str, body: bytes) -> bytes:
        """Frame an encoded object as one event of a watch."""
        event = b"\x0a" + prefixed(event_type.encode()) + b"\x12" + prefixed(b"\x0a" + prefixed(body))
        return len(event).to_bytes(LENGTH_BYTES, "big") + event

    def list_parts(
        self, api_version: str, kind: str, metadata: Object, count: int | None = None, size: int | None = None
    ) -> tuple[bytes, bytes, bytes]:
        """Return what stands before, between and after the encoded items of a list.

        The envelope begins with its length, so that `size`, the bytes of all items, must be known: ValueError where it
        is None. Raises UnknownKind, Unencodable.
        """
        del count
        if size is None:
            raise ValueError("a list in protobuf begins with its length")
        message = _named({"apiVersion": api_version, "kind": kind})[0]
        packed = message.pack({"metadata": metadata})
        head = _head(api_version, kind, len(packed) + size)
        if _items_number(api_version, kind) < (message.number("metadata") or 0):
            # PartialObjectMetadataList of v1beta1 alone.
            return head, b"", packed + _UNENCODED
        return head + packed, b"", _UNENCODED


@lru_cache(1)
def messages() -> Messages:
    """Return the messages of the table, which is read from the package at first use (some milliseconds)."""
    table = files("conversion").joinpath("protobuf_fields.json").read_bytes()
    return Messages(orjson.loads(table), _read_envelope)


def _head(api_version: str, kind: str, size: int) -> bytes:
    """Return an envelope up to the raw bytes, `size` of them."""
    type_meta = b"\x0a" + prefixed(api_version.encode()) + b"\x12" + prefixed(kind.encode())
    return MAGIC + b"\x0a" + prefixed(type_meta) + b"\x12" + varint(size)


def _named(value: Any) -> tuple[Message, str, str]:
    """Return the message of an object, its apiVersion and kind. Raises UnknownKind, Unencodable."""
    if not isinstance(value, dict):
        raise Unencodable("an object", value)
    api_version, kind = value.get("apiVersion"), value.get("kind")
    if not isinstance(api_version, str) or not isinstance(kind, str):
        raise Unencodable("an object with apiVersion and kind", value)
    message = messages().message(api_version, kind)
    if message is None:
        raise UnknownKind(_gvk(api_version, kind))
    return message, api_version, kind


@lru_cache(CACHED_LISTS)
def _items_number(api_version: str, kind: str) -> int:
    """Return the number of `items` in a list. Raises UnknownKind."""
    message = messages().message(api_version, kind)
    number = None if message is None else message.number("items")
    if number is None:
        raise UnknownKind(_gvk(api_version, kind))
    return number


def _gvk(api_version: str, kind: str) -> GroupVersionKind:
    group, _, version = api_version.rpartition("/")
    return GroupVersionKind(group, version, kind)


def _read_envelope(data: bytes, depth: int) -> Object:
    """Read an object behind its magic number. Raises DecodeError."""
    type_meta = raw = b""
    for number, wire_type, value in fields(data[len(MAGIC) :], "Unknown"):
        if number == 1:
            type_meta += bytes_of(wire_type, value, "TypeMeta")
        elif number == 2:
            raw = bytes_of(wire_type, value, "Raw")
        elif number in {3, 4}:
            bytes_of(wire_type, value, "ContentEncoding" if number == 3 else "ContentType")
    names = {1: "", 2: ""}
    for number, wire_type, value in fields(type_meta, "TypeMeta"):
        if number in names:
            names[number] = text_of(bytes_of(wire_type, value, "APIVersion" if number == 1 else "Kind"))
    api_version, kind = names[1], names[2]
    if not kind:
        raise DecodeError("Object 'Kind' is missing in the envelope")
    message = messages().message(api_version, kind)
    if message is None:
        raise DecodeError(str(UnknownKind(_gvk(api_version, kind))))
    return {"kind": kind, "apiVersion": api_version, **message.unpack(raw, depth + 1)}
