"""The logs that the contract is held against, and what a log's user brings along."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from storage.committer_process import CommitterProcess
from storage.environment import Options
from storage.lmdb_log import LmdbLog
from storage.log import Log
from storage.memory_log import MemoryLog
from storage.receipt import TOKEN_BYTES
from storage.types import Clock, Key, KindId, Op, Record, Revision, Runner, Write, make_key
from watchd.seams import ThreadRunner

KIND = KindId(1)
LOGS = ["memory", "lmdb", "process"]


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


async def open_in_process(path: Path, *, clock: Clock, runner: Runner, **options: object) -> LmdbLog:
    """Open a log whose committer is a process of its own."""
    process = CommitterProcess.start(path, Options(**options), runner=runner)  # type: ignore[arg-type]
    return await LmdbLog.attach(process, token=os.urandom(TOKEN_BYTES), clock=clock, runner=runner)


@asynccontextmanager
async def opener(path: Path, clock: StepClock, nursery: trio.Nursery, *, process: bool) -> AsyncIterator[OpenLmdb]:
    """Open LMDB logs, by default in one data directory, run them, and close what is left open."""
    opened: list[LmdbLog] = []
    default = path

    async def open_(path: Path | None = None, *, run: bool = True, **options: object) -> LmdbLog:
        options = {"clock": clock, "runner": ThreadRunner(), "cluster_id": "c1"} | options
        open_log = open_in_process if process and not options.get("readonly") else LmdbLog.open
        log = await open_log(path or default, **options)  # type: ignore[arg-type]
        opened.append(log)
        if run and not options.get("readonly"):
            await nursery.start(log.run)
        return log

    yield open_
    for log in opened:
        await log.aclose()


@pytest.fixture
async def open_lmdb(tmp_path: Path, clock: StepClock, nursery: trio.Nursery) -> AsyncIterator[OpenLmdb]:
    """Opens logs that commit on a thread."""
    async with opener(tmp_path / "data", clock, nursery, process=False) as open_:
        yield open_


@pytest.fixture
async def open_process(tmp_path: Path, clock: StepClock, nursery: trio.Nursery) -> AsyncIterator[OpenLmdb]:
    """Opens logs that commit in a process of their own."""
    async with opener(tmp_path / "data", clock, nursery, process=True) as open_:
        yield open_


@pytest.fixture(params=["thread", "process"])
async def open_either(
    request: pytest.FixtureRequest, tmp_path: Path, clock: StepClock, nursery: trio.Nursery
) -> AsyncIterator[OpenLmdb]:
    """Opens logs that commit on a thread, and logs that commit in a process of their own."""
    async with opener(tmp_path / "data", clock, nursery, process=request.param == "process") as open_:
        yield open_


@pytest.fixture(params=LOGS)
async def open_log(
    request: pytest.FixtureRequest, clock: StepClock, nursery: trio.Nursery, tmp_path: Path
) -> AsyncIterator[OpenLog]:
    """Opens logs of each implementation, empty ones, and runs them."""
    if request.param != "memory":
        async with opener(tmp_path / "data", clock, nursery, process=request.param == "process") as open_:
            yield open_
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


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what other processes do."""
    while not condition():  # noqa: ASYNC110 - it sets no event here
        await trio.sleep(0.001)
