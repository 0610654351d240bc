"""What is kept of namespaces, definitions and quotas: never longer than it is so."""

from __future__ import annotations

from typing import Any

import pytest

from storage.memory_log import MemoryLog
from storage.types import NOTHING, Key, KindId, Op, Record, Write, make_key
from watchd.registry.kind import Kind, Names, Version
from watchd.registry.lookups import KEPT, Lookups
from watchd.registry.value import encode
from watchd.seams import SystemClock


class Counting:
    """A log that counts its reads."""

    def __init__(self, log: MemoryLog) -> None:
        self.log = log
        self.reads = 0

    async def get(self, key: Key, **options: Any) -> Any:
        self.reads += 1
        return await self.log.get(key, **options)

    async def scan(self, prefix: bytes, **options: Any) -> Any:
        self.reads += 1
        return await self.log.scan(prefix, **options)


@pytest.fixture
async def log(nursery):
    log = MemoryLog(clock=SystemClock())
    await nursery.start(log.run)
    return log


@pytest.fixture
def counting(log):
    return Counting(log)


@pytest.fixture
def lookups(log, counting):
    lookups = Lookups(counting)
    log.subscribe(lookups.publish)
    return lookups


KIND = KindId(1)
CONFIG_MAPS = Kind("", Names("configmaps", "ConfigMap"), (Version("v1"),), hub="v1")


def name_of(index: int = 0, kind: KindId = KIND) -> Key:
    return make_key(kind, f"ns/o{index}")


async def write(log: MemoryLog, key: Key, **metadata: Any) -> Record:
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "o", "uid": "u", **metadata}}
    value = encode(CONFIG_MAPS, obj, time_ms=0)
    return await log.append(Write(key, Op.PUT, value.header, value.body, value.stamp_at, None))


async def test_an_object_is_read_once_until_it_changes(log, counting, lookups):
    first = await write(log, name_of())
    for _ in range(3):
        seen = await lookups.find(name_of())
        assert (seen.revision, seen.uid, seen.deleting) == (first.revision, "u", False)
    assert counting.reads == 1
    second = await write(log, name_of(), deletionTimestamp="2026-01-01T00:00:00Z")
    seen = await lookups.find(name_of())
    assert (seen.revision, seen.deleting) == (second.revision, True)
    await log.append(Write(name_of(), Op.DELETE, expect=second.revision))
    assert await lookups.find(name_of()) is None


async def test_what_is_not_there_is_looked_for_each_time(log, counting, lookups):
    assert await lookups.find(name_of()) is None
    await write(log, name_of())
    assert (await lookups.find(name_of())).revision != NOTHING
    assert counting.reads == 2


async def test_an_empty_prefix_is_so_until_something_of_its_kind_is_written(log, counting, lookups):
    prefix = make_key(KIND, "ns/")
    assert [await lookups.is_empty(prefix) for _ in range(3)] == [True] * 3
    assert counting.reads == 1
    await write(log, name_of(kind=KindId(2)))
    assert await lookups.is_empty(prefix)
    assert counting.reads == 1
    await write(log, make_key(KIND, "other/o"))
    assert await lookups.is_empty(prefix)
    assert counting.reads == 2
    await write(log, name_of())
    assert not await lookups.is_empty(prefix)


async def test_what_is_kept_has_a_bound(log, counting, lookups):
    for index in range(KEPT + 1):
        await write(log, name_of(index))
        await lookups.find(name_of(index))
        await lookups.is_empty(make_key(KindId(2), f"n{index}/"))
    counting.reads = 0
    await lookups.find(name_of(KEPT))
    await lookups.is_empty(make_key(KindId(2), f"n{KEPT}/"))
    assert counting.reads == 0
    await lookups.find(name_of(0))
    await lookups.is_empty(make_key(KindId(2), "n0/"))
    assert counting.reads == 2
