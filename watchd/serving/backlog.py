"""What clients have not taken yet of their answers, all connections of a door together, bounded (DESIGN section 5)."""

from __future__ import annotations

import logging

from watchd.serving.deadlines import Ending

log = logging.getLogger(__name__)

BACKLOG_BYTES = 128 << 20
"""Bytes that may wait for all slow clients together: two thousand of them at a full piece each."""


class Backlog:
    """Counts what waits, and ends who took nothing for longest where it is too much."""

    def __init__(self, most: int = BACKLOG_BYTES) -> None:
        """Allow so many bytes; one client alone may have more."""
        self._most = most
        self._waiting: dict[Ending, int] = {}
        """In the order in which they took something last."""
        self.bytes = 0

    def hold(self, client: Ending, waiting: int) -> None:
        """Note that so many bytes wait for a client, which has just taken some or begins to wait."""
        self.release(client)
        self._waiting[client] = waiting
        self.bytes += waiting
        while self.bytes > self._most and len(self._waiting) > 1:
            slowest = next(iter(self._waiting))
            log.warning("cutting off a client that takes nothing: %d bytes wait for %d clients", self.bytes, len(self._waiting))
            self.release(slowest)
            slowest.expire()

    def release(self, client: Ending) -> None:
        """Note that nothing waits for a client any more."""
        self.bytes -= self._waiting.pop(client, 0)
