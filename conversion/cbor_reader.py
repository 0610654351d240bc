"""The exact CBOR reader: what the reference accepts, item by item, and its words for what it does not.

The CBOR library reads plain items faster, but it cannot say which key of a map stood twice and where, takes bytes and
text of one spelling for two keys, accepts simple values that have no meaning here, and knows two dozen tags that the
protocol takes as their bare content. So an item that is not plain, or not right, is read here (RFC 8949; KEP-4222).
"""

from __future__ import annotations

import base64
import math
import re
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from conversion.codec import INT64_MAX, INT64_MIN, MAX_DEPTH, DecodeError, Object, quote, text_of

MAX_MAP_PAIRS: Final = 2_097_152
"""Pairs of one map: the reference's bound. The bound of a body is lower; it is here for its message."""
MAX_ARRAY_ELEMENTS: Final = 2**31 - 1
"""Elements of one array: the reference's bound, for the same reason."""

_TYPES = (
    "positive integer",
    "negative integer",
    "byte string",
    "UTF-8 text string",
    "array",
    "map",
    "tag",
    "primitives",
)
_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _PRIMITIVE = range(8)
SELF_DESCRIBED = b"\xd9\xd9\xf7"
"""The tag 55799, which says of what follows that it is CBOR (RFC 8949 section 3.4.6)."""

