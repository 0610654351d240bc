"""Ranges of LMDB cursors, taken in slices: the walk from row to row is C's, and Python looks at what it has come to."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice
from typing import Any

from storage.types import KEY_LIMIT, Key

FIRST_ROWS = 4
"""Rows that are taken at first, a microsecond: most collections are small, and many empty."""

MOST_ROWS = 1000
"""Rows that are taken at once at the most: what stands behind the range's end is taken for nothing."""


def past(prefix: bytes) -> bytes:
    """Return what sorts behind all keys with a prefix, and before all others that do."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else b"\xff" * (KEY_LIMIT + 1)


def _steps(limit: int) -> Iterator[int]:
    """Yield how many rows of up to `limit` to take at once: few at first, since the range may end soon."""
    step, left = FIRST_ROWS, limit
    while left:
        step = min(step, left)
        yield step
        left -= step
        step = min(2 * step, MOST_ROWS)


def take_rows(
    cursor: Any, first: bytes, stop: bytes, limit: int, room: int
) -> tuple[list[memoryview], Key | None, Key | None]:
    """Return the rows of the keys from `first` up to `stop`: at most `limit`, and as many as it takes to fill `room` bytes.

    Also the key of the last one, and the next key below `stop`, None where there is none.
    """
    if not cursor.set_range(first):
        return [], None, None
    walk = cursor.iternext(keys=False)
    rows: list[memoryview] = []
    for step in _steps(limit):
        taken = list(islice(walk, step))
        rows += taken
        if len(taken) < step:
            cursor.last()
            break
        if bytes(cursor.key()) >= stop:
            break
    # Keys are looked at behind the rows alone: to make a view of each takes half as long as all the rest.
    size = sum(map(len, rows))
    while rows and (size - len(rows[-1]) >= room or bytes(cursor.key()) >= stop):
        size -= len(rows.pop())
        cursor.prev()
    last = Key(bytes(cursor.key())) if rows else None
    following = Key(bytes(cursor.key())) if cursor.next() else None
    return rows, last, following if following is not None and following < stop else None


def count_keys(cursor: Any, first: bytes, stop: bytes, limit: int) -> tuple[int, Key | None]:
    """Return how many keys there are from `first` up to `stop`, at most `limit`, and the next one, None where there is none."""
    walk = cursor.iternext(values=False) if cursor.set_range(first) else iter(())
    counted = 0
    found: list[memoryview] = []
    for step in _steps(limit + 1):
        found = list(islice(walk, step))
        within = len(found) if found and bytes(found[-1]) < stop else bisect_left(found, stop, key=bytes)
        counted += within
        if within < step:
            return counted, None
    return limit, Key(bytes(found[-1]))
