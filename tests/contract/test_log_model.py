"""All logs against a model that keeps everything, under random traffic and compaction."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.bodies import Cut
from storage.errors import Compacted, Conflict
from storage.lmdb_log import LmdbLog
from storage.log import Log
from storage.memory_log import MemoryLog
from storage.types import (
    NOTHING,
    Check,
    Key,
    Op,
    Record,
    Revision,
    Scope,
    Stored,
    Write,
    make_key,
    restamp,
    stamp,
)
from storage.verify import verify
from tests.contract.conftest import KIND, StepClock, key, open_in_process
from watchd.seams import InlineRunner

PATHS = ["a/1", "a/10", "a/2", "a-b/1", "b/1", "c"]
PREFIXES = [b"", make_key(KIND), make_key(KIND, "a/"), make_key(KIND, "a/1"), make_key(KIND, "z/")]
ALL = Scope(b"")
CUT = Cut(b"", 0, b"", b"\0")


@attrs.frozen
class Put:
    path: str
    text: str
    expect: int | None
    """How far below the key's present revision the expected one lies."""
    check: tuple[str, int] | None


@attrs.frozen
class Delete:
    path: str
    expect: int | None


@attrs.frozen
class Compact:
    behind: int
    """How far behind the head."""


@attrs.frozen
class Reopen:
    """Close and open again; a log in memory goes on."""


paths = st.sampled_from(PATHS)
lag = st.none() | st.just(0) | st.integers(0, 2)
steps = st.lists(
    st.one_of(
        st.builds(Put, paths, st.text("xyz", max_size=5), lag, st.none() | st.tuples(paths, st.integers(0, 1))),
        st.builds(Put, paths, st.text("xyz", max_size=5), st.none(), st.none()),
        st.builds(Delete, paths, lag),
        st.builds(Compact, st.integers(0, 12)),
        st.builds(Reopen),
    ),
    max_size=40,
)


@attrs.define
class Model:
    """The log as a list, and each state as a dictionary."""

    records: list[Record] = attrs.field(factory=list)
    states: list[dict[Key, Stored]] = attrs.field(factory=lambda: [{}])
    floor: int = 0

    @property
    def head(self) -> Revision:
        return Revision(len(self.records))

    def revision(self, path: str) -> Revision:
        stored = self.states[-1].get(key(path))
        return NOTHING if stored is None else stored.revision

    def write(self, write: Write, checks: list[Check], time_ms: int) -> Record | None:
        state = dict(self.states[-1])
        before = state.get(write.key)
        actual = NOTHING if before is None else before.revision
        if (write.expect is not None and write.expect != actual) or (write.op is Op.DELETE and before is None):
            return None
        for check in checks:
            there = state.get(check.key)
            if check.revision != (NOTHING if there is None else there.revision):
                return None
        revision = Revision(self.head + 1)
        created = revision if before is None else before.created
        if write.op is Op.PUT:
            header, at = write.header, write.stamp_at
            body = stamp(write.body, at, revision)
            state[write.key] = Stored(write.key, revision, created, header, body, at)
        else:
            assert before is not None
            header, at = before.header, before.stamp_at
            body = restamp(before.body, at, before.revision, revision)
            del state[write.key]
        previous_header = b"" if before is None else before.header
        record = Record(
            revision, write.key, write.op, header, body, at, created, actual, previous_header, time_ms
        )
        self.records.append(record)
        self.states.append(state)
        return record


async def act(log: Log, model: Model, step: Put | Delete | Compact) -> None:
    if isinstance(step, Compact):
        upto = Revision(max(0, model.head - step.behind))
        model.floor = max(model.floor, upto)
        assert await log.compact(upto) == model.floor
        return
    checks: list[Check] = []
    expect = None if step.expect is None else Revision(max(0, model.revision(step.path) - step.expect))
    if isinstance(step, Put):
        body = b'{"v":"","t":"%b"}' % step.text.encode()
        write = Write(key(step.path), Op.PUT, step.text.encode(), body, 6, expect)
        if step.check is not None:
            path, behind = step.check
            checks = [Check(key(path), Revision(max(0, model.revision(path) - behind)))]
    else:
        write = Write(key(step.path), Op.DELETE, expect=expect)
    try:
        record = await log.append(write, checks=checks)
    except Conflict:
        assert model.write(write, checks, 0) is None
    else:
        assert record == model.write(write, checks, record.time_ms)


