"""The protobuf wire format: varints, tags, and a message cut into its fields.

What is refused, and in which words, is what the Unmarshal methods refuse that Go's gogo/protobuf generator writes.
Source: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from conversion.codec import DecodeError

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
START_GROUP: Final = 3
END_GROUP: Final = 4
FIXED32: Final = 5

MAX_VARINT_BYTES = 10
"""Bytes of the longest varint: 64 bits, seven a byte."""

MAX_FIELD_NUMBER = 2**31 - 1
"""Field numbers are positive int32 in the generated code."""

MASK64 = 2**64 - 1
"""Varints are 64 bits wide; a negative number is its two's complement."""

UNEXPECTED_EOF = "unexpected EOF"
OVERFLOW = "proto: integer overflow"
NEGATIVE_LENGTH = "proto: negative length found during unmarshaling"

_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}
_ONE_BYTE = tuple(bytes((value,)) for value in range(0x80))


def varint(number: int) -> bytes:
    """Write an integer of 64 bits as a varint."""
    if 0 <= number < 0x80:
        return _ONE_BYTE[number]
    number &= MASK64
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def tag(number: int, wire_type: int) -> bytes:
    """Write what stands before a field's value."""
    return varint(number << 3 | wire_type)


def prefixed(payload: bytes) -> bytes:
    """Write bytes behind their length."""
    return varint(len(payload)) + payload


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the varint at an offset, unsigned, and the offset behind it. Raises DecodeError."""
    number = shift = 0
    for position in range(at, at + MAX_VARINT_BYTES):
        if position >= len(data):
            raise DecodeError(UNEXPECTED_EOF)
        byte = data[position]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & MASK64, position + 1
        shift += 7
    raise DecodeError(OVERFLOW)


def signed(number: int, bits: int) -> int:
    """Return the low bits of an unsigned integer as a signed one, as Go's conversions do."""
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number


def fields(data: bytes, message: str) -> Iterator[tuple[int, int, int | bytes]]:
    """Cut a message into its fields: (number, wire type, value).

    A varint's value is an unsigned integer, every other one its bytes; a group, which no message here has, is passed
    over whole and yields none. `message` is the name for the errors. Raises DecodeError.
    """
    at, end = 0, len(data)
    while at < end:
        key, at = read_varint(data, at)
        number, wire_type = key >> 3 & 0xFFFFFFFF, key & 7
        if wire_type == END_GROUP:
            raise DecodeError(f"proto: {message}: wiretype end group for non-group")
        if not 0 < number <= MAX_FIELD_NUMBER:
            raise DecodeError(f"proto: {message}: illegal tag {signed(number, 32)} (wire type {key})")
        if wire_type == VARINT:
            value: int | bytes
            value, at = read_varint(data, at)
        elif wire_type == START_GROUP:
            at, value = _behind_group(data, at), b""
        else:
            at, value = _bytes_at(data, at, wire_type)
        yield number, wire_type, value


def _bytes_at(data: bytes, at: int, wire_type: int) -> tuple[int, bytes]:
    if wire_type == BYTES:
        length, at = read_varint(data, at)
        if length >> 63:
            raise DecodeError(NEGATIVE_LENGTH)
    elif wire_type in _FIXED_BYTES:
        length = _FIXED_BYTES[wire_type]
    else:
        raise DecodeError(f"proto: illegal wireType {wire_type}")
    end = at + length
    if end > len(data):
        raise DecodeError(UNEXPECTED_EOF)
    return end, data[at:end]


def _behind_group(data: bytes, at: int) -> int:
    """Return the offset behind a group whose start tag has been read; groups may stand in groups."""
    depth = 1
    while depth:
        key, at = read_varint(data, at)
        wire_type = key & 7
        if wire_type == START_GROUP:
            depth += 1
        elif wire_type == END_GROUP:
            depth -= 1
        elif wire_type == VARINT:
            _, at = read_varint(data, at)
        else:
            at, _ = _bytes_at(data, at, wire_type)
    return at
