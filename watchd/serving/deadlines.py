"""Deadlines of connections, kept by one task: a scope of its own for each wait would cost each request microseconds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol

import trio

GRAIN = 0.05
"""Seconds between two looks at the least: what ends after half a minute may end a little later."""

AHEAD = 5.0
"""Seconds for which those that are due are told apart at once: to look at ten thousand takes a millisecond or two, and with a
bookmark for each about once a minute some are due at each look. Shorter than what most waits are given, which are over sooner."""


class Ending(Protocol):
    """What has a deadline."""

    deadline: float
    """On trio's clock; infinite for none."""

    def expire(self) -> None:
        """End it: its deadline is over."""


class Deadlines:
    """Ends each of some connections whose deadline is over. While none has one it sleeps."""

    def __init__(self, of: Iterable[Ending]) -> None:
        """Watch over a collection that changes as it likes."""
        self._of = of
        self._soon: set[Ending] = set()
        """Those whose deadline comes before `_horizon`, and some whose did."""
        self._horizon = -math.inf
        self._next = math.inf
        self._poke = trio.Event()

    def set(self, one: Ending, deadline: float) -> None:
        """Give one of them a deadline."""
        one.deadline = deadline
        if deadline < self._horizon:
            self._soon.add(one)
        if deadline < self._next:
            self._next = deadline
            self._poke.set()

    async def run(self) -> None:
        """Look after the deadlines until cancelled."""
        while True:
            now = trio.current_time()
            if now >= self._next:
                self._end(now)
            self._poke = trio.Event()
            await trio.sleep(GRAIN)
            with trio.move_on_at(self._next):
                await self._poke.wait()

    def _end(self, now: float) -> None:
        """End those that are over, and note when the next one is."""
        if now >= self._horizon:
            self._look_ahead(now)
        for one in [one for one in self._soon if one.deadline <= now]:
            one.deadline = math.inf
            one.expire()
        self._soon = {one for one in self._soon if one.deadline < self._horizon}
        if not self._soon:
            self._look_ahead(now)
        of = self._soon or self._of
        self._next = min((one.deadline for one in of), default=math.inf)

    def _look_ahead(self, now: float) -> None:
        self._horizon = now + AHEAD
        self._soon = {one for one in self._of if one.deadline < self._horizon}
