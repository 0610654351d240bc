"""A log and a bus for the tests of storage."""

from __future__ import annotations

import pytest

from storage.bus import WatchBus
from storage.memory_log import MemoryLog
from storage.types import Key, KindId, Op, Record, Write, make_key

PODS = KindId(1)


class ManualClock:
    """A time of day that moves when told."""

    def __init__(self, ms: int = 1_000_000) -> None:
        self.ms = ms

    def now_ms(self) -> int:
        return self.ms


def tag_of(header: bytes, name: str) -> str | None:
    """Find `name` in a header of the form b"name=value;other=value"."""
    for part in header.decode().split(";"):
        key, _, value = part.partition("=")
        if key == name:
            return value
    return None


class Writer:
    """Writes objects of one kind in few words."""

    def __init__(self, log: MemoryLog, kind: KindId = PODS) -> None:
        self.log = log
        self.kind = kind

    def key(self, path: str) -> Key:
        return make_key(self.kind, path)

    async def put(self, path: str, header: str = "", size: int = 10, **options) -> Record:
        body = b'{"rv":""}' + b"x" * size
        return await self.log.append(Write(self.key(path), Op.PUT, header.encode(), body, 7, **options))

    async def delete(self, path: str, **options) -> Record:
        return await self.log.append(Write(self.key(path), Op.DELETE, **options))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def log(clock: ManualClock) -> MemoryLog:
    return MemoryLog(clock=clock)


@pytest.fixture
def writer(log: MemoryLog) -> Writer:
    return Writer(log)


@pytest.fixture
def bus(log: MemoryLog) -> WatchBus:
    return WatchBus(log, tag_of=tag_of, ring_bytes=1 << 20)


@pytest.fixture
def make_bus():
    """Make a bus with another ring or another way to tags."""

    def make(log: MemoryLog, ring_bytes: int = 1 << 20, tags=tag_of) -> WatchBus:
        return WatchBus(log, tag_of=tags, ring_bytes=ring_bytes)

    return make


@pytest.fixture
def make_writer():
    """Make a writer for another log or kind."""
    return Writer
