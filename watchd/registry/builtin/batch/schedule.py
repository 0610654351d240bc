"""Cron schedules, as the reference reads them: five fields, or a name such as @daily; what is wrong with one is told in its words."""

from __future__ import annotations

import re

import attrs

from watchd.status import go_quote

NAMED = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
EVERY = "@every "

FIELDS = 5

_DURATION = re.compile(r"[+-]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class ScheduleError(ValueError):
    """A schedule that cannot be read; the message is the reference's."""


@attrs.frozen
class _Bounds:
    low: int
    high: int
    names: dict[str, int] = attrs.field(factory=dict)


_BOUNDS = (
    _Bounds(0, 59),
    _Bounds(0, 23),
    _Bounds(1, 31),
    _Bounds(1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    _Bounds(0, 6, {name: number for number, name in enumerate(_DAYS)}),
)
"""Of minute, hour, day of the month, month, day of the week."""


def check_schedule(text: str) -> None:
    """Read a schedule that is not empty. Raises ScheduleError."""
    if text.startswith(("TZ=", "CRON_TZ=")):
        _, space, text = text.partition(" ")
        if not space:
            raise ScheduleError("invalid schedule format: runtime error: slice bounds out of range [:-1]")
        text = text.strip()
    if text.startswith("@"):
        _check_name(text)
        return
    fields = text.split()
    if len(fields) != FIELDS:
        raise ScheduleError(f"expected exactly {FIELDS} fields, found {len(fields)}: [{' '.join(fields)}]")
    for field, bounds in zip(fields, _BOUNDS, strict=True):
        for part in filter(None, field.split(",")):
            _check_range(part, bounds)


def _check_name(text: str) -> None:
    if text in NAMED:
        return
    if not text.startswith(EVERY):
        raise ScheduleError(f"unrecognized descriptor: {text}")
    if not _DURATION.fullmatch(text[len(EVERY) :]):
        why = f"time: invalid duration {go_quote(text[len(EVERY) :])}"
        raise ScheduleError(f"failed to parse duration {text}: {why}")


def _check_range(text: str, bounds: _Bounds) -> None:
    whole, *steps = text.split("/")
    first, *rest = whole.split("-")
    if first in ("*", "?"):
        start, end = bounds.low, bounds.high
    else:
        start = _number(first, bounds)
        if len(rest) > 1:
            raise ScheduleError(f"too many hyphens: {text}")
        end = _number(rest[0], bounds) if rest else start
    if len(steps) > 1:
        raise ScheduleError(f"too many slashes: {text}")
    step = _integer(steps[0]) if steps else 1
    if steps and not rest:
        end = bounds.high
    if start < bounds.low:
        raise ScheduleError(f"beginning of range ({start}) below minimum ({bounds.low}): {text}")
    if end > bounds.high:
        raise ScheduleError(f"end of range ({end}) above maximum ({bounds.high}): {text}")
    if start > end:
        raise ScheduleError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ScheduleError(f"step of range should be a positive number: {text}")


def _number(text: str, bounds: _Bounds) -> int:
    named = bounds.names.get(text.lower())
    return _integer(text) if named is None else named


def _integer(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ScheduleError(f"failed to parse int from {text}: strconv.Atoi: parsing {go_quote(text)}: invalid syntax")
    number = int(text)
    if number < 0:
        raise ScheduleError(f"negative number ({number}) not allowed: {text}")
    return number
