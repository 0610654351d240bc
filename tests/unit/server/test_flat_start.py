"""A start takes as long with a million objects as with none: it goes through no kind of which there may be so many."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from storage.lmdb_log import LmdbLog
from watchd import testing

FEW = {"customresourcedefinitions.apiextensions.k8s.io", "services", "ipaddresses.networking.k8s.io", "servicecidrs.networking.k8s.io"}
"""Kinds that are gone through: what definitions say is served from the first request on, and addresses are taken once."""


class Walks:
    """Walks through whole kinds, and through the history, that wait for an event."""

    def __init__(self):
        self.seen = set()
        self.released = trio.Event()

    async def take(self, what):
        self.seen.add(what)
        await self.released.wait()


@pytest.fixture
def walks(monkeypatch):
    found = Walks()
    scan, read = LmdbLog.scan, LmdbLog.read

    async def slow_scan(self, prefix, **options):
        kinds = {number.to_bytes(4): name for name, number in self.kinds().items()} | {b"": "everything"}
        if prefix in kinds and kinds[prefix] not in FEW:
            await found.take(kinds[prefix])
        return await scan(self, prefix, **options)

    async def slow_read(self, after, **options):
        await found.take("history")
        return await read(self, after, **options)

    monkeypatch.setattr(LmdbLog, "scan", slow_scan)
    monkeypatch.setattr(LmdbLog, "read", slow_read)
    return found


async def test_no_walk_holds_the_start_up(nursery, tmp_path, walks):
    for history in (set(), {"history"}):
        walks.seen, walks.released = set(), trio.Event()
        with trio.fail_after(30):
            async with testing.start(nursery, memory=False, data_dir=tmp_path / "data"):
                await trio.testing.wait_all_tasks_blocked()
                # They are under way all the same.
                assert {"everything", "namespaces", "secrets", "events", *history} <= walks.seen
                walks.released.set()
