"""YAML scalars as Kubernetes' tools read and write them: YAML 1.1 by the rules of sigs.k8s.io/yaml (go-yaml v2)."""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from decimal import Decimal
from typing import Final

from conversion.codec import INT64_MAX, INT64_MIN, DecodeError, text_of

Scalar = str | int | float | bool | None

STR: Final = "tag:yaml.org,2002:str"
"""The tag of text."""
_PREFIX = "tag:yaml.org,2002:"
_BINARY = _PREFIX + "binary"
_MERGE = _PREFIX + "merge"
_FLOAT = _PREFIX + "float"
_INT = _PREFIX + "int"
_BOOL = _PREFIX + "bool"
_NULL = _PREFIX + "null"
_TIMESTAMP = _PREFIX + "timestamp"
_RESOLVED = {STR, _BOOL, _INT, _FLOAT, _NULL, _TIMESTAMP}


def _spellings(*words: str) -> tuple[str, ...]:
    return tuple(form for word in words for form in (word, word.capitalize(), word.upper()))


_WORDS: dict[str, tuple[str, Scalar]] = {
    **dict.fromkeys(_spellings("y", "yes", "true", "on"), (_BOOL, True)),
    **dict.fromkeys(_spellings("n", "no", "false", "off"), (_BOOL, False)),
    **dict.fromkeys(("", "~", *_spellings("null")), (_NULL, None)),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), (_FLOAT, math.nan)),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), (_FLOAT, math.inf)),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), (_FLOAT, -math.inf)),
}
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))", re.ASCII)
_BASES = (16, 2, 8, 10)
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d?-\d\d?(?:(?:[Tt]\d\d?:\d\d?:\d\d?(?:\.\d+)?(?:Z|[-+]\d\d:\d\d))|(?: \d\d?:\d\d?:\d\d?(?:\.\d+)?))?", re.ASCII)
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?", re.ASCII)
_FIRST = frozenset("+-0123456789.")
_UINT64_MAX = 2**64 - 1
_LONGEST_INTEGER = 66
"""Characters of a 64-bit integer in base 2 with its prefix; longer digits are a float, and never int()'s business."""


def resolve(text: str, tag: str | None, *, plain: bool) -> Scalar:
    """Return the value of a scalar, of YAML's types. Raises DecodeError for one that its tag does not fit."""
    if tag is None and plain:
        return _implicit(text)[1]
    if tag == _BINARY:
        return _unpacked(text)
    if tag == STR or tag not in _RESOLVED:
        return text
    found, value = _implicit(text)
    if tag == _FLOAT and found == _INT and isinstance(value, int):
        return float(value)
    if found != tag:
        raise DecodeError(f"yaml: cannot decode {_short(found)} `{text}` as a {_short(tag)}")
    return value


def json_value(value: Scalar) -> Scalar:
    """Return what a value is after its way through JSON, where 1.0 is written 1 and read as an integer.

    Integers beyond int64 become floats. Raises DecodeError for what JSON cannot hold.
    """
    if isinstance(value, float):
        if not math.isfinite(value):
            name = "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
            raise DecodeError(f"json: unsupported value: {name}")
        # The shortest digits that read back as this float, as JSON has them: not its exact value.
        number = int(Decimal(repr(value))) if value.is_integer() else None
        return value if number is None or not INT64_MIN <= number <= INT64_MAX else number
    if isinstance(value, int) and not INT64_MIN <= value <= INT64_MAX:
        return float(value)
    return value


def plain_text(text: str) -> bool:
    """Whether text may stand without quotes: it would be read as itself, by readers of base 60 too."""
    return _implicit(text)[0] == STR and not (":" in text and _BASE_60.fullmatch(text))


def is_merge(text: str, tag: str | None, *, plain: bool) -> bool:
    """Whether a key is the merge key."""
    return text == "<<" and (tag == _MERGE or (tag is None and plain))


def key_text(key: Scalar) -> str:
    """Write a key as JSON's string. Raises DecodeError for null and for integers beyond int64."""
    if isinstance(key, str):
        return key
    if key is None:
        raise DecodeError("yaml: unsupported map key: null")
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, float):
        return _shortest_float32(key)
    if key > INT64_MAX:
        raise DecodeError(f"unsupported map key of type: uint64, key: {key:#x}")
    return str(key)


def float_text(number: float) -> str:
    """Write a float as the reference's YAML has it, through JSON: 100000.0 is `100000`, 1e21 is `1e+21`."""
    if number.is_integer() and INT64_MIN <= number <= _UINT64_MAX:
        return str(int(Decimal(repr(number))))
    return _general(repr(number))


def _implicit(text: str) -> tuple[str, Scalar]:
    """Return the tag and value of an untagged plain scalar."""
    word = _WORDS.get(text)
    if word is not None:
        return word
    if text[0] not in _FIRST:
        return STR, text
    if _MOMENT.fullmatch(text):
        return _TIMESTAMP, text
    digits = text.replace("_", "")
    match = _INTEGER.fullmatch(digits)
    if match and len(digits) <= _LONGEST_INTEGER:
        sign, *groups = match.groups()
        number = next(int(group, base) for group, base in zip(groups, _BASES, strict=True) if group is not None)
        number = -number if sign == "-" else number
        # An unsigned 64-bit integer may have no sign at all.
        if INT64_MIN <= number <= (INT64_MAX if sign else _UINT64_MAX):
            return _INT, number
    if text[0] != "_" and _NUMBER.fullmatch(digits):
        value = float(digits)
        if math.isfinite(value):
            return _FLOAT, value
    return STR, text


def _short(tag: str) -> str:
    return "!!" + tag.removeprefix(_PREFIX)


def _unpacked(text: str) -> str:
    try:
        return text_of(base64.b64decode("".join(text.split("\n")), validate=True))
    except (binascii.Error, ValueError) as e:
        raise DecodeError("yaml: !!binary value contains invalid base64 data") from e


def _shortest_float32(value: float) -> str:
    if math.isnan(value):
        return ".nan"
    try:
        (narrow,) = struct.unpack(">f", struct.pack(">f", value))
    except OverflowError:
        narrow = math.inf
    if math.isinf(narrow):
        return ".inf" if value > 0 else "-.inf"
    for precision in range(9):
        text = f"{narrow:.{precision}e}"
        if struct.unpack(">f", struct.pack(">f", float(text)))[0] == narrow:
            return _general(text)
    return _general(f"{narrow:.8e}")


def _general(text: str) -> str:
    """Write shortest digits as Go's %g does: with an exponent of two digits below 1e-4 and from 1e6 on."""
    sign, digits, exponent = Decimal(text).as_tuple()
    shown = "".join(map(str, digits)).rstrip("0") or "0"
    point = len(digits) + int(exponent)  # where the decimal point stands, counted from the first digit
    minus = "-" if sign else ""
    if shown == "0":
        return f"{minus}0"
    if -4 <= point - 1 < _EXPONENT_FROM:
        if point <= 0:
            return f"{minus}0.{'0' * -point}{shown}"
        shown = shown.ljust(point, "0")
        return f"{minus}{shown[:point]}.{shown[point:]}" if len(shown) > point else f"{minus}{shown}"
    mantissa = f"{shown[0]}.{shown[1:]}" if len(shown) > 1 else shown
    return f"{minus}{mantissa}e{'-' if point < 1 else '+'}{abs(point - 1):02d}"


_EXPONENT_FROM = 6
"""Go's strconv.FormatFloat(f, 'g', -1, 64) keeps plain digits below 1e6."""
