"""What one watcher has seen: every event's arrival, and whether any was lost, repeated or out of order."""

from __future__ import annotations

from array import array
from collections.abc import Callable

from benchmarks.clients.dialect import Dialect


class Arrivals:
    """One watcher's stream, fed in pieces."""

    def __init__(self, updates: int, clock: Callable[[], int], dialect: Dialect, *, after: int = 0, name: str = "") -> None:
        """Expect updates numbered from 1, behind a revision, of the one object of a name where there is one; `clock` gives nanoseconds."""
        self.at = array("q", bytes(8 * (updates + 1)))
        """When each update arrived, by its number; 0 for one that has not."""
        self.seen = self.duplicated = self.disordered = self.odd = self.bytes = 0
        self._clock = clock
        self._events = dialect.events
        self._name = f'"name":"{name}"'.encode() if name else b""
        self._rest = b""
        self.revision = after
        """Up to where it has seen everything."""

    def again(self) -> None:
        """Begin with another stream, from the revision on; what came of the next event is not its beginning."""
        self._rest = b""

    def feed(self, piece: bytes) -> None:
        """Take a piece of the stream."""
        self.bytes += len(piece)
        now = self._clock()
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            events = self._events(line)
            if events is None or self._name not in line:
                self.odd += 1
                continue
            for revision, number in events:
                self._take(revision, number, now)

    def _take(self, revision: int, number: int, now: int) -> None:
        if revision < self.revision:
            self.disordered += 1
        if revision == self.revision or not 0 < number < len(self.at) or self.at[number]:
            self.duplicated += 1
            return
        self.revision = max(self.revision, revision)
        self.at[number] = now
        self.seen += 1
