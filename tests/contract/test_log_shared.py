"""Several logs that commit through one process: what each promises its own is true of all of them together."""

from __future__ import annotations

import os
import random  # noqa: TID251 - when to kill, from a seed that is printed
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trio

from storage.committer_process import CommitterProcess, Connection
from storage.environment import Environment, Options
from storage.errors import Conflict, LogClosed, OutcomeUnknown, Overtaken, StorageError
from storage.lmdb_log import SHARED_SECONDS, LmdbLog
from storage.process_committer import EVERYTHING, ProcessCommitter
from storage.receipt import TOKEN_BYTES
from storage.types import Record, Revision
from storage.verify import verify
from tests.contract.conftest import StepClock, delete, key, put, until
from watchd.seams import ThreadRunner

SEED = int(os.environ.get("WATCHD_KILL_SEED", "20260101"))
WRITERS = 8
"""Of each log."""

KILLS = 6
SECONDS = 60.0


@attrs.define(eq=False)
class Shared:
    """Two logs over one process, and what each has published."""

    process: CommitterProcess
    clock: StepClock = attrs.field(factory=StepClock)
    logs: list[LmdbLog] = attrs.field(factory=list)
    published: list[list[Record]] = attrs.field(factory=list)
    connections: list[trio.MemorySendChannel[Connection | StorageError]] = attrs.field(factory=list)

    def open(self, environment: Environment) -> LmdbLog:
        """Open another log, which is not run."""
        send, receive = trio.open_memory_channel[Connection | StorageError](1)

        async def renew() -> Connection:
            renewed = await receive.receive()
            if isinstance(renewed, StorageError):
                raise renewed
            return renewed

        self.connections.append(send)
        committer = ProcessCommitter(
            self.process.connect(), renew, environment, slot=len(self.connections), token=os.urandom(TOKEN_BYTES), clock=self.clock, shared=True
        )
        # One process may open an environment once: they read the same one.
        return LmdbLog(
            environment, committer, trio.lowlevel.checkpoint, clock=self.clock, runner=ThreadRunner(), readonly=False
        )

    async def add(self, environment: Environment, nursery: trio.Nursery) -> None:
        log = self.open(environment)
        records: list[Record] = []
        log.subscribe(records.extend)
        await nursery.start(log.run)
        self.logs.append(log)
        self.published.append(records)

    async def look_after_process(self) -> None:
        """Replace the process each time it dies."""
        while True:
            await self.process.died()
            try:
                await self.process.restart()
                for send in self.connections:
                    await send.send(self.process.connect())
            except StorageError as error:
                for send in self.connections:
                    await send.send(error)
                return

    async def check(self) -> None:
        """Hold the logs to each other and to what is stored, at a moment when nobody writes."""
        for log in self.logs:
            log.refresh()
        first = self.logs[0]
        assert (await verify(first)).problems == ()
        stored = (await first.read(Revision(0), scope=EVERYTHING, limit=1_000_000, max_bytes=1 << 30)).records
        assert [record.revision for record in stored] == list(range(1, first.head + 1))
        assert self.published == [stored, stored]


@pytest.fixture
async def shared(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Shared]:
    options = Options(cluster_id="c1")
    shared = Shared(CommitterProcess.start(tmp_path / "data", options, runner=ThreadRunner()))
    await shared.process.opened()
    environment = Environment(tmp_path / "data", Options(readonly=True))
    async with trio.open_nursery() as keeping:
        keeping.start_soon(shared.look_after_process)
        for _ in range(2):
            await shared.add(environment, nursery)
        yield shared
        keeping.cancel_scope.cancel()
    for log in shared.logs:
        await log.aclose()
    await shared.process.aclose()


async def test_what_one_has_appended_the_other_publishes(shared: Shared) -> None:
    one, other = shared.logs
    record = await one.append(put("ns/a"))
    # Whoever is told of a revision by the one finds it in the other at once.
    other.refresh()
    assert (one.head, other.head) == (1, 1)
    assert shared.published[1] == [record]
    gone = await other.append(delete("ns/a", expect=1))
    with trio.fail_after(SECONDS):
        # Without being asked: by the news.
        await until(lambda: one.head >= gone.revision)
    await shared.check()


async def test_kinds_are_one_and_compaction_is_seen(shared: Shared) -> None:
    one, other = shared.logs
    kind = await one.kind("pods")
    assert await other.kind("pods") == kind
    assert dict(other.kinds()) == {"pods": kind}
    for _ in range(3):
        await one.append(put("ns/a"))
    # Others may not have taken over what is so young.
    assert await one.compact(Revision(2)) == 0
    shared.clock.ms += round(SHARED_SECONDS * 1000)
    assert await one.compact(Revision(2)) == 2
    await other.append(put("ns/a"))
    other.refresh()
    assert other.floor == 2


