"""A worker whose loop is busy goes on, one whose loop hangs is told from it, and a machine that slept is neither."""

from __future__ import annotations

import socket

import trio
import trio.testing

from watchd.commands.channel import Channel, Ping, Pong
from watchd.commands.heartbeat import BEAT_SECONDS, HANG_SECONDS, Heartbeat


class Worker:
    """The other end of a channel, which answers some seconds late."""

    def __init__(self) -> None:
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.heartbeat = Heartbeat(channel := Channel(ours))
        self.supervisors, self.workers = channel, Channel(its)
        self.late = 0.0
        self.asked = 0
        self.ended_at: float | None = None

    async def answer(self) -> None:
        while (received := await self.workers.receive()) is not None:
            assert received == (Ping(), [])
            self.asked += 1
            await trio.sleep(self.late)
            await self.workers.send(Pong())

    async def hear(self) -> None:
        while (received := await self.supervisors.receive()) is not None:
            assert received == (Pong(), [])
            self.heartbeat.heard()

    async def run(self) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.answer)
                nursery.start_soon(self.hear)
                await self.heartbeat.run()
                self.ended_at = trio.current_time()
                nursery.cancel_scope.cancel()
        finally:
            self.workers.close()
            self.supervisors.close()


async def test_a_busy_loop_is_asked_again_and_again(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    nursery.start_soon((worker := Worker()).run)
    worker.late = HANG_SECONDS - 1
    await trio.sleep(10 * (BEAT_SECONDS + HANG_SECONDS))
    assert (worker.asked, worker.ended_at) == (11, None)
    nursery.cancel_scope.cancel()


async def test_one_that_hangs_is_told(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    nursery.start_soon((worker := Worker()).run)
    await trio.sleep(BEAT_SECONDS + 1)
    worker.late = 1e6
    began = trio.current_time()
    await trio.sleep(1000)
    assert worker.ended_at is not None
    assert worker.ended_at - began <= BEAT_SECONDS + HANG_SECONDS


async def test_while_the_machine_sleeps_nobody_hangs(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    nursery.start_soon((worker := Worker()).run)
    worker.late = 5
    await trio.sleep(BEAT_SECONDS + 1)
    assert worker.asked == 1
    # Nobody could answer in this time; the worker's own timers have passed with it.
    autojump_clock.jump(3600)
    await trio.sleep(BEAT_SECONDS)
    assert worker.ended_at is None
    nursery.cancel_scope.cancel()
