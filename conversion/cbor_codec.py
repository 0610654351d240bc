"""CBOR as KEP-4222 has it (PROTOCOL.md section 5): strings are byte strings, []byte fields are tag 22."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

import cbor2

from conversion.cbor_reader import SELF_DESCRIBED, CborReader
from conversion.codec import CBOR, CBOR_SEQ, INT64_MAX, INT64_MIN, MAX_DEPTH, Decoded, Object, bare

FieldPath = tuple[str, ...]
"""The way to a field from an object's root; `EACH` stands for every key of a map or item of a list."""

EACH: Final = "*"

BINARY_FIELDS: Mapping[tuple[str, str], tuple[FieldPath, ...]] = {
    ("v1", "Secret"): (("data", EACH),),
    ("v1", "ConfigMap"): (("binaryData", EACH),),
    ("certificates.k8s.io/v1", "CertificateSigningRequest"): (("spec", "request"), ("status", "certificate")),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"): (
        ("webhooks", EACH, "clientConfig", "caBundle"),
    ),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"): (
        ("webhooks", EACH, "clientConfig", "caBundle"),
    ),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): (
        ("spec", "conversion", "webhook", "clientConfig", "caBundle"),
    ),
    ("apiregistration.k8s.io/v1", "APIService"): (("spec", "caBundle"),),
}
"""The []byte fields of built-in kinds by (apiVersion, kind): base64 text in JSON, raw bytes under tag 22 in CBOR.

Custom resources have none: there, base64 stays text (the reference sends unstructured strings as they are).
"""

_BASE64_TAG = 22
_TYPE_AND_OBJECT = b"\xa2\x44type"


class CborCodec:
    """`application/cbor`; a watch is an RFC 8742 sequence, each item tagged and its object tagged again."""

    media_type = CBOR
    stream_media_type: str | None = CBOR_SEQ
    terminator = b""
    sized_lists = False

    def decode(self, data: bytes) -> Decoded:
        """Read a body: one item, with or without the tag 55799. Raises DecodeError, for a key that stands twice too."""
        try:
            return Decoded(_plain(data.removeprefix(SELF_DESCRIBED)))
        except _NotPlainError:
            return Decoded(CborReader(data).read())

    def encode(self, value: Any, *, binary: Sequence[FieldPath] | None = None) -> bytes:
        """Write one object behind the tag 55799.

        `binary` names its []byte fields; left out, they are those of its own apiVersion and kind, and of the items of
        a list. A field there that is no base64 is sent as text. Raises cbor2.CBOREncodeError for what JSON does not know.
        """
        if isinstance(value, dict):
            for path in binary_fields(value) if binary is None else binary:
                value = _unpacked(value, path)
        return SELF_DESCRIBED + cbor2.dumps(value, encoders=_ENCODERS)

    def encode_pretty(self, value: Any) -> bytes:
        """Write one object; CBOR has no form for a person's eyes."""
        return self.encode(value)

    def item(self, value: Any, *, named: bool) -> bytes:
        """Write one object as an item of a list; its []byte fields are those of its kind, also where that is left out."""
        return self.encode(value) if named else self.encode(bare(value), binary=binary_fields(value))

    def event(self, event_type: str, body: bytes) -> bytes:
        """Frame an encoded object as one item of a watch."""
        return b"%s%s%s\x46object%s" % (SELF_DESCRIBED, _TYPE_AND_OBJECT, _string(event_type), body)

    def list_parts(
        self, api_version: str, kind: str, metadata: Object, count: int | None = None, size: int | None = None
    ) -> tuple[bytes, bytes, bytes]:
        """Return what stands before, between and after the encoded items of a list.

        Of `count` items the array has a definite length, as the reference's; of an unknown number an indefinite one,
        which its decoder accepts. Each item may keep its own tag 55799, which decoders pass over.
        """
        del size
        head = cbor2.dumps({"kind": kind, "apiVersion": api_version, "metadata": metadata}, encoders=_ENCODERS)
        # a3 is the head of that map of three; with items it is a4.
        before = SELF_DESCRIBED + b"\xa4" + head[1:] + b"\x45items"
        if count is None:
            return before + b"\x9f", b"", b"\xff"
        return before + _array_head(count), b"", b""


