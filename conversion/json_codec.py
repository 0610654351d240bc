"""JSON: orjson where a body is plain, an exact parser where it is not."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NoReturn

import orjson

from conversion.codec import (
    INT64_MAX,
    INT64_MIN,
    JSON,
    MAX_DEPTH,
    Decoded,
    DecodeError,
    Object,
    ValueOutOfRange,
    bare,
    quote,
    text_of,
)

MAX_REPORTED = 100
"""Duplicate fields named for one body: the bound of the reference's strict decoder (sigs.k8s.io/json)."""

TOO_DEEP = "exceeded max depth"
"""The reference's words for a body nested too deeply, behind the bracket that opens one level too many."""

_SURROGATES = re.compile("[\ud800-\udfff]")
_DIGITS = bytes(ord("9") if 0x30 <= byte <= 0x39 else ord(" ") for byte in range(256))
_LONG_NUMBER = b"9" * 19
"""19 digits in a row, after `_DIGITS`: only there can an integer be beyond int64."""
_WHOLE = (
    re.compile(rb"\.0(?<=[0-9]\.0)(?:[,}\]]|\Z)"),
    re.compile(rb"e1[6-8](?<=[0-9]e1[6-8])(?:[,}\]]|\Z)"),
)
"""A floating point number without a fraction that int64 may hold, as orjson writes it. Each begins with what it always
begins with, since that is what the search for it is quick by: names of images and uids are full of what looks like one."""
_HEADS = {kind: b'{"type":"%s","object":' % kind.encode() for kind in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR")}


class JsonCodec:
    """`application/json`; a watch is one object a line."""

    media_type = JSON
    stream_media_type: str | None = JSON
    terminator = b"\n"
    sized_lists = False

    def decode(self, data: bytes) -> Decoded:
        """Read a body. Raises DecodeError.

        A plain body costs one parse and one proof: what orjson parsed is written again, and every field that a body
        holds twice is missing there with its colon. Colons in strings are on both sides, so equal numbers prove that
        no field stood twice, whatever the whitespace; an escaped colon or a difference goes to the exact parser. A body
        that is just what orjson writes needs no counting.
        """
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            return _Exact().decode(data)
        try:
            again = orjson.dumps(value)
        except TypeError as e:  # all it holds came from orjson, which writes 254 levels
            raise _too_deep(data) from e
        if (again != data and _may_hide_duplicates(data, again)) or _LONG_NUMBER in data.translate(_DIGITS):
            return _Exact().decode(data)
        if any(whole.search(again) for whole in _WHOLE):
            value = _integers(value)
        return Decoded(value)

    def encode(self, value: Any) -> bytes:
        """Write one object, compact and without a line feed. Raises TypeError for what JSON does not know."""
        return orjson.dumps(value)

    def encode_pretty(self, value: Any) -> bytes:
        """Write one object indented by two spaces, without a line feed (the reference's pretty serializer)."""
        return orjson.dumps(value, option=orjson.OPT_INDENT_2)

    def item(self, value: Any, *, named: bool) -> bytes:
        """Write one object as an item of a list."""
        return self.encode(value if named else bare(value))

    def event(self, event_type: str, body: bytes) -> bytes:
        """Frame an encoded object as one line of a watch."""
        head = _HEADS.get(event_type) or b'{"type":%s,"object":' % orjson.dumps(event_type)
        return b"%s%s}\n" % (head, body)

    def list_parts(
        self, api_version: str, kind: str, metadata: Object, count: int | None = None, size: int | None = None
    ) -> tuple[bytes, bytes, bytes]:
        """Return what stands before, between and after the encoded items of a list; it ends with a line feed."""
        del count, size  # JSON has no use for them
        head = orjson.dumps({"kind": kind, "apiVersion": api_version, "metadata": metadata})
        return head[:-1] + b',"items":[', b",", b"]}\n"


def _may_hide_duplicates(data: bytes, again: bytes) -> bool:
    """Tell whether a field may stand twice in a body, given what orjson wrote of it."""
    if again.count(b":") != data.count(b":"):
        return True
    return b"\\" in data and (b"\\u003a" in data or b"\\u003A" in data)


class _Pairs(list[tuple[str, Any]]):
    """An object as it stands in the body: every field, in order."""


class _Exact:
    """One body, read as the reference reads it (sigs.k8s.io/json over encoding/json).

    Bytes that are no UTF-8, and surrogates without a partner, become U+FFFD; integers beyond int64 become floats, and
    numbers without a fraction become integers, as their way through Go's encoder makes them; a field that stands twice
    is reported once for its path, and the last value wins.
    """

    def __init__(self) -> None:
        self._duplicates: dict[str, None] = {}

    def decode(self, data: bytes) -> Decoded:
        """Read a body. Raises DecodeError."""
        text = text_of(data)
        try:
            tree = _PARSER.decode(text)
        except RecursionError as e:
            raise _too_deep(data) from e
        except json.JSONDecodeError as e:
            raise DecodeError(_in_the_references_words(data, e)) from e
        value = self._build(tree, "", 0)
        return Decoded(value, tuple(self._duplicates))

    def _build(self, node: Any, path: str, depth: int) -> Any:
        if isinstance(node, str):
            return _clean(node)
        if not isinstance(node, list):
            if isinstance(node, _Huge):
                raise ValueOutOfRange(f"json: cannot unmarshal number {node.digits} into Go value of type float64")
            return node
        depth += 1
        if depth > MAX_DEPTH:
            raise DecodeError(f"invalid character '{'{' if isinstance(node, _Pairs) else '['}' {TOO_DEEP}")
        if not isinstance(node, _Pairs):
            return [self._build(item, f"{path}[{i}]", depth) for i, item in enumerate(node)]
        built: Object = {}
        for raw, item in node:
            key = _clean(raw)
            here = f"{path}.{key}" if path else key
            if key in built and len(self._duplicates) < MAX_REPORTED:
                self._duplicates[here] = None
            built[key] = self._build(item, here, depth)
        return built


def _clean(text: str) -> str:
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


class _Huge:
    """A number beyond float64, refused once the whole body has proved to be JSON."""

    __slots__ = ("digits",)

    def __init__(self, digits: str) -> None:
        self.digits = digits


def _integers(value: Any) -> Any:
    """Make integers of the floating point numbers that stand for some."""
    if isinstance(value, float):
        return _whole(value)
    if isinstance(value, dict):
        return {key: _integers(child) for key, child in value.items()}
    return [_integers(child) for child in value] if isinstance(value, list) else value


def _whole(number: float) -> int | float:
    if not number.is_integer() or not -_FLOAT_LIMIT < number < _FLOAT_LIMIT:
        return number
    # The shortest digits that read back as this float, as JSON has them: not its exact value.
    return int(Decimal(repr(number)))


_FLOAT_LIMIT = 2.0**63


def _integer(digits: str) -> int | float | _Huge:
    # int64 has at most 19 digits and a sign; longer strings are not worth int()'s quadratic time.
    if len(digits) <= 20 and INT64_MIN <= (number := int(digits)) <= INT64_MAX:
        return number
    return _float(digits)


def _float(digits: str) -> int | float | _Huge:
    number = float(digits)
    return _whole(number) if math.isfinite(number) else _Huge(digits)


def _constant(name: str) -> NoReturn:
    raise DecodeError(f"invalid character '{name.lstrip('-')[0]}' {'in numeric literal' if name[0] == '-' else _VALUE}")


_PARSER = json.JSONDecoder(object_pairs_hook=_Pairs, parse_int=_integer, parse_float=_float, parse_constant=_constant)

_VALUE = "looking for beginning of value"
_LITERALS = {"t": "true", "f": "false", "n": "null"}
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_BEHIND_NUMBER = re.compile(r"(?:0|[1-9][0-9]*)(\.[0-9]+)?\Z", re.ASCII)
_END = " "
"""What encoding/json reads behind the last byte to learn whether a value may end there."""

_PLACES = {
    "Expecting value": _VALUE,
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Illegal trailing comma before end of object": "looking for beginning of object key string",
    "Illegal trailing comma before end of array": _VALUE,
    "Expecting ':' delimiter": "after object key",
    "Extra data": "after top-level value",
    "Invalid control character at": "in string literal",
}
"""What Python's parser says of a place, and what Go's does."""


def _too_deep(data: bytes) -> DecodeError:
    """Name the bracket that opens one level too many, or what else is wrong with a body that nobody can parse."""
    text, opened = data.decode("utf-8", "surrogateescape"), 0
    for match in _STRUCTURE.finditer(text):
        bracket = match[0]
        opened += (bracket in "[{") - (bracket in "]}")
        if opened > MAX_DEPTH:
            return DecodeError(f"invalid character '{bracket}' {TOO_DEEP}")
    return DecodeError(TOO_DEEP)


def _in_the_references_words(data: bytes, error: json.JSONDecodeError) -> str:
    """Say what encoding/json says of this body; users know its messages."""
    # Bytes that are no UTF-8 stand for themselves here: each took one place in the parsed text too.
    text, at, message = data.decode("utf-8", "surrogateescape"), error.pos, error.msg
    if message.startswith("Unterminated string"):
        return _UNEXPECTED_END
    if message.startswith(("Invalid \\escape", "Invalid \\uXXXX")):
        return _escape_error(text, at)
    found = text[at : at + 1]
    if message == "Expecting value" and (found in _LITERALS or found == "-"):
        return _literal_error(text, at)
    if message in ("Extra data", "Expecting ',' delimiter") and (cut := _cut_number(text, at)):
        return cut
    place = _PLACES.get(message, _VALUE)
    if message == "Expecting ',' delimiter":
        place = f"after {'object key:value pair' if _innermost(text, at) == '{' else 'array element'}"
    if message.startswith("Illegal trailing comma"):
        # Python points at the comma.
        at += 1 + len(text[at + 1 :]) - len(text[at + 1 :].lstrip(" \t\r\n"))
    return _invalid(text, at, place)


def _literal_error(text: str, at: int) -> str:
    literal = _LITERALS.get(text[at])
    if literal is None:
        return _invalid(text, at + 1, "in numeric literal", within=True)
    matched = next((i for i, c in enumerate(literal) if text[at + i : at + i + 1] != c), 1)
    return _invalid(text, at + matched, f"in literal {literal} (expecting '{literal[matched]}')", within=True)


def _cut_number(text: str, at: int) -> str:
    """Say what is wrong with a number that Python ends before a point or an exponent without digits; "" for no such one."""
    found = text[at : at + 1]
    number = _BEHIND_NUMBER.search(text, max(at - _DIGITS_SEEN, 0), at) if found in (".", "e", "E") else None
    if number is None or (found == "." and number[1]):
        return ""
    if found == ".":
        return _invalid(text, at + 1, "after decimal point in numeric literal", within=True)
    sign = text[at + 1 : at + 2] in ("+", "-")
    return _invalid(text, at + 1 + sign, "in exponent of numeric literal", within=True)


_UNEXPECTED_END = "unexpected end of JSON input"
_DIGITS_SEEN = 400
"""Digits before a point that are looked at: more than a float64 has."""


def _invalid(text: str, at: int, place: str, *, within: bool = False) -> str:
    """Name a byte and its place; `within` a literal, a number or an escape even the end of the body is named as a space."""
    if at >= len(text) and not within:
        return _UNEXPECTED_END
    # Go names the byte, and prints it as if it were Latin-1.
    char = chr((text[at : at + 1] or _END).encode("utf-8", "surrogateescape")[0])
    shown = {"'": r"'\''", '"': "'\"'"}.get(char) or f"'{quote(char)[1:-1]}'"
    return f"invalid character {shown} {place}"


def _escape_error(text: str, at: int) -> str:
    start = text.rfind("\\", 0, at + 1)
    if text[start + 1 : start + 2] != "u":
        return _invalid(text, start + 1, "in string escape code", within=True)
    bad = next((i for i in range(start + 2, start + 6) if text[i : i + 1] not in tuple("0123456789abcdefABCDEF")), start + 6)
    return _invalid(text, bad, "in \\u hexadecimal character escape", within=True)


def _innermost(text: str, at: int) -> str:
    opened: list[str] = []
    for bracket in _brackets(text, at):
        if bracket in "{[":
            opened.append(bracket)
        elif opened:
            opened.pop()
    return opened[-1] if opened else ""


def _brackets(text: str, end: int) -> Iterator[str]:
    return (match[0] for match in _STRUCTURE.finditer(text, 0, end) if match[0][0] != '"')
