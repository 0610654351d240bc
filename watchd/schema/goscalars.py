"""What Go writes of the scalars that have a JSON of their own: bytes, times and quantities, each read from JSON."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Self

from watchd.schema.quantity import QuantityError, canonical_quantity
from watchd.status import go_json

_TIME = re.compile(r"(\d{4})-(\d{2})-(\d{2})T(\d{1,2}):(\d{2}):(\d{2})(?:[.,](\d+))?(?:Z|([+-])(\d{2}):(\d{2}))", re.ASCII)
_MICRO_DIGITS = 6
_TIME_LAYOUT = "2006-01-02T15:04:05Z07:00"
_MICRO_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"
_ELEMENTS = [
    (re.compile(pattern, re.ASCII), element, limits, name)
    for pattern, element, limits, name in (
        (r"(\d{4})", "2006", (0, 9999), "year"),
        ("-", "-", None, ""),
        (r"(\d{2})", "01", (1, 12), "month"),
        ("-", "-", None, ""),
        (r"(\d{2})", "02", (0, 99), "day"),
        ("T", "T", None, ""),
        (r"(\d{1,2})", "15", (0, 23), "hour"),
        (":", ":", None, ""),
        (r"(\d{2})", "04", (0, 59), "minute"),
        (":", ":", None, ""),
        (r"(\d{2})", "05", (0, 59), "second"),
    )
]
"""The parts of a time, what Go's layout calls them, and their limits."""
_FRACTION = re.compile(r"[.,]\d+", re.ASCII)
_MICROS = re.compile(r"[.,]\d{6}", re.ASCII)
_ZONE = re.compile(r"Z|[+-](\d{2}):(\d{2})", re.ASCII)
_ZONE_HOURS = 24
_ZONE_MINUTES = 60
"""Limits of an offset, which Go includes."""
_YEARS = 400
"""Years after which the calendar repeats."""
_SECONDS_CHARS = len("2006-01-02T15:04:05Z")

KEPT_TIMES = 1024
"""Times that are known to be well: objects bring those back that they were given, and of one second there are many."""
KEPT_TIME_CHARS = len("2006-01-02T15:04:05.000000Z")
"""Characters of the longest time that is kept so."""

_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_BASE64_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

_BLANK = "".join(chr(code) for code in (0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000))
"""What Go trims a quantity of. Control characters stand escaped in JSON, and Go does not undo that here."""

ZERO_TIMES = frozenset({"0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"})
"""The time that Go takes for none, as metav1.Time and as metav1.MicroTime write it."""


class TypeMismatch(ValueError):
    """A value that does not fit its field; the message is the reference decoder's."""


class SpelledNumber(float):
    """A number in JSON that is not spelled as an integer, with its digits: Go reads `1.0` and `1e2` into no integer field."""

    __slots__ = ("digits",)
    digits: str

    def __new__(cls, digits: str) -> Self:
        """Take a number as it stands in JSON."""
        made = super().__new__(cls, digits)
        made.digits = digits
        return made


_SPELLED = re.compile(rb'(?:":|[\[,])\s*+-?+[0-9]++[.eE]')
"""A number that is not spelled as an integer, or what looks like one in a text."""


def spelled(body: bytes) -> Any | None:
    """Return what a body in JSON holds, with SpelledNumbers; None where it has no number that needs them.

    For bodies that have been read well, whose numbers are in the range of float64.
    """
    if _SPELLED.search(body) is None:
        return None
    found = False

    def number(digits: str) -> SpelledNumber:
        nonlocal found
        found = True
        return SpelledNumber(digits)

    try:
        value = json.loads(body, parse_float=number)
    except UnicodeDecodeError:
        # Read with what is no UTF-8 replaced: such a body keeps what its numbers are read as.
        return None
    return value if found else None


def canonical_base64(text: str) -> str:
    """Return padded standard base64 without line breaks. Raises TypeMismatch naming the first bad byte, as Go does."""
    data = text.encode()
    body = data.replace(b"\r", b"").replace(b"\n", b"")
    if not _BASE64.fullmatch(body):
        raise TypeMismatch(f"illegal base64 data at input byte {_bad_byte(data)}")
    return base64.b64encode(base64.b64decode(body)).decode()


def _bad_byte(data: bytes) -> int:
    """Return where Go's decoder stops in data that is not base64 (encoding/base64, decodeQuantum)."""
    digits = 0
    for at, byte in enumerate(data):
        if byte in b"\r\n":
            continue
        if byte == ord("=") and digits % 4 >= 2:
            return _bad_padding(data, at, digits % 4)
        if byte not in _BASE64_DIGITS:
            return at
        digits += 1
    return len(data) - digits % 4