def binary_fields(value: Object) -> tuple[FieldPath, ...]:
    """Return the paths of an object's []byte fields by its apiVersion and kind; of a list, those of its items."""
    api_version, kind = value.get("apiVersion"), value.get("kind")
    if not isinstance(api_version, str) or not isinstance(kind, str):
        return ()
    fields = BINARY_FIELDS.get((api_version, kind))
    if fields is None and kind.endswith("List"):
        of_items = BINARY_FIELDS.get((api_version, kind.removesuffix("List")), ())
        return tuple(("items", EACH, *path) for path in of_items)
    return fields or ()


class _NotPlainError(Exception):
    """The item holds something that only the exact reader judges."""


def _plain(data: bytes) -> Any:
    """Read an item without tags, odd values or faults, with the library. Raises _NotPlainError for any other."""
    if b"\xf8" in data:  # the head of a two-byte simple value: the library takes f814 for false
        raise _NotPlainError
    source = io.BytesIO(data)
    try:
        decoder = cbor2.CBORDecoder(
            source,
            tag_hook=_refuse_tag,
            semantic_decoders=_REFUSED_TAGS,
            max_depth=MAX_DEPTH,
            allow_duplicate_keys=False,
        )
        value = decoder.decode()
    except (cbor2.CBORDecodeError, ValueError, OverflowError, RecursionError, MemoryError) as e:
        raise _NotPlainError from e
    if source.tell() != len(data):
        raise _NotPlainError
    try:
        return _texts(value)
    except UnicodeDecodeError as e:
        raise _NotPlainError from e


def _texts(value: Any) -> Any:
    """Return what the library read with byte strings as text, in JSON's types alone."""
    kind = type(value)
    if kind is bytes:
        return value.decode()
    if kind is dict:
        found: Object = {}
        for key, item in value.items():
            if type(key) is bytes:
                name = key.decode()
            elif type(key) is str:
                name = key
            else:
                raise _NotPlainError
            # Most values are strings: spared a call each.
            found[name] = item.decode() if type(item) is bytes else _texts(item)
        if len(found) != len(value):  # bytes and text of one spelling
            raise _NotPlainError
        return found
    if kind is list:
        return [_texts(item) for item in value]
    if kind is str or kind is bool or value is None:
        return value
    if (kind is int and INT64_MIN <= value <= INT64_MAX) or (kind is float and value - value == 0):
        return value
    raise _NotPlainError


def _refuse_tag(*_: Any) -> NoReturn:
    raise _NotPlainError


_REFUSED_TAGS = dict.fromkeys((*range(64), 100, 256, 258, 260, 261, 1004, 43000, 55799), _refuse_tag)
"""Tags that the library would read its own way; every other one reaches the tag hook."""


def _encode_text(encoder: cbor2.CBOREncoder, text: str) -> None:
    encoder.encode_bytes(text.encode())


def _encode_binary(encoder: cbor2.CBOREncoder, raw: bytes) -> None:
    encoder.encode_length(6, _BASE64_TAG)
    encoder.encode_bytes(raw)


_ENCODERS: dict[type, Any] = {str: _encode_text, bytes: _encode_binary}


def _string(text: str) -> bytes:
    return cbor2.dumps(text, encoders=_ENCODERS)


def _array_head(count: int) -> bytes:
    if count < 24:
        return bytes((0x80 | count,))
    return b"\x9a" + count.to_bytes(4, "big")


def _unpacked(value: Any, path: FieldPath) -> Any:
    """Return a value with the base64 text at a path as bytes; what lies off the path is shared, not copied."""
    if not path:
        if not isinstance(value, str):
            return value
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return value
    step, rest = path[0], path[1:]
    if isinstance(value, dict):
        keys = value if step == EACH else (step,) if step in value else ()
        return {**value, **{key: _unpacked(value[key], rest) for key in keys}}
    if isinstance(value, list) and step == EACH:
        return [_unpacked(item, rest) for item in value]
    return value
