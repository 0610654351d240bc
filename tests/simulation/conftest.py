"""Seeded random traffic on a log and its bus, the history it leaves, and the validators of that history.

The form is etcd's robustness suite: traffic -> history -> validators, all in simulated time, the same for the same
seed. A test draws seeds and asks for the violations; none is what a correct bus gives.
"""

from __future__ import annotations

import random  # noqa: TID251 - drawn from a seed that each failure names
import tempfile
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing
from trio._core import _run as trio_scheduler

from storage.bus import Cursor, WatchBus
from storage.errors import Compacted, Conflict, StorageError
from storage.lmdb_log import LmdbLog
from storage.log import Log
from storage.memory_log import MemoryLog
from storage.types import NOTHING, KindId, Op, Record, Revision, Scope, Write, make_key
from watchd.seams import InlineRunner

KINDS = (KindId(1), KindId(0x2F))
NAMESPACES = ("", "ns/", "other/")
NAMES = ("a", "b", "c", "d")
APPS = ("red", "blue")

WATCHERS = 10

WRITE_SECONDS = 1.0
"""How long writers write, in simulated time."""

SETTLE_SECONDS = 5.0
"""How long watchers have to catch up once writing has ended: far longer than any sleep of theirs."""

STEP_LIMIT = 200_000
"""Task switches of a run, some thirty times what one takes: more are a livelock, in which simulated time stands still."""

RING_BYTES = 12_000
"""About 25 records, so that slow watchers go to the log."""


def tag_of(header: bytes, name: str) -> str | None:
    values = dict(part.split("=") for part in header.decode().split(";") if part)
    return values.get(name)


def wanted(scope: Scope, record: Record) -> bool:
    """Tell whether a watcher must see a record: it is covered, and its tag holds before or after the change."""
    if not scope.covers(record.key):
        return False
    if scope.tag is None:
        return True
    name, value = scope.tag
    return value in {tag_of(record.header, name), tag_of(record.previous_header, name)}


class LivelockError(Exception):
    """A run did not come to an end."""


class Watchdog(trio.abc.Instrument):
    """Ends a run that goes round in circles."""

    def __init__(self, scope: trio.CancelScope) -> None:
        self.scope = scope
        self.steps = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps += 1
        if self.steps > STEP_LIMIT:
            self.scope.cancel()


class SimulatedClock:
    """The time of day as trio's clock has it."""

    def now_ms(self) -> int:
        return int(trio.current_time() * 1000)


@attrs.frozen
class Delivered:
    """A batch was returned."""

    records: list[Record]
    upto: Revision
    head: Revision


@attrs.frozen
class Positioned:
    """A position was read, as for a bookmark."""

    position: Revision
    head: Revision


@attrs.frozen
class Expired:
    """Compacted was raised."""

    position: Revision
    head: Revision
    floor: Revision


@attrs.frozen
class Settled:
    """Writing had long ended."""

    position: Revision
    head: Revision


Event = Delivered | Positioned | Expired | Settled


@attrs.define(eq=False)
class Session:
    """What one watcher saw from a start on, over as many cursors as it resumed with."""

    scope: Scope
    start: Revision
    state: dict[bytes, Revision] | None
    """What it had listed at the start, None where it did not list."""
    events: list[Event] = attrs.field(factory=list)

    @property
    def resume_at(self) -> Revision:
        """Where a client that knows bookmarks goes on."""
        last = self.events[-1] if self.events else None
        if last is None:
            return self.start
        return last.upto if isinstance(last, Delivered) else last.position


@attrs.frozen
class Awaited:
    """A wait for a revision came to an end."""

    revision: Revision
    reached: bool
    head: Revision


@attrs.define
class History:
    """All that happened in one run."""

    committed: list[Record] = attrs.field(factory=list)
    answered: list[Record] = attrs.field(factory=list)
    sessions: list[Session] = attrs.field(factory=list)
    waits: list[Awaited] = attrs.field(factory=list)
    final: dict[bytes, Revision] = attrs.field(factory=dict)
    head: Revision = NOTHING


