"""Timestamps and durations: their texts and their parts (RFC 3339, and Go's durations)."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Callable
from decimal import Decimal

from watchd.schema.cel.errors import EvaluationError
from watchd.schema.cel.values import MAX_INT, MIN_INT, Duration, Timestamp

SECOND = 1_000_000_000
"""Nanoseconds."""

MIN_SECONDS = -62_135_596_800
"""0001-01-01, the first timestamp."""
MAX_SECONDS = 253_402_300_799
"""9999-12-31, the last timestamp."""

UNITS: dict[str, int] = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
}
"""Nanoseconds of the units of Go's durations."""

_PART = re.compile(r"([0-9]*\.?[0-9]*)(ns|us|µs|μs|ms|s|m|h)")
_RFC3339 = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:[.,](\d+))?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_OFFSET = re.compile(r"([+-]?)(\d{2}):(\d{2})", re.ASCII)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def parse_duration(text: str) -> Duration | None:
    """Parse a Go duration such as `1h30m`, or return None."""
    body = text
    sign = 1
    if body[:1] in {"+", "-"}:
        sign = -1 if body[0] == "-" else 1
        body = body[1:]
    if body == "0":
        return Duration(0)
    if not body:
        return None
    total, position = Decimal(0), 0
    while position < len(body):
        match = _PART.match(body, position)
        if match is None or match[1] in {"", "."}:
            return None
        total += int(Decimal(match[1]) * UNITS[match[2]])
        position = match.end()
    nanoseconds = sign * int(total)
    return Duration(nanoseconds) if MIN_INT <= nanoseconds <= MAX_INT else None


def parse_timestamp(text: str) -> Timestamp | None:
    """Parse an RFC 3339 timestamp, or return None."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    *parts, fraction, zone = match.groups()
    try:
        moment = dt.datetime(*map(int, parts), tzinfo=dt.UTC)  # type: ignore[misc,arg-type]  # six ints
        offset = 0
        if zone not in {"Z", "z"}:
            hours, minutes = int(zone[1:3]), int(zone[4:6])
            if hours > 24 or minutes > 60:
                return None
            offset = (hours * 3600 + minutes * 60) * (-1 if zone[0] == "-" else 1)
    except ValueError:
        return None
    delta = moment - _EPOCH
    seconds = delta.days * 86400 + delta.seconds - offset
    nanoseconds = int((fraction or "0")[:9].ljust(9, "0"))
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        return None
    return Timestamp(seconds * SECOND + nanoseconds, offset)


def parse_date(text: str) -> Timestamp | None:
    """Parse `YYYY-MM-DD`, or return None."""
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        return None
    return parse_timestamp(f"{text}T00:00:00Z")


def timestamp(nanoseconds: int) -> Timestamp:
    """Make a timestamp.

    Raises:
        EvaluationError: it lies outside the years 1 to 9999.

    """
    if not MIN_SECONDS * SECOND <= nanoseconds < (MAX_SECONDS + 1) * SECOND:
        raise EvaluationError("timestamp overflow")
    return Timestamp(nanoseconds)


def duration(nanoseconds: int) -> Duration:
    """Make a duration.

    Raises:
        EvaluationError: it does not fit into 64 bits of nanoseconds.

    """
    if not MIN_INT <= nanoseconds <= MAX_INT:
        raise EvaluationError("integer overflow")
    return Duration(nanoseconds)


def _fraction(nanoseconds: int) -> str:
    return f".{nanoseconds:09d}".rstrip("0").rstrip(".") if nanoseconds else ""


def timestamp_text(value: Timestamp) -> str:
    """Write a timestamp in RFC 3339."""
    seconds, nanoseconds = divmod(value.nanoseconds, SECOND)
    moment = _EPOCH + dt.timedelta(seconds=seconds + value.offset)
    hours, minutes = divmod(abs(value.offset) // 60, 60)
    zone = f"{'-' if value.offset < 0 else '+'}{hours:02d}:{minutes:02d}" if value.offset else "Z"
    return f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + _fraction(nanoseconds) + zone


def duration_text(value: Duration) -> str:
    """Write a duration in seconds, as in `5400s`."""
    sign = "-" if value.nanoseconds < 0 else ""
    seconds, nanoseconds = divmod(abs(value.nanoseconds), SECOND)
    return f"{sign}{seconds}{_fraction(nanoseconds)}s"


def _zone(name: str) -> dt.tzinfo:
    match = _OFFSET.fullmatch(name)
    if match is not None:
        minutes = int(match[2]) * 60 + int(match[3])
        return dt.timezone(dt.timedelta(minutes=-minutes if match[1] == "-" else minutes))
    if name in {"", "UTC"}:
        return dt.UTC
    if ".." in name or name[0] in "/\\":
        raise EvaluationError("time: invalid location name")
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise EvaluationError(f"unknown time zone {name}") from error


def in_zone(value: Timestamp, zone: str) -> dt.datetime:
    """Return a timestamp as a date and time of a zone.

    Raises:
        EvaluationError: there is no such zone, or the date is out of range there.

    """
    try:
        return (_EPOCH + dt.timedelta(seconds=value.nanoseconds // SECOND)).astimezone(_zone(zone))
    except (OverflowError, ValueError) as error:
        raise EvaluationError("timestamp overflow") from error


PARTS: dict[str, Callable[[dt.datetime], int]] = {
    "getFullYear": lambda moment: moment.year,
    "getMonth": lambda moment: moment.month - 1,
    "getDate": lambda moment: moment.day,
    "getDayOfMonth": lambda moment: moment.day - 1,
    "getDayOfWeek": lambda moment: moment.isoweekday() % 7,
    "getDayOfYear": lambda moment: moment.timetuple().tm_yday - 1,
    "getHours": lambda moment: moment.hour,
    "getMinutes": lambda moment: moment.minute,
    "getSeconds": lambda moment: moment.second,
}
"""Parts of a timestamp that do not depend on fractions of a second."""


def part(function: str, value: Timestamp, zone: str) -> int:
    """Return one part of a timestamp in a zone."""
    if function == "getMilliseconds":
        in_zone(value, zone)
        return value.nanoseconds % SECOND // 1_000_000
    return PARTS[function](in_zone(value, zone))


DURATION_PARTS: dict[str, int] = {
    "getHours": 3600 * SECOND,
    "getMinutes": 60 * SECOND,
    "getSeconds": SECOND,
    "getMilliseconds": 1_000_000,
}
"""Nanoseconds of what the functions of a duration count."""


def duration_part(function: str, value: Duration) -> int:
    """Return a duration counted in one unit, towards zero."""
    whole = abs(value.nanoseconds) // DURATION_PARTS[function]
    return -whole if value.nanoseconds < 0 else whole
