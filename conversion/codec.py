"""The Codec protocol and the media types it is chosen by."""

from __future__ import annotations

import codecs
from typing import Any, Protocol

import msgspec

JSON = "application/json"
YAML = "application/yaml"
CBOR = "application/cbor"
CBOR_SEQ = "application/cbor-seq"
PROTOBUF = "application/vnd.kubernetes.protobuf"

Object = dict[str, Any]
"""An API object: JSON's types, and nothing else."""

MAX_DEPTH = 254
"""Levels of objects and arrays in a body, of whatever format: what orjson can write again. The reference allows 10,000,
but nothing that walks an object here must run into the interpreter's own limit."""

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
"""What stays an integer; JSON and YAML numbers beyond become floats, as in the reference."""

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}


_EACH_BYTE = "watchd.each-byte"


def _each_byte(error: UnicodeError) -> tuple[str, int]:
    # Go replaces each bad byte by itself; Python's "replace" takes a truncated sequence as one.
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\ufffd" * (error.end - error.start), error.end


codecs.register_error(_EACH_BYTE, _each_byte)


def text_of(data: bytes) -> str:
    """Read UTF-8, each byte that is none as U+FFFD, as Go does."""
    return data.decode("utf-8", _EACH_BYTE)


def quote(text: str) -> str:
    """Write a string in double quotes as Go's strconv.Quote does; messages of the protocol hold such strings."""
    return f'"{"".join(_ESCAPES.get(c) or (c if c.isprintable() else _escape(ord(c))) for c in text)}"'


def _escape(point: int) -> str:
    if point < 0x80:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


class DecodeError(ValueError):
    """A body that is not of its format. The message is the parser's own, for a 400."""


class ValueOutOfRange(DecodeError):
    """A body that is of its format, with a number in it that no value of ours can hold."""


class Decoded(msgspec.Struct, frozen=True):
    """A decoded body."""

    value: Any
    duplicates: tuple[str, ...] = ()
    """Fields that stood twice, as paths (`spec.size`), in order; the last value won."""
    notices: tuple[str, ...] = ()
    """The same in the format's own words, where it has its own (YAML: `line 6: key "size" already set in map`)."""

    @property
    def strict_errors(self) -> tuple[str, ...]:
        """What stands after `strict decoding error: `, joined by `, `, where fieldValidation is Strict."""
        if self.notices:
            return ("yaml: unmarshal errors:\n  " + "\n  ".join(self.notices),)
        return self.warnings

    @property
    def warnings(self) -> tuple[str, ...]:
        """The text of one Warning header each, where fieldValidation is Warn."""
        return self.notices or tuple(f"duplicate field {quote(path)}" for path in self.duplicates)


def bare(value: Object) -> Object:
    """Return an object without its apiVersion and kind, as items of built-in lists are."""
    return {key: held for key, held in value.items() if key not in ("apiVersion", "kind")}


class Codec(Protocol):
    """One wire format of objects."""

    media_type: str
    """Of a single object."""
    stream_media_type: str | None
    """Of a watch, or None where the format cannot stream."""
    terminator: bytes
    """What may follow the one object of an answer; no part of it (JSON: a line feed, as in the reference)."""
    sized_lists: bool
    """Whether a list begins with its length, so that all items must be encoded before its first byte is sent."""

    def decode(self, data: bytes) -> Decoded:
        """Read a body. Raises DecodeError."""

    def encode(self, value: Any) -> bytes:
        """Write one object, compact."""

    def encode_pretty(self, value: Any) -> bytes:
        """Write one object for a person's eyes; the same as `encode` where the format has no such form."""

    def item(self, value: Any, *, named: bool) -> bytes:
        """Write one object as an item of a list; where `named` is false without its apiVersion and kind."""

    def event(self, event_type: str, body: bytes) -> bytes:
        """Frame an encoded object as one watch event. Raises ValueError where the format cannot stream."""

    def list_parts(
        self, api_version: str, kind: str, metadata: Object, count: int | None = None, size: int | None = None
    ) -> tuple[bytes, bytes, bytes]:
        """Return what stands before, between and after the encoded items of a list.

        `count` of them, `size` bytes together, where known. Raises ValueError where the format cannot stream
        (`stream_media_type` is None), or must know the size (`sized_lists`) and is not told.
        """