class Traffic:
    """Writers, watchers, waiters and a compactor on one log."""

    def __init__(self, log: Log, bus: WatchBus, seed: int) -> None:
        self.log = log
        self.bus = bus
        self.random = random.Random(seed)
        self.history = History()
        self.hurry = False
        self.watching: dict[int, tuple[Session, Cursor]] = {}
        self.waiting: dict[Cursor, trio.CancelScope] = {}
        log.subscribe(self._publish)

    def _publish(self, records: list[Record]) -> None:
        self.history.committed += records
        self.bus.publish(records)
        if self.waiting and self.random.random() < 0.2:
            # The instant at which a wait is both woken and cancelled.
            self.random.choice(list(self.waiting.values())).cancel()

    async def run(self) -> History:
        history, bus = self.history, self.bus
        async with trio.open_nursery() as nursery:
            await nursery.start(self.log.run)
            for _ in range(self.random.randint(0, 40)):
                await self._write()
            await bus.start()
            async with trio.open_nursery() as watchers:
                for number in range(WATCHERS):
                    watchers.start_soon(self._watch, number)
                with trio.move_on_after(WRITE_SECONDS):
                    async with trio.open_nursery() as writers:
                        for _ in range(3):
                            writers.start_soon(self._keep_writing)
                        writers.start_soon(self._keep_compacting)
                        writers.start_soon(self._keep_waiting)
                self.hurry = True
                await trio.sleep(SETTLE_SECONDS)
                for session, cursor in self.watching.values():
                    session.events.append(Settled(cursor.position, bus.head))
                watchers.cancel_scope.cancel()
            page = await self.log.scan(b"", limit=1000)
            history.final = {item.key: item.revision for item in page.items}
            history.head = bus.head
            nursery.cancel_scope.cancel()
        return history

    async def _keep_writing(self) -> None:
        while True:
            await trio.sleep(self.random.choice((0.002, 0.01, 0.1)))
            with trio.move_on_after(self.random.choice((0, 10, 10, 10))):
                for _ in range(self.random.choice((1, 1, 4))):
                    await self._write()

    async def _write(self) -> None:
        draw = self.random
        path = draw.choice(NAMESPACES) + draw.choice(NAMES)
        key = make_key(draw.choice(KINDS), path)
        if draw.random() < 0.25:
            write = Write(key, Op.DELETE)
        else:
            header = f"name={path};app={draw.choice(APPS)}".encode()
            write = Write(key, Op.PUT, header, b'{"rv":""}' + b"x" * draw.randint(0, 60), 7)
        try:
            self.history.answered.append(await self.log.append(write))
        except Conflict:
            assert write.op is Op.DELETE

    async def _keep_compacting(self) -> None:
        while True:
            await trio.sleep(self.random.choice((0.01, 0.1)))
            lag = self.random.choice((0, 5, 40))
            await self.log.compact(Revision(max(0, self.bus.head - lag)))

    async def _keep_waiting(self) -> None:
        while True:
            revision = Revision(self.bus.head + self.random.randint(0, 4))
            reached = await self.bus.wait_for(revision, self.random.choice((0, 0.01, 0.1)))
            self.history.waits.append(Awaited(revision, reached, self.bus.head))

    def _draw_scope(self) -> Scope:
        draw = self.random
        kind, namespace, name = draw.choice(KINDS), draw.choice(NAMESPACES), draw.choice(NAMES)
        tag = draw.choice((None, ("app", draw.choice(APPS)), ("name", namespace + name)))
        return draw.choice(
            (
                Scope(b""),
                Scope(make_key(kind), tag=tag),
                Scope(make_key(kind, namespace), tag=tag),
                Scope(make_key(kind, namespace + name), exact=True),
                Scope(make_key(KINDS[-1])),
            )
        )

    async def _start_session(self) -> Session:
        scope = self._draw_scope()
        if self.random.random() < 0.5:
            page = await self.log.scan(scope.prefix, limit=1000)
            state = {item.key: item.revision for item in page.items if scope.covers(item.key)}
            session = Session(scope, page.revision, None if scope.tag else state)
        else:
            # From the past, and from a revision that is yet to come.
            start = self.random.randint(self.log.floor, self.bus.head + 3)
            session = Session(scope, Revision(start), None)
        self.history.sessions.append(session)
        return session

    async def _watch(self, number: int) -> None:
        while True:
            session = await self._start_session()
            expired = False
            while not expired:
                with self.bus.cursor(session.scope, session.resume_at) as cursor:
                    self.watching[number] = session, cursor
                    expired = await self._follow(session, cursor)

    async def _follow(self, session: Session, cursor: Cursor) -> bool:
        """Read from one cursor for a while; tell whether it expired."""
        draw, bus, events = self.random, self.bus, session.events
        for _ in range(draw.choice((1, 3, 1000))):
            try:
                with trio.move_on_after(10 if self.hurry else draw.choice((0, 0.002, 0.03, 10))) as wait:
                    self.waiting[cursor] = wait
                    batch = await cursor.next(limit=draw.choice((1, 3, 50)), max_bytes=draw.choice((1, 100, 1 << 20)))
                    events.append(Delivered(batch.records, batch.upto, bus.head))
            except Compacted:
                events.append(Expired(cursor.position, bus.head, self.log.floor))
                return True
            finally:
                del self.waiting[cursor]
            events.append(Positioned(cursor.position, bus.head))
            await trio.sleep(0 if self.hurry else draw.choice((0, 0, 0.02, 0.2)))
            events.append(Positioned(cursor.position, bus.head))
        # What has become outstanding in the meantime may be compacted before the next cursor stands here.
        if cursor.position < self.log.floor:
            events.append(Expired(cursor.position, bus.head, self.log.floor))
            return True
        return False