async def test_one_that_compaction_has_overtaken_says_so_and_ends(shared: Shared) -> None:
    one, _ = shared.logs
    sleeper = shared.open(one._env)
    for _ in range(3):
        await one.append(put("ns/a"))
    shared.clock.ms += round(SHARED_SECONDS * 1000)
    await one.compact(Revision(2))
    with trio.fail_after(SECONDS), pytest.RaisesGroup(Overtaken):
        await sleeper.run()
    await sleeper._committer.aclose()


async def test_a_delete_that_cannot_be_read_back_is_unknown_and_others_are_not_held_up(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = shared.logs
    await one.append(put("ns/a"))
    pid = shared.process.pid

    def unreadable(revision: Revision) -> Record:
        raise OutcomeUnknown(f"what was committed cannot be read: {revision}")

    with monkeypatch.context() as patch:
        patch.setattr(one._committer, "_deleted", unreadable)
        with trio.fail_after(SECONDS), pytest.raises(OutcomeUnknown):
            await one.append(delete("ns/a"))
    with trio.fail_after(SECONDS):
        assert (await one.append(put("ns/b"))).revision == 3
        assert (await other.append(put("ns/c"))).revision == 4
    assert shared.process.pid == pid
    await shared.check()


async def test_many_writers_of_both_make_one_dense_history(shared: Shared) -> None:
    won: list[int] = []

    async def write(log: LmdbLog, number: int) -> None:
        for _ in range(20):
            stored = await log.get(key(f"ns/{number}"))
            try:
                record = await log.append(put(f"ns/{number}", expect=stored.revision if stored else 0))
            except Conflict:
                continue
            won.append(record.revision)

    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            for number in range(WRITERS):
                for log in shared.logs:
                    # Two for each key, one in each log.
                    nursery.start_soon(write, log, number)
    await shared.check()
    assert sorted(won) == list(range(1, shared.logs[0].head + 1))


async def test_when_the_process_dies_neither_loses_anything(shared: Shared) -> None:
    print(f"seed {SEED}: WATCHD_KILL_SEED repeats its choices")
    rng = random.Random(SEED)
    answered: dict[int, str] = {}
    done = False

    async def write(log: LmdbLog, path: str) -> None:
        value, revision = 0, 0
        while not done:
            value += 1
            body = b'{"v":"","n":%d}' % value
            record = await log.append(put(path, body, expect=revision))
            assert record.revision not in answered
            answered[record.revision] = path
            revision = record.revision

    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            for at, log in enumerate(shared.logs):
                for number in range(WRITERS):
                    nursery.start_soon(write, log, f"ns/{at}-{number}")
            for _ in range(KILLS):
                enough = len(answered) + rng.randint(50, 300)
                await until(lambda: len(answered) >= enough)  # noqa: B023 - waited for here
                await trio.sleep(rng.random() * 0.004)
                os.kill(shared.process.pid, signal.SIGKILL)
            done = True
    await shared.check()
    assert all(log.failed is None for log in shared.logs)
    stored = {record.revision: record.key[4:].decode() for record in shared.published[0]}
    # Nothing is stored that was not answered, either.
    assert answered == stored


async def test_where_there_is_no_other_process_both_stop_writing(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = shared.logs
    await one.append(put("ns/a"))
    monkeypatch.setattr("storage.committer_process.PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("storage.committer_process.sys.executable", "/nonexistent/python")
    os.kill(shared.process.pid, signal.SIGKILL)
    with trio.fail_after(SECONDS):
        await until(lambda: one.failed is not None and other.failed is not None)
    for log in shared.logs:
        with pytest.raises(LogClosed, match="No such file or directory"):
            await log.append(put("ns/b"))
        log.refresh()
        assert await log.get(key("ns/a")) is not None


async def test_who_loses_a_race_knows_what_it_was_lost_to(shared: Shared) -> None:
    for round_ in range(20):
        name, lost = f"ns/{round_}", []

        async def write(log: LmdbLog, name: str = name, lost: list[tuple[int, int]] = lost) -> None:
            try:
                await log.append(put(name, expect=0))
            except Conflict as conflict:
                lost.append((conflict.actual, log.head))

        async with trio.open_nursery() as nursery:
            for log in shared.logs:
                nursery.start_soon(write, log)
        assert len(lost) == 1
        assert all(winner <= head for winner, head in lost)
    await shared.check()
