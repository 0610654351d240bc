"""Deadlines: what is to be done to objects at a time of day."""

from __future__ import annotations

import heapq
from collections.abc import Awaitable, Callable
from typing import NoReturn

import trio

from storage.types import Key
from watchd.seams import Clock

CLOCK_LOOK_SECONDS = 60.0
"""The longest sleep between two looks at the time of day, which may be set back or forth meanwhile."""


class Deadlines:
    """The next deadline of each key; a new one takes the place of the last."""

    def __init__(self, clock: Clock, due: Callable[[Key], Awaitable[None]]) -> None:
        """`due` is called when the time of a key has come; it looks at the object again, and may set another one."""
        self._clock = clock
        self._due = due
        self._at: dict[Key, int] = {}
        self._heap: list[tuple[int, Key]] = []
        self._changed = trio.Event()

    def set(self, key: Key, at_ms: int | None) -> None:
        """Set the deadline of a key, in milliseconds since the epoch; None for none any more."""
        if at_ms is None:
            self._at.pop(key, None)
        elif self._at.get(key) != at_ms:
            self._at[key] = at_ms
            heapq.heappush(self._heap, (at_ms, key))
            self._changed.set()

    async def run(self) -> NoReturn:
        """Wait and call until cancelled."""
        while True:
            while self._heap and self._at.get(self._heap[0][1]) != self._heap[0][0]:
                heapq.heappop(self._heap)
            self._changed = trio.Event()
            if not self._heap:
                await self._changed.wait()
                continue
            at_ms, key = self._heap[0]
            wait_ms = at_ms - self._clock.now_ms()
            if wait_ms > 0:
                with trio.move_on_after(min(wait_ms / 1000, CLOCK_LOOK_SECONDS)):
                    await self._changed.wait()
                continue
            heapq.heappop(self._heap)
            del self._at[key]
            await self._due(key)