def violations(history: History) -> list[str]:
    """Return what a history breaks, each with the name of the guarantee first."""
    found: list[str] = []
    revisions = [record.revision for record in history.committed]
    if revisions != list(range(1, history.head + 1)):
        found.append(f"dense: {revisions}")
    committed = {record.revision: record for record in history.committed}
    found += [f"durable: {record}" for record in history.answered if committed.get(record.revision) != record]
    found += [f"fresh: {wait}" for wait in history.waits if wait.reached != (wait.head >= wait.revision)]
    if fold({}, history.committed) != history.final:
        found.append("state: the log does not fold to it")
    for session in history.sessions:
        found += SessionValidator(session, history).violations()
    return found


def fold(state: dict[bytes, Revision], records: list[Record]) -> dict[bytes, Revision]:
    """Apply changes to a state."""
    state = dict(state)
    for record in records:
        state.pop(record.key, None)
        if record.op is Op.PUT:
            state[record.key] = record.revision
    return state


class SessionValidator:
    """Goes over the events of one session and notes what they break."""

    def __init__(self, session: Session, history: History) -> None:
        self.session = session
        self.history = history
        self.real = {record.revision: record for record in history.committed}
        self.due = [
            record
            for record in history.committed
            if record.revision > session.start and wanted(session.scope, record)
        ]
        self.delivered: list[Record] = []
        self.covered = session.start
        """All that was due up to here has been delivered."""
        self.caught_up = False
        """It had seen all there was, and has not been behind since by its own slowness."""
        self.found: list[str] = []

    def violations(self) -> list[str]:
        for event in self.session.events:
            match event:
                case Delivered():
                    self._delivered(event)
                case Positioned():
                    self._positioned(event)
                case Expired():
                    self._expired(event)
                case Settled():
                    self._settled(event)
        return self.found

    def _due(self, after: Revision, upto: Revision) -> list[int]:
        return [record.revision for record in self.due if after < record.revision <= upto]

    def _delivered(self, event: Delivered) -> None:
        if not event.records:
            self.found.append(f"progress: an empty batch upto {event.upto}")
        last = self.delivered[-1].revision if self.delivered else self.session.start
        for record in event.records:
            if record.revision <= last:
                self.found.append(f"ordered, unique: {record.revision} after {last}")
            if self.real.get(record.revision) != record or not self.session.scope.covers(record.key):
                self.found.append(f"true: {record} is no record of {self.session.scope}")
            last = record.revision
        if last > event.upto:
            self.found.append(f"bookmarkable: {last} was delivered with upto {event.upto}")
        expected = self._due(self.covered, event.upto)
        seen = [record.revision for record in event.records if wanted(self.session.scope, record)]
        if seen != expected:
            self.found.append(f"reliable: {seen} instead of {expected} in ({self.covered}, {event.upto}]")
        self.delivered += event.records
        self.covered = event.upto
        self.caught_up = event.upto >= event.head

    def _positioned(self, event: Positioned | Settled) -> None:
        if missed := self._due(self.covered, event.position):
            self.found.append(f"bookmarkable: position {event.position} ahead of {missed}")
        if not self.covered <= event.position <= max(event.head, self.session.start):
            self.found.append(f"bookmarkable: position {event.position} outside [{self.covered}, {event.head}]")
        self.covered = max(self.covered, event.position)
        self.caught_up |= event.position >= event.head

    def _expired(self, event: Expired) -> None:
        if event.position >= event.floor:
            self.found.append(f"retained: expired at {event.position}, the floor is {event.floor}")
        if self.caught_up and not self._due(event.position, event.head):
            self.found.append(f"quiet: expired at {event.position} with nothing outstanding")

    def _settled(self, event: Settled) -> None:
        self._positioned(event)
        if event.position < event.head:
            self.found.append(f"live: still at {event.position} of {event.head}")
        if self.session.state is not None and self.session.start <= event.head:
            scope, final = self.session.scope, self.history.final
            if fold(self.session.state, self.delivered) != {k: final[k] for k in final if scope.covers(k)}:
                self.found.append(f"state: list and watch of {scope} do not add up to it")


