"""Literals of CEL's grammar: what a string between quotes says."""

from __future__ import annotations

_SIMPLE = {
    "a": 7,
    "b": 8,
    "f": 12,
    "n": 10,
    "r": 13,
    "t": 9,
    "v": 11,
    "\\": 92,
    "'": 39,
    '"': 34,
    "`": 96,
    "?": 63,
}
_HEX = {"x": 2, "X": 2, "u": 4, "U": 8}


class BadLiteral(ValueError):
    """A literal that the lexer takes and that still means nothing."""


def _body(text: str) -> tuple[str, bool]:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    raw = text[0] in "rR"
    text = text[1:] if raw else text
    quotes = 3 if text[:3] in {'"""', "'''"} and len(text) >= 6 else 1
    return text[quotes:-quotes], raw


def _escape(body: str, position: int) -> tuple[int, bool, int]:
    """Return the code of the escape at a position, whether it is a byte in bytes, and where it ends."""
    letter = body[position + 1]
    if letter in _SIMPLE:
        return _SIMPLE[letter], False, position + 2
    if letter in _HEX:
        end = position + 2 + _HEX[letter]
        return int(body[position + 2 : end], 16), letter in "xX", end
    return int(body[position + 1 : position + 4], 8), True, position + 4


def string_value(text: str) -> str:
    """Return what a string literal, quotes included, says.

    Raises:
        BadLiteral: an escape stands for no character.

    """
    body, raw = _body(text)
    if raw or "\\" not in body:
        return body
    out: list[str] = []
    position = 0
    while position < len(body):
        if body[position] != "\\":
            out.append(body[position])
            position += 1
            continue
        code, _, position = _escape(body, position)
        if 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
            raise BadLiteral("invalid unicode code point")
        out.append(chr(code))
    return "".join(out)


def bytes_value(text: str) -> bytes:
    """Return what a bytes literal, prefix and quotes included, says.

    Raises:
        BadLiteral: it holds an escape of a character.

    """
    body, raw = _body(text[1:])
    if raw or "\\" not in body:
        return body.encode()
    out = bytearray()
    position = 0
    while position < len(body):
        if body[position] != "\\":
            out += body[position].encode()
            position += 1
            continue
        if body[position + 1] in "uU":
            raise BadLiteral("unable to unescape string")
        code, _, position = _escape(body, position)
        out.append(code)
    return bytes(out)
