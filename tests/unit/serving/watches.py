"""Watches that stand in for the API's."""

from __future__ import annotations

import math


class Busy:
    """A watch that never waits for anything but its client: `run` is all of it, on whatever sink."""

    until = math.inf

    def on(self, line):
        self.line = line
        return self

    async def advance(self, _wake):
        await self.run(self.line)
        return False

    def close(self):
        pass


class Waiting:
    """A watch that says something at once, waits until it is told to go on, and says something more."""

    until = math.inf

    def __init__(self, line, begun, ended):
        self.line = line
        self.ended = ended
        self.wake = None
        self.over = False
        begun(self)

    async def advance(self, wake):
        first, self.wake = self.wake is None, wake
        if first:
            await self.line.send_all(b"event\n")
        if self.over:
            await self.line.send_all(b"bookmark\n")
        return not self.over

    def stop(self):
        self.over = True
        self.wake()

    def close(self):
        self.ended(self)