@attrs.frozen
class Outcome:
    """A run and what it broke."""

    history: History
    violations: list[str]


Simulate = Callable[..., Outcome]


@pytest.fixture
def simulate(monkeypatch: pytest.MonkeyPatch) -> Simulate:
    """Run the traffic of a seed on a log to its end; the same seed gives the same run."""
    monkeypatch.setattr(trio_scheduler, "_ALLOW_DETERMINISTIC_SCHEDULING", True)

    async def run(seed: int, implementation: str) -> History:
        if implementation == "memory":
            log: Log = MemoryLog(clock=SimulatedClock())
            return await _run_on(log, seed)
        with tempfile.TemporaryDirectory() as directory:
            log = await LmdbLog.open(
                Path(directory) / "data", clock=SimulatedClock(), runner=InlineRunner(), cluster_id="c1", relaxed=True
            )
            try:
                return await _run_on(log, seed)
            finally:
                await log.aclose()

    def simulate_(seed: int, implementation: str = "memory") -> Outcome:
        trio_scheduler._r.seed(seed)
        clock = trio.testing.MockClock(autojump_threshold=0)
        try:
            history = trio.run(run, seed, implementation, clock=clock)
        except* (StorageError, LivelockError) as errors:
            outcome = Outcome(History(), [f"whole: {error!r}" for error in leaves(errors)])
        else:
            outcome = Outcome(history, violations(history))
        return outcome

    return simulate_


def leaves(errors: BaseExceptionGroup) -> list[BaseException]:
    """Return the errors of a group and of the groups in it."""
    return [
        leaf
        for error in errors.exceptions
        for leaf in (leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


async def _run_on(log: Log, seed: int) -> History:
    bus = WatchBus(log, tag_of=tag_of, ring_bytes=RING_BYTES)
    with trio.CancelScope() as scope:
        watchdog = Watchdog(scope)
        trio.lowlevel.add_instrument(watchdog)
        return await Traffic(log, bus, seed).run()
    raise LivelockError(f"{watchdog.steps} steps and no end")
