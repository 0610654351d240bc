"""The Codec protocol and the media types it is chosen by."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

JSON = "application/json"
YAML = "application/yaml"
CBOR = "application/cbor"
CBOR_SEQ = "application/cbor-seq"
PROTOBUF = "application/vnd.kubernetes.protobuf"

Object = dict[str, Any]
"""An API object: JSON's types, and nothing else."""


class DecodeError(ValueError):
    """A body that is not of its format. The message is the parser's own, for a 400."""


class Decoded(msgspec.Struct, frozen=True):
    """A decoded body."""

    value: Any
    duplicates: tuple[str, ...] = ()
    """Fields that stood twice, as paths (`spec.size`), in order; the last value won."""


class Codec(Protocol):
    """One wire format of objects."""

    media_type: str
    """Of a single object."""
    stream_media_type: str | None
    """Of a watch, or None where the format cannot stream."""

    def decode(self, data: bytes) -> Decoded:
        """Read a body. Raises DecodeError."""

    def encode(self, value: Any) -> bytes:
        """Write one object, compact."""

    def encode_pretty(self, value: Any) -> bytes:
        """Write one object for a person's eyes; the same as `encode` where the format has no such form."""

    def event(self, event_type: str, body: bytes) -> bytes:
        """Frame an encoded object as one watch event. Raises ValueError where the format cannot stream."""

    def list_parts(self, api_version: str, kind: str, metadata: Object) -> tuple[bytes, bytes, bytes]:
        """Return what stands before, between and after the encoded items of a list."""
