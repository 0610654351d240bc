"""Deadlines of connections, kept by one task: a scope of its own for each wait would cost each request microseconds."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol

import trio

GRAIN = 0.05
"""Seconds between two looks at the least: what ends after half a minute may end a little later."""


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
        self._next = math.inf
        self._poke = trio.Event()

    def set(self, one: Ending, deadline: float) -> None:
        """Give one of them a deadline."""
        one.deadline = deadline
        if deadline < self._next:
            self._next = deadline
            self._poke.set()

    async def run(self) -> None:
        """Look after the deadlines until cancelled."""
        while True:
            now = trio.current_time()
            for one in [one for one in self._of if one.deadline <= now]:
                one.deadline = math.inf
                one.expire()
            self._next = min((one.deadline for one in self._of), default=math.inf)
            self._poke = trio.Event()
            await trio.sleep(GRAIN)
            with trio.move_on_at(self._next):
                await self._poke.wait()