_INDEFINITE = -1
_BREAK = 0xFF
_EOF = "unexpected EOF"
_WIDTHS = {24: 1, 25: 2, 26: 4, 27: 8}
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}
_SIMPLE: dict[int, bool | None] = {20: False, 21: True, 22: None}
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([.,]\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_LaterEncoding = Callable[[bytes], str]


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


_LATER: dict[int, _LaterEncoding] = {21: _base64url, 22: _base64, 23: bytes.hex}
"""Tags of an expected later encoding (RFC 8949 section 3.4.5.2): byte strings below them become that text."""


class CborReader:
    """One CBOR item in a bytes object."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def read(self) -> Any:
        """Return the one item of the data. Raises DecodeError for anything else, or anything after it."""
        data = self._data
        if not data:
            raise DecodeError("EOF")
        value = self._item(0, None)
        if self._at != len(data):
            raise DecodeError(f"cbor: {len(data) - self._at} bytes of extraneous data starting at index {self._at}")
        return value

    def _item(self, depth: int, later: _LaterEncoding | None) -> Any:
        major, info, value = self._head()
        match major:
            case 0 | 1:
                found: Any = self._integer(major, value)
            case 2:
                raw = self._string(value)
                found = text_of(raw) if later is None else later(raw)
            case 3:
                found = self._text(value)
            case 4:
                found = self._array(value, depth + 1, later)
            case 5:
                found = self._map(value, depth + 1, later)
            case 6:
                found = self._tag(value, depth + 1, later)
            case _:
                found = self._primitive(info, value)
        return found

    def _head(self) -> tuple[int, int, int]:
        """Read an item's head: its major type, additional information and argument."""
        at, data = self._at, self._data
        if at >= len(data):
            raise DecodeError(_EOF)
        first = data[at]
        major, info = first >> 5, first & 0x1F
        if info < 24:
            self._at = at + 1
            return major, info, info
        width = _WIDTHS.get(info)
        if width is not None:
            end = at + 1 + width
            if end > len(data):
                raise DecodeError(_EOF)
            self._at = end
            return major, info, int.from_bytes(data[at + 1 : end], "big")
        if info != 31 or major in (_UINT, _NEGATIVE, _TAG):
            raise DecodeError(f"cbor: invalid additional information {info} for type {_TYPES[major]}")
        if major == _PRIMITIVE:
            raise DecodeError('cbor: unexpected "break" code')
        self._at = at + 1
        return major, info, _INDEFINITE

    def _broken(self) -> bool:
        """Step over the end of an indefinite item, if it is next."""
        if self._at >= len(self._data):
            raise DecodeError(_EOF)
        if self._data[self._at] != _BREAK:
            return False
        self._at += 1
        return True

    def _integer(self, major: int, argument: int) -> int:
        number = argument if major == _UINT else -1 - argument
        if not INT64_MIN <= number <= INT64_MAX:
            raise DecodeError(
                f"cbor: cannot unmarshal {_TYPES[major]} into Go value of type int64 ({number} overflows Go's int64)"
            )
        return number

    def _string(self, length: int) -> bytes:
        return b"".join(self._chunks(_BYTES)) if length == _INDEFINITE else self._chunk(_BYTES, length)

    def _chunks(self, major: int) -> list[bytes]:
        chunks = []
        while not self._broken():
            kind, info, length = self._head()
            if kind != major:
                raise DecodeError(
                    f"cbor: wrong element type {_TYPES[kind]} for indefinite-length {_TYPES[major]}"
                )
            if info == 31:
                raise DecodeError(f"cbor: indefinite-length {_TYPES[major]} chunk is not definite-length")
            chunks.append(self._chunk(major, length))
        return chunks

    def _chunk(self, major: int, length: int) -> bytes:
        if length > INT64_MAX:
            raise DecodeError(f"cbor: {_TYPES[major]} length {length} is too large, causing integer overflow")
        end = self._at + length
        if end > len(self._data):
            raise DecodeError(_EOF)
        chunk = self._data[self._at : end]
        self._at = end
        return chunk

    def _text(self, length: int) -> str:
        # Each chunk by itself: a character may not be cut in two (RFC 8949 section 3.2.3).
        chunks = self._chunks(_TEXT) if length == _INDEFINITE else [self._chunk(_TEXT, length)]
        try:
            return "".join(chunk.decode() for chunk in chunks)
        except UnicodeDecodeError as e:
            raise DecodeError("cbor: invalid UTF-8 string") from e

    def _array(self, count: int, depth: int, later: _LaterEncoding | None) -> list[Any]:
        self._enter(_ARRAY, count, depth)
        if count == _INDEFINITE:
            items = []
            while not self._broken():
                items.append(self._item(depth, later))
            return items
        return [self._item(depth, later) for _ in range(count)]

    def _map(self, count: int, depth: int, later: _LaterEncoding | None) -> Object:
        self._enter(_MAP, count, depth)
        found: Object = {}
        index = 0
        while not self._broken() if count == _INDEFINITE else index < count:
            key = self._key(depth, later)
            if key in found:
                raise DecodeError(f"cbor: found duplicate map key {quote(key)} at map element index {index}")
            if count == _INDEFINITE and self._data[self._at : self._at + 1] == b"\xff":
                raise DecodeError('cbor: unexpected "break" code')
            found[key] = self._item(depth, later)
            index += 1
        return found

    def _key(self, depth: int, later: _LaterEncoding | None) -> str:
        start = self._at
        key = self._item(depth, later)
        if not isinstance(key, str):
            major = self._data[start] >> 5
            raise DecodeError(f"cbor: cannot unmarshal {_TYPES[major]} into Go value of type string")
        return key

    def _enter(self, major: int, count: int, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise DecodeError(f"cbor: exceeded max nested level {MAX_DEPTH}")
        name = _TYPES[major]
        if count > INT64_MAX:
            raise DecodeError(f"cbor: {name} length {count} is too large, it would cause integer overflow")
        if major == _ARRAY and count > MAX_ARRAY_ELEMENTS:
            raise DecodeError(f"cbor: exceeded max number of elements {MAX_ARRAY_ELEMENTS} for CBOR array")
        if major == _MAP and count > MAX_MAP_PAIRS:
            raise DecodeError(f"cbor: exceeded max number of key-value pairs {MAX_MAP_PAIRS} for CBOR map")

    def _tag(self, number: int, depth: int, later: _LaterEncoding | None) -> Any:
        if depth > MAX_DEPTH:
            raise DecodeError(f"cbor: exceeded max nested level {MAX_DEPTH}")
        if number in (0, 1):
            return self._time(number)
        if number in (2, 3):
            raise DecodeError("cbor: data item of cbor type tag is not accepted by protocol: bignum")
        # A tag that means nothing here is its content.
        return self._item(depth, _LATER.get(number, later))

    def _time(self, number: int) -> str:
        """Read the content of tag 0 (RFC 3339 text) or 1 (seconds since 1970), as RFC 3339 text."""
        major, info, value = self._head()
        if number == 0:
            if major != _TEXT:
                raise DecodeError(f"cbor: tag number 0 must be followed by text string, got {_TYPES[major]}")
            text = self._text(value)
            if _RFC3339.fullmatch(text) is None:
                raise DecodeError(f"cbor: cannot set {text} for time.Time: it is not of the form of RFC 3339")
            return text
        if major == _PRIMITIVE and info in _FLOATS:
            seconds: float = self._primitive(info, value)
        elif major in (_UINT, _NEGATIVE):
            seconds = self._integer(major, value)
        else:
            wanted = "integer or floating-point number"
            raise DecodeError(f"cbor: tag number 1 must be followed by {wanted}, got {_TYPES[major]}")
        try:
            moment = _EPOCH + timedelta(seconds=seconds)
        except OverflowError as e:
            raise DecodeError(f"cbor: cannot set {seconds} for time.Time: it is out of range") from e
        whole, _, fraction = moment.replace(tzinfo=None).isoformat().partition(".")
        fraction = fraction.rstrip("0")
        return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"

    def _primitive(self, info: int, value: int) -> Any:
        pattern = _FLOATS.get(info)
        if pattern is not None:
            (number,) = struct.unpack(pattern, value.to_bytes(_WIDTHS[info], "big"))
            if not math.isfinite(number):
                what = "NaN" if math.isnan(number) else "infinity"
                raise DecodeError(f"{_NOT_ACCEPTED}: floating-point {what}")
            return number
        if info == 24 and value < 32:
            raise DecodeError(f"cbor: invalid simple value {value} for type primitives")
        if value not in _SIMPLE:
            raise DecodeError(f"{_NOT_ACCEPTED}: simple value {value} is not recognized")
        return _SIMPLE[value]


_NOT_ACCEPTED = "cbor: data item of cbor type primitives is not accepted by protocol"


def no_struct(data: bytes, go_type: str) -> DecodeError:
    """Return why a body that has been read well, and holds no map, is none of Go's structs (fxamacker/cbor)."""
    major = data.removeprefix(SELF_DESCRIBED)[0] >> 5
    hint = " (cannot decode CBOR array to struct without toarray option)" if major == _ARRAY else ""
    return DecodeError(f"cbor: cannot unmarshal {_TYPES[major]} into Go value of type {go_type}{hint}")