async def compare(log: Log, model: Model) -> None:
    """Ask for everything that can be asked."""
    assert (log.head, log.floor) == (model.head, model.floor)
    for at in range(model.floor, model.head + 1):
        revision = Revision(at)
        for path in PATHS:
            assert await log.get(key(path), revision) == model.states[at].get(key(path))
        for prefix in PREFIXES:
            expected = [stored for name, stored in sorted(model.states[at].items()) if name.startswith(prefix)]
            assert await pages(log, prefix, revision) == expected
            assert await bodies(log, prefix, revision) == [stored.body for stored in expected]
        expected_records = model.records[at:]
        assert (await log.read(revision, scope=ALL, limit=99, max_bytes=1 << 20)).records == expected_records
    for at in range(model.floor):
        with pytest.raises(Compacted):
            await log.get(key("a/1"), Revision(at))
    for prefix in PREFIXES:
        expected = [stored for name, stored in sorted(model.states[-1].items()) if name.startswith(prefix)]
        assert (await log.scan(prefix, limit=99)).items == expected
        records = [record for record in model.records[model.floor :] if record.key.startswith(prefix)]
        assert await tail(log, Scope(prefix)) == records
    await check_fold(log, model)


async def pages(log: Log, prefix: bytes, at: Revision) -> list[Stored]:
    """Scan and count in pages of two."""
    items: list[Stored] = []
    start: Key | None = None
    while True:
        page = await log.scan(prefix, start=start, limit=2, at=at)
        counted = await log.count(prefix, start=start, limit=2, at=at)
        assert (counted.keys, counted.next, counted.revision) == (len(page.items), page.next, at)
        assert len(page.items) <= 2
        items += page.items
        if page.next is None:
            return items
        start = page.next


async def bodies(log: Log, prefix: bytes, at: Revision) -> list[bytes]:
    """Have bodies put together, two keys at a time."""
    found: list[bytes] = []
    start: Key | None = None
    while True:
        part = await log.bodies(prefix, start=start, limit=2, at=at, cut=CUT)
        assert part is not None
        assert part.revision == at
        texts = part.data.split(CUT.between) if part.count else []
        assert len(texts) == part.count <= 2
        found += texts
        if part.next is None:
            return found
        assert start is None or part.next > start
        start = part.next


async def tail(log: Log, scope: Scope) -> list[Record]:
    """Read a scope in small parts."""
    records: list[Record] = []
    after = log.floor
    while after < log.head:
        batch = await log.read(after, scope=scope, limit=3, max_bytes=30)
        assert after < batch.upto <= after + 3
        records += batch.records
        after = batch.upto
    return records


async def check_fold(log: Log, model: Model) -> None:
    """The state at the floor and the log behind it fold to the present state."""
    state = {stored.key: stored for stored in (await log.scan(b"", limit=99, at=log.floor)).items}
    for record in await tail(log, ALL):
        if record.op is Op.DELETE:
            del state[record.key]
        else:
            state[record.key] = Stored(
                record.key, record.revision, record.created, record.header, record.body, record.stamp_at
            )
    assert state == model.states[-1]


Steps = list[Put | Delete | Compact | Reopen]


@settings(max_examples=60, deadline=None, database=None)
@given(steps=steps)
def test_a_log_in_memory_is_its_model(steps: Steps) -> None:
    parts = [step for step in steps if not isinstance(step, Reopen)]
    trio.run(drive, MemoryLog(clock=StepClock()), Model(), parts)


async def open_in_line(path: Path, clock: StepClock) -> LmdbLog:
    return await LmdbLog.open(path, clock=clock, runner=InlineRunner(), cluster_id="c", relaxed=True)


async def open_apart(path: Path, clock: StepClock) -> LmdbLog:
    return await open_in_process(path, clock=clock, runner=InlineRunner(), cluster_id="c", relaxed=True)


@settings(max_examples=60, deadline=None, database=None)
@given(steps=steps)
def test_a_durable_log_is_its_model(steps: Steps) -> None:
    trio.run(reopen_and_drive, open_in_line, steps)


@settings(max_examples=10, deadline=None, database=None)
@given(steps=steps)
def test_a_log_that_commits_in_a_process_is_its_model(steps: Steps) -> None:
    trio.run(reopen_and_drive, open_apart, steps)


async def reopen_and_drive(open_: Callable[[Path, StepClock], Awaitable[LmdbLog]], steps: Steps) -> None:
    model, clock = Model(), StepClock()
    with tempfile.TemporaryDirectory() as directory:
        parts: list[list[Put | Delete | Compact]] = [[]]
        for step in steps:
            if isinstance(step, Reopen):
                parts.append([])
            else:
                parts[-1].append(step)
        for part in parts:
            log = await open_(Path(directory), clock)
            await drive(log, model, part)
            assert (await verify(log)).problems == ()
            await log.aclose()


async def drive(log: Log, model: Model, part: list[Put | Delete | Compact]) -> None:
    published: list[Record] = []
    log.subscribe(published.extend)
    before = model.head
    async with trio.open_nursery() as nursery:
        await nursery.start(log.run)
        for step in part:
            await act(log, model, step)
        assert published == model.records[before:]
        await compare(log, model)
        nursery.cancel_scope.cancel()
