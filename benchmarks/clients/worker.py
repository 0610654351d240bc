"""The Python client's process: `python -m benchmarks.clients.worker`, a job as JSON on stdin, results on stdout.

A job that has to wait for a word prints {"ready": true} and reads one line. Each worker owns a connection.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import trio

from benchmarks.asking import Endpoint
from benchmarks.clients.arrivals import Arrivals
from benchmarks.clients.connection import Connection
from benchmarks.errors import ClientFailed
from benchmarks.widgets import COLLECTION, name_of, widget

STRIDE = 2_654_435_761
"""Knuth's multiplicative hash: walks over a population in no order that a cache would like."""

CONNECTING = 64
"""Connections that are made at the same time: servers' listen queues are finite."""

STALL_SECONDS = 10.0
"""A fan-out without a delivery for so long is over: what is missing is lost."""

LOOK_SECONDS = 0.005
"""Between two looks at how many deliveries have been made."""

LATE_SECONDS = 0.2
"""After the last expected delivery: duplicates would come in this time."""

Operation = Callable[[Connection, int, int], Awaitable[None]]
"""(connection, worker, number) -> done. Raises ClientFailed."""


def say(**words: Any) -> None:
    """Print one line for the parent."""
    print(json.dumps(words), flush=True)


async def hear() -> dict[str, Any]:
    """Wait for a line of the parent; an end of file is a word to stop."""
    line = await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
    heard: dict[str, Any] = json.loads(line or '{"stop": true}')
    return heard


def expect(status: int, body: bytes, *good: int) -> bytes:
    """Return a good answer's body. Raises ClientFailed."""
    if status not in good:
        raise ClientFailed(f"HTTP {status}: {body[:200].decode(errors='replace')}")
    return body


def revision_of(body: bytes) -> str:
    """Return an object's resourceVersion."""
    found: str = json.loads(body)["metadata"]["resourceVersion"]
    return found


class Pool:
    """Workers that share a count of operations, each on a connection of its own."""

    def __init__(self, job: dict[str, Any]) -> None:
        """Take what all jobs have."""
        self.endpoint = Endpoint(job["url"], job["token"], job["ca"])
        self.count: int = job["count"]
        self.workers: int = job["workers"]
        self.rate: float = job.get("rate", 0.0)
        self._seconds: float = job["seconds"]
        self.spans: list[tuple[int, int, int]] = []
        """(number, begin, end) of what was answered well, in ns of the machine's monotonic clock."""
        self.errors = 0
        self.first_error = ""
        self.bytes = 0
        self._next = self._begin = 0
        self.deadline = 0.0

    async def run(self, operation: Operation) -> None:
        """Connect, wait for the parent's word, do all of it, report."""
        connections = [await Connection.open(self.endpoint) for _ in range(self.workers)]
        try:
            say(ready=True)
            if (await hear()).get("stop"):
                return
            cpu = time.process_time()
            self.deadline = time.monotonic() + self._seconds
            self._begin = time.monotonic_ns()
            async with trio.open_nursery() as nursery:
                for worker, connection in enumerate(connections):
                    nursery.start_soon(self._work, worker, connection, operation)
            self._report(time.process_time() - cpu)
        finally:
            with trio.CancelScope(shield=True):
                for connection in connections:
                    await connection.aclose()

    async def _work(self, worker: int, connection: Connection, operation: Operation) -> None:
        while self._next < self.count and time.monotonic() < self.deadline:
            number = self._next
            self._next += 1
            if self.rate:
                due = self._begin + int(number / self.rate * 1e9)
                await trio.sleep(max(0.0, (due - time.monotonic_ns()) / 1e9))
            begin = time.monotonic_ns()
            try:
                await operation(connection, worker, number)
            except ClientFailed as error:
                self.errors += 1
                self.first_error = self.first_error or str(error)
            else:
                self.spans.append((number, begin, time.monotonic_ns()))

    def _report(self, cpu: float) -> None:
        say(cpu=cpu, errors=self.errors, first_error=self.first_error, bytes=self.bytes, spans=self.spans)


async def create(job: dict[str, Any]) -> None:
    """Create objects."""
    pool = Pool(job)

    async def operation(connection: Connection, _worker: int, number: int) -> None:
        status, body = await connection.request("POST", COLLECTION, widget(name_of(number, job["prefix"]), number))
        pool.bytes += len(expect(status, body, 201))

    await pool.run(operation)


async def get(job: dict[str, Any]) -> None:
    """Get objects of the population."""
    pool = Pool(job)

    async def operation(connection: Connection, _worker: int, number: int) -> None:
        name = name_of(number * STRIDE % job["population"])
        status, body = await connection.request("GET", f"{COLLECTION}/{name}")
        pool.bytes += len(expect(status, body, 200))

    await pool.run(operation)


