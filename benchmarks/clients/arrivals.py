"""What one watcher has seen: every event's arrival, and whether any was lost, repeated or out of order."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable

EVENT = re.compile(rb'"resourceVersion":\s?"(\d+)".*?@@(\d+):\d+@@')
"""The object's resourceVersion and the number of the update that made it, in one line of a stream."""


class Arrivals:
    """One watcher's stream, fed in pieces."""

    def __init__(self, updates: int, clock: Callable[[], int]) -> None:
        """Expect updates numbered from 1; `clock` gives nanoseconds."""
        self.at = array("q", bytes(8 * (updates + 1)))
        """When each update arrived, by its number; 0 for one that has not."""
        self.seen = self.duplicated = self.disordered = self.odd = self.bytes = 0
        self._clock = clock
        self._rest = b""
        self._revision = 0

    def feed(self, piece: bytes) -> None:
        """Take a piece of the stream."""
        self.bytes += len(piece)
        now = self._clock()
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._line(line, now)

    def _line(self, line: bytes, now: int) -> None:
        found = EVENT.search(line)
        if found is None:
            # A bookmark was not asked for, and an error is nothing to be quiet about.
            self.odd += 1
            return
        revision, number = int(found[1]), int(found[2])
        if revision < self._revision:
            self.disordered += 1
        if revision == self._revision or not 0 < number < len(self.at) or self.at[number]:
            self.duplicated += 1
            return
        self._revision = max(self._revision, revision)
        self.at[number] = now
        self.seen += 1