def _bad_padding(data: bytes, at: int, digits: int) -> int:
    """Return where Go's decoder stops after a group's first padding byte."""
    rest = (index for index in range(at + 1, len(data)) if data[index] not in b"\r\n")
    if digits == 2:
        second = next(rest, None)
        if second is None:
            return len(data)
        if data[second] != ord("="):
            return second - 1
    return next(rest, len(data))


def canonical_time(text: str, *, micro: bool = False) -> str:
    """Return a time as metav1.Time (whole seconds) or metav1.MicroTime writes it: in UTC. Raises TypeMismatch."""
    return _kept_time(text, micro) if len(text) <= KEPT_TIME_CHARS else _canonical_time(text, micro=micro)


@lru_cache(KEPT_TIMES)
def _kept_time(text: str, micro: bool) -> str:  # noqa: FBT001 - the cache takes it so at less cost
    return _canonical_time(text, micro=micro)


def _canonical_time(text: str, *, micro: bool) -> str:
    match = _TIME.fullmatch(text)
    if match is None or (micro and len(match[7] or "") != _MICRO_DIGITS):
        raise _no_time(text, micro=micro)
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    offset = 60 * int(match[9]) + int(match[10]) if match[8] else 0
    if offset and (int(match[9]) > _ZONE_HOURS or int(match[10]) > _ZONE_MINUTES):
        raise _no_time(text, micro=micro)
    # Python has fewer years than Go.
    shift = year - _YEARS * 5 - year % _YEARS
    try:
        moment = datetime(year - shift, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise _no_time(text, micro=micro) from None
    if not offset and not micro and not shift and match[7] is None and len(text) == _SECONDS_CHARS:
        return text
    if offset:
        moment -= timedelta(minutes=offset if match[8] == "+" else -offset)
    years = moment.year + shift
    written = f"{'-' if years < 0 else ''}{abs(years):04d}-{moment:%m-%dT%H:%M:%S}"
    return f"{written}.{match[7]}Z" if micro else f"{written}Z"


def _no_time(text: str, *, micro: bool) -> TypeMismatch:
    """Say where Go's parser stops in a text that is no time, or finds a number that no calendar has."""
    told = f"parsing time {_quoted(text)}"
    layout = _MICRO_LAYOUT if micro else _TIME_LAYOUT
    why = _stop(text, f' as "{layout}": cannot parse', micro=micro)
    return TypeMismatch(told + why)


def _stop(text: str, cannot: str, *, micro: bool) -> str:  # noqa: PLR0911 - a table of stops
    rest = text
    for pattern, element, limits, name in _ELEMENTS:
        match = pattern.match(rest)
        if match is None:
            return f'{cannot} {_quoted(rest)} as "{element}"'
        rest = rest[match.end() :]
        if limits is not None and not limits[0] <= int(match[1]) <= limits[1]:
            return f": {name} out of range"
    match = (_MICROS if micro else _FRACTION).match(rest)
    if micro and match is None:
        return f'{cannot} {_quoted(rest)} as ".000000"'
    rest = rest[match.end() :] if match else rest
    zone = _ZONE.match(rest)
    if zone is None:
        return f'{cannot} {_quoted(rest)} as "Z07:00"'
    rest = rest[zone.end() :]
    if zone[1] and int(zone[1]) > _ZONE_HOURS:
        return ": time zone offset hour out of range"
    if zone[1] and int(zone[2]) > _ZONE_MINUTES:
        return ": time zone offset minute out of range"
    return f": extra text: {_quoted(rest)}" if rest else ": day out of range"


def _quoted(text: str) -> str:
    """Quote a text as the errors of Go's times do: control characters and all beyond ASCII byte by byte."""
    out = ['"']
    for char in text:
        if char in '"\\':
            out.append("\\" + char)
        elif " " <= char <= "\x7f":
            out.append(char)
        else:
            out += (f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))
    return "".join((*out, '"'))


def written_quantity(value: Any) -> str:
    """Return a quantity as Go writes it, of a text or of a number as it stands in JSON. Raises TypeMismatch."""
    if isinstance(value, str):
        text = value.strip(_BLANK)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        text = go_json(value).replace("e+", "e")
    else:
        text = ""
    try:
        return canonical_quantity(text)
    except QuantityError as e:
        raise TypeMismatch(str(e)) from e
