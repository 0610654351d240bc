"""JSON: orjson where a body is plain, an exact parser where it is not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import orjson

from conversion.codec import INT64_MAX, INT64_MIN, JSON, MAX_DEPTH, Decoded, DecodeError, Object, bare, quote, text_of

MAX_REPORTED = 100
"""Duplicate fields named for one body: the bound of the reference's strict decoder (sigs.k8s.io/json)."""

TOO_DEEP = "exceeded max depth"
"""The reference's words for a body nested too deeply."""

_SURROGATES = re.compile("[\ud800-\udfff]")
_DIGITS = bytes(ord("9") if 0x30 <= byte <= 0x39 else ord(" ") for byte in range(256))
_LONG_NUMBER = b"9" * 19
"""19 digits in a row, after `_DIGITS`: only there can an integer be beyond int64."""
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
        no field stood twice, whatever the whitespace; an escaped colon or a difference goes to the exact parser.
        """
        try:
            value = orjson.loads(data)
        except orjson.JSONDecodeError:
            return _Exact().decode(data)
        try:
            again = orjson.dumps(value)
        except TypeError as e:  # all it holds came from orjson, which writes 254 levels
            raise DecodeError(TOO_DEEP) from e
        if (
            again.count(b":") != data.count(b":")
            or (b"\\" in data and (b"\\u003a" in data or b"\\u003A" in data))
            or _LONG_NUMBER in data.translate(_DIGITS)
        ):
            return _Exact().decode(data)
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


class _Pairs(list[tuple[str, Any]]):
    """An object as it stands in the body: every field, in order."""


class _Exact:
    """One body, read as the reference reads it (sigs.k8s.io/json over encoding/json).

    Bytes that are no UTF-8, and surrogates without a partner, become U+FFFD; integers beyond int64 become floats; a
    field that stands twice is reported once for its path, and the last value wins.
    """

    def __init__(self) -> None:
        self._duplicates: dict[str, None] = {}

    def decode(self, data: bytes) -> Decoded:
        """Read a body. Raises DecodeError."""
        text = text_of(data)
        try:
            tree = _PARSER.decode(text)
        except RecursionError as e:
            raise DecodeError(TOO_DEEP) from e
        except json.JSONDecodeError as e:
            raise DecodeError(_in_the_references_words(e)) from e
        value = self._build(tree, "", 0)
        return Decoded(value, tuple(self._duplicates))

    def _build(self, node: Any, path: str, depth: int) -> Any:
        if isinstance(node, str):
            return _clean(node)
        if not isinstance(node, list):
            return node
        depth += 1
        if depth > MAX_DEPTH:
            raise DecodeError(TOO_DEEP)
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


def _integer(digits: str) -> int | float:
    # int64 has at most 19 digits and a sign; longer strings are not worth int()'s quadratic time.
    if len(digits) <= 20 and INT64_MIN <= (number := int(digits)) <= INT64_MAX:
        return number
    return _float(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise DecodeError(f"json: cannot unmarshal number {digits} into Go value of type float64")
    return number


def _constant(name: str) -> NoReturn:
    raise DecodeError(f"invalid character '{name.lstrip('-')[0]}' {'in numeric literal' if name[0] == '-' else _VALUE}")


_PARSER = json.JSONDecoder(object_pairs_hook=_Pairs, parse_int=_integer, parse_float=_float, parse_constant=_constant)

_VALUE = "looking for beginning of value"
_LITERALS = {"t": "true", "f": "false", "n": "null"}
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def _in_the_references_words(error: json.JSONDecodeError) -> str:
    """Say what encoding/json says of this body; users know its messages."""
    text, at = error.doc, error.pos
    message = error.msg
    if message.startswith("Unterminated string"):
        return "unexpected end of JSON input"
    if message.startswith(("Invalid \\escape", "Invalid \\uXXXX")):
        return _escape_error(text, at)
    if message == "Expecting value" and text[at : at + 1] in ("t", "f", "n", "-"):
        literal = _LITERALS.get(text[at], "")
        matched = next((i for i, c in enumerate(literal) if text[at + i : at + i + 1] != c), 1)
        place = f"in literal {literal} (expecting '{literal[matched]}')" if literal else "in numeric literal"
        return _invalid(text, at + matched, place)
    places = {
        "Expecting value": _VALUE,
        "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
        "Illegal trailing comma before end of object": "looking for beginning of object key string",
        "Expecting ':' delimiter": "after object key",
        "Expecting ',' delimiter": f"after {'object key:value pair' if _innermost(text, at) == '{' else 'array element'}",
        "Extra data": "after top-level value",
        "Invalid control character at": "in string literal",
    }
    return _invalid(text, at, places.get(message, _VALUE))


def _invalid(text: str, at: int, place: str) -> str:
    if at >= len(text):
        return "unexpected end of JSON input"
    # Go names the byte, and prints it as if it were Latin-1.
    char = chr(text[at].encode("utf-8", "replace")[0])
    shown = {"'": r"'\''", '"': "'\"'"}.get(char) or f"'{quote(char)[1:-1]}'"
    return f"invalid character {shown} {place}"


def _escape_error(text: str, at: int) -> str:
    start = text.rfind("\\", 0, at + 1)
    if text[start + 1 : start + 2] != "u":
        return _invalid(text, start + 1, "in string escape code")
    bad = next((i for i in range(start + 2, start + 6) if text[i : i + 1] not in tuple("0123456789abcdefABCDEF")), start + 6)
    return _invalid(text, bad, "in \\u hexadecimal character escape")


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
