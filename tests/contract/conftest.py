"""The logs that the contract is held against, and what a log's user brings along."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import attrs
import pytest
import trio

from storage.lmdb_log import LmdbLog
from storage.log import Log
from storage.memory_log import MemoryLog
from storage.types import Key, KindId, Op, Record, Revision, Write, make_key
from watchd.seams import ThreadRunner

KIND = KindId(1)
LOGS = ["memory", "lmdb"]


@attrs.define
class StepClock:
    """Goes on by a millisecond each time it is read, or is set."""

    ms: int = 1_700_000_000_000

    def now_ms(self) -> int:
        self.ms += 1
        return self.ms


OpenLog = Callable[..., Awaitable[Log]]
OpenLmdb = Callable[..., Awaitable[LmdbLog]]


@pytest.fixture
def clock() -> StepClock:
    return StepClock()


@pytest.fixture
async def open_lmdb(tmp_path: Path, clock: StepClock, nursery: trio.Nursery) -> AsyncIterator[OpenLmdb]:
    """Opens LMDB logs, by default in one data directory, runs them, and closes what is left open."""
    opened: list[LmdbLog] = []

    async def open_(path: Path | None = None, *, run: bool = True, **options: object) -> LmdbLog:
        options = {"clock": clock, "runner": ThreadRunner(), "cluster_id": "c1"} | options
        log = await LmdbLog.open(path or tmp_path / "data", **options)  # type: ignore[arg-type]
        opened.append(log)
        if run and not options.get("readonly"):
            await nursery.start(log.run)
        return log

    yield open_
    for log in opened:
        await log.aclose()


@pytest.fixture(params=LOGS)
async def open_log(
    request: pytest.FixtureRequest, clock: StepClock, nursery: trio.Nursery, open_lmdb: OpenLmdb
) -> AsyncIterator[OpenLog]:
    """Opens logs of each implementation, empty ones, and runs them."""
    if request.param == "lmdb":
        yield open_lmdb
        return
    opened: list[Log] = []

    async def open_(_path: Path | None = None, **options: object) -> Log:
        log = MemoryLog(clock=clock, **options)  # type: ignore[arg-type]
        opened.append(log)
        await nursery.start(log.run)
        return log

    yield open_
    for log in opened:
        await log.aclose()


@pytest.fixture
async def log(open_log: OpenLog) -> Log:
    """An empty log of each implementation, running."""
    return await open_log()


def key(path: str, kind: int = KIND) -> Key:
    return make_key(KindId(kind), path)


def put(path: str, body: bytes = b'{"v":""}', *, kind: int = KIND, expect: int | None = None, header: bytes = b"h") -> Write:
    """A put whose revision is stamped between the last two quotes of its body."""
    return Write(
        key(path, kind), Op.PUT, header, body, body.rindex(b'""') + 1, None if expect is None else Revision(expect)
    )


def delete(path: str, *, kind: int = KIND, expect: int | None = None) -> Write:
    return Write(key(path, kind), Op.DELETE, expect=None if expect is None else Revision(expect))


@pytest.fixture
def published(log: Log) -> list[Record]:
    """All that the log publishes."""
    records: list[Record] = []
    log.subscribe(records.extend)
    return records
