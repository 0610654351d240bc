"""A fault in a controller ends neither the server nor the controller."""

from __future__ import annotations

import pytest
import trio

from watchd.controllers.supervision import RESTART_SECONDS, Supervisor


class Faulty:
    """Fails so many times, then works."""

    def __init__(self, failures: int, *, before_start: bool) -> None:
        self.left = failures
        self.before_start = before_start
        self.runs: list[float] = []

    async def run(self, *, task_status=trio.TASK_STATUS_IGNORED):
        self.runs.append(trio.current_time())
        if self.left and self.before_start:
            self.left -= 1
            raise KeyError("gone")
        task_status.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._work)

    async def _work(self):
        await trio.sleep(1)
        if self.left:
            self.left -= 1
            raise ValueError("bad")
        await trio.sleep_forever()


async def test_it_is_started_again_after_longer_and_longer_waits(autojump_clock, nursery):
    faulty = Faulty(5, before_start=False)
    supervisor = Supervisor("faulty", faulty)
    await nursery.start(supervisor.run)
    await trio.sleep(200)
    assert len(faulty.runs) == 6
    gaps = pytest.approx([*RESTART_SECONDS, RESTART_SECONDS[-1]])
    assert [later - earlier - 1 for earlier, later in zip(faulty.runs, faulty.runs[1:], strict=False)] == gaps
    assert supervisor.failure is None


async def test_the_server_waits_for_the_first_start_that_works(autojump_clock, nursery):
    faulty = Faulty(2, before_start=True)
    await nursery.start(Supervisor("faulty", faulty).run)
    assert len(faulty.runs) == 3


async def test_its_failure_can_be_read_while_it_waits(autojump_clock, nursery):
    supervisor = Supervisor("faulty", Faulty(1, before_start=False))
    await nursery.start(supervisor.run)
    await trio.sleep(1.05)
    assert "bad" in supervisor.failure


async def test_cancellation_passes():
    with trio.move_on_after(0.01) as scope:
        await Supervisor("fine", Faulty(0, before_start=False)).run()
    assert scope.cancelled_caught
