"""Heartbeat: whether the loop of a worker runs. One that hangs without dying serves nobody, and holds its clients."""

from __future__ import annotations

from typing import Final

import trio

from watchd.commands.channel import Channel, Ping

BEAT_SECONDS: Final = 5.0
"""Between an answer and the next question: it costs a worker some 50 us."""

HANG_SECONDS: Final = 15
"""How long a worker may take to answer, in whole seconds. A loop is busy for 1 to 2 s with the largest body there may be, and for
several times as long where the machine is short of CPU; the timeouts of most clients begin at 30 s."""


class Heartbeat:
    """Asks a worker again and again, over its channel. `heard` is to be called for each answer."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._answered = trio.Event()

    def heard(self) -> None:
        """Note an answer."""
        self._answered.set()

    async def run(self) -> None:
        """Return once an answer has not come in time."""
        while True:
            await trio.sleep(BEAT_SECONDS)
            self._answered = trio.Event()
            await self._channel.send(Ping())
            if not await self._hears():
                return

    async def _hears(self) -> bool:
        # Second by second: where the whole machine slept, that was one of them, and the worker has the others to wake up.
        for _ in range(HANG_SECONDS):
            with trio.move_on_after(1):
                await self._answered.wait()
                return True
        return False
