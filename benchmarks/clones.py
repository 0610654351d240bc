"""Clones of one stored object, straight into a log: `python -m benchmarks.clones DIRECTORY FIRST UNTIL`, without a server on it.

A population of a million comes in half a minute that way, not in ten. What is stored is what the server stored for the first object,
under other names and uids.
"""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

import msgspec
import trio

from benchmarks.errors import BenchmarkError
from benchmarks.widgets import GROUP, NAMESPACE, PLURAL, name_of
from storage.lmdb_log import LmdbLog
from storage.types import NOTHING, Op, Stored, Write, kind_of, make_key
from watchd.registry.value import header_of
from watchd.seams import SystemClock, ThreadRunner

WRITERS = 256
"""Appends that wait at the same time: a commit has that many at most."""


def clone(first: Stored, index: int) -> Write:
    """Return the write that makes an object like a stored one."""
    name, uid = name_of(index), str(uuid.UUID(int=index))
    header, digits = header_of(first.header), len(str(first.revision))
    body = first.body[: first.stamp_at] + first.body[first.stamp_at + digits :]
    for old, new in ((header.name, name), (header.uid, uid)):
        body = body.replace(f'"{old}"'.encode(), f'"{new}"'.encode(), 1)
    made = msgspec.msgpack.encode(msgspec.structs.replace(header, name=name, uid=uid))
    return Write(make_key(kind_of(first.key), f"{NAMESPACE}/{name}"), Op.PUT, made, body, first.stamp_at, NOTHING)


async def fill(directory: Path, first: int, until: int) -> None:
    """Make the objects from `first` up to `until` out of the object 0. Raises BenchmarkError, StorageError."""
    log = await LmdbLog.open(directory, clock=SystemClock(), runner=ThreadRunner())
    todo = iter(range(first, until))

    async def write(model: Stored) -> None:
        for index in todo:
            await log.append(clone(model, index))

    async with trio.open_nursery() as nursery:
        await nursery.start(log.run)
        kind = log.kinds()[f"{PLURAL}.{GROUP}"]
        model = await log.get(make_key(kind, f"{NAMESPACE}/{name_of(0)}"))
        if model is None:
            raise BenchmarkError(f"{directory} has no object {name_of(0)}")
        async with trio.open_nursery() as writing:
            for _ in range(WRITERS):
                writing.start_soon(write, model)
        await log.aclose()


if __name__ == "__main__":
    trio.run(fill, Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
