"""Ledger: who stands between the charge to a ResourceQuota and the object that it is for.

A quota's status is charged before the object is stored, as in the reference. Whoever counts anew what is there must not do so in
between: it would take the charge away again and let one object too many in. So writes of a namespace and its counting exclude each
other; writes do not exclude each other, but for the moment of the charge.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio


class _Gate:
    """Of one namespace."""

    def __init__(self) -> None:
        self.users = 0
        """Who needs the gate: writes, and everybody who waits."""
        self.writing = 0
        self.counting = False
        self.lot = trio.lowlevel.ParkingLot()
        """Where those stand who wait for a change of the two."""
        self.charging = trio.Lock()


class Ledger:
    """Who writes and who counts, by namespace."""

    def __init__(self) -> None:
        self._gates: dict[str, _Gate] = {}
        self.recount: Callable[[str], None] = lambda _: None
        """Told of namespaces where a charge was made for nothing."""

    async def enter(self, namespace: str) -> None:
        """Begin a write, once nobody counts."""
        gate = self._take(namespace)
        try:
            while gate.counting:
                await gate.lot.park()
        except BaseException:
            self._release(namespace)
            raise
        gate.writing += 1

    def leave(self, namespace: str, *, stored: bool) -> None:
        """End a write that has entered."""
        gate = self._gates[namespace]
        gate.writing -= 1
        gate.lot.unpark_all()
        self._release(namespace)
        if not stored:
            self.recount(namespace)

    @asynccontextmanager
    async def charging(self, namespace: str) -> AsyncIterator[None]:
        """Charge one after the other. For writes that have entered."""
        async with self._gates[namespace].charging:
            yield

    @asynccontextmanager
    async def counting(self, namespace: str) -> AsyncIterator[None]:
        """Count while nobody writes: those that began are waited for, new ones wait."""
        gate = self._take(namespace)
        try:
            while gate.counting:
                await gate.lot.park()
            gate.counting = True
            try:
                while gate.writing:
                    await gate.lot.park()
                yield
            finally:
                gate.counting = False
                gate.lot.unpark_all()
        finally:
            self._release(namespace)

    def _take(self, namespace: str) -> _Gate:
        gate = self._gates.setdefault(namespace, _Gate())
        gate.users += 1
        return gate

    def _release(self, namespace: str) -> None:
        gate = self._gates[namespace]
        gate.users -= 1
        if not gate.users:
            del self._gates[namespace]