async def list_(job: dict[str, Any]) -> None:
    """List the whole population, in pages or at once."""
    pool = Pool(job)

    async def operation(connection: Connection, _worker: int, _number: int) -> None:
        items, more = 0, ""
        while True:
            path = f"{COLLECTION}?limit={job['limit']}" + (f"&continue={more}" if more else "")
            status, body = await connection.request("GET", path)
            pool.bytes += len(expect(status, body, 200))
            page = json.loads(body)
            items += len(page["items"])
            more = page["metadata"].get("continue", "")
            if not more:
                break
        if items != job["population"]:
            raise ClientFailed(f"a list of {items} objects, not {job['population']}")

    await pool.run(operation)


async def put(job: dict[str, Any]) -> None:
    """Replace objects: worker w owns those congruent to w, so that there are no conflicts. Updates count from 1."""
    pool = Pool(job)
    population, workers = job["population"], job["workers"]
    versions = []
    first = await Connection.open(pool.endpoint)
    for index in range(population):
        status, body = await first.request("GET", f"{COLLECTION}/{name_of(index)}")
        if status == 404:
            status, body = await first.request("POST", COLLECTION, widget(name_of(index), 0))
        versions.append(revision_of(expect(status, body, 200, 201)))
    await first.aclose()
    turns = [0] * workers

    async def operation(connection: Connection, worker: int, number: int) -> None:
        index = worker + workers * turns[worker]
        if index >= population:
            index, turns[worker] = worker, 0
        turns[worker] += 1
        path = f"{COLLECTION}/{name_of(index)}"
        changed = widget(name_of(index), number + 1, stamp=time.monotonic_ns(), revision=versions[index])
        status, body = await connection.request("PUT", path, changed)
        if status == 409:
            _, now = await connection.request("GET", path)
            versions[index] = revision_of(now)
        versions[index] = revision_of(expect(status, body, 200))
        pool.bytes += len(body)

    await pool.run(operation)


class Group:
    """Watchers of the collection, each on a connection of its own."""

    def __init__(self, job: dict[str, Any]) -> None:
        """Take the job apart."""
        self._endpoint = Endpoint(job["url"], job["token"], job["ca"])
        self._path = f"{COLLECTION}?watch=true&timeoutSeconds=600&resourceVersion={job['after']}"
        self.members = [Arrivals(job["updates"], time.monotonic_ns) for _ in range(job["watchers"])]
        self.ended = 0
        """Streams that were at an end before the job was."""
        self._connecting = trio.CapacityLimiter(CONNECTING)

    async def start(self, nursery: trio.Nursery) -> None:
        """Start all of them; return when each has its answer's head."""
        async with trio.open_nursery() as starting:
            for member in self.members:
                starting.start_soon(partial(nursery.start, self._watch, member))

    async def _watch(self, member: Arrivals, *, task_status: trio.TaskStatus[None]) -> None:
        connection = None
        answered = False

        def started(status: int) -> None:
            nonlocal answered
            expect(status, b"to a watch", 200)
            answered = True
            task_status.started()

        try:
            async with self._connecting:
                connection = await Connection.open(self._endpoint)
            await connection.stream(self._path, member.feed, started)
        except (ClientFailed, OSError, trio.BrokenResourceError):
            if not answered:
                raise
        finally:
            if connection is not None:
                with trio.CancelScope(shield=True):
                    await connection.aclose()
        self.ended += 1

    async def wait(self, expected: int) -> None:
        """Return when so many deliveries have been made, or none for STALL_SECONDS, and a little later: duplicates."""
        before, moved = -1, trio.current_time()
        while (seen := sum(member.seen for member in self.members)) < expected:
            if seen != before:
                before, moved = seen, trio.current_time()
            elif trio.current_time() - moved > STALL_SECONDS:
                break
            await trio.sleep(LOOK_SECONDS)
        await trio.sleep(LATE_SECONDS)

    def counts(self) -> dict[str, int]:
        """Return what all members have counted."""
        names = ("duplicated", "disordered", "odd", "bytes")
        return {name: sum(getattr(member, name) for member in self.members) for name in names} | {"ended": self.ended}


async def watch(job: dict[str, Any]) -> None:
    """Hold watchers until the parent says how many deliveries to expect of all together, then until they are here."""
    group = Group(job)
    async with trio.open_nursery() as nursery:
        await group.start(nursery)
        cpu = time.process_time()
        say(ready=True)
        heard = await hear()
        if not heard.get("stop"):
            await group.wait(heard["expect"])
            arrivals = b"".join(member.at.tobytes() for member in group.members)
            await trio.Path(job["file"]).write_bytes(arrivals)
            say(cpu=time.process_time() - cpu, **group.counts())
        nursery.cancel_scope.cancel()


JOBS = {"create": create, "get": get, "list": list_, "put": put, "watch": watch}


async def bounded(job: dict[str, Any]) -> None:
    """Do a job in the time that it has. Raises trio.TooSlowError."""
    with trio.fail_after(job["seconds"] + job["grace"]):
        await JOBS[job["job"]](job)


def main() -> None:
    """Do one job."""
    trio.run(bounded, json.loads(sys.stdin.readline()))


if __name__ == "__main__":
    main()
