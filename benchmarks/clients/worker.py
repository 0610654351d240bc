"""The client's process: `python -m benchmarks.clients.worker`, a job as JSON on stdin, results on stdout.

A job that has to wait for a word prints {"ready": true} and reads one line. Each worker owns a connection, made before the clock
starts. With a rate the load is open: each operation is due at its time whatever the server's pace is, and its latency counts
from then, so that an operation that waits for a free connection shows the wait (no coordinated omission).
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import trio

from benchmarks.asking import Endpoint, connection
from benchmarks.clients.connection import Connection
from benchmarks.clients.dialect import DIALECTS, Request
from benchmarks.errors import ClientFailed
from benchmarks.widgets import COLLECTION, name_of

STRIDE = 2_654_435_761
"""Knuth's multiplicative hash: walks over a population in no order that a cache would like."""

CONTINUE = re.compile(rb'"continue":"([^"]+)"')
"""In a list's metadata; none of the objects has the word."""

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


class Pool:
    """Workers that share a count of operations, each on a connection of its own."""

    def __init__(self, job: dict[str, Any]) -> None:
        """Take what all jobs have."""
        self.endpoint = Endpoint(job["url"], job["token"], job["ca"])
        self.dialect = DIALECTS[job["dialect"]]
        self.count: int = job["count"]
        self.workers: int = job["workers"]
        self.rate: float = job["rate"]
        self._seconds: float = job["seconds"]
        self.spans: list[tuple[int, int, int]] = []
        """(number, begin, end) of what was answered well, in ns of the machine's monotonic clock. It begins when it was due."""
        self.errors = 0
        self.first_error = ""
        self.bytes = 0
        self._next = self._begin = 0
        self._deadline = 0.0

    async def run(self, operation: Operation) -> None:
        """Connect, wait for the parent's word, do all of it, report."""
        connections = [await Connection.open(self.endpoint) for _ in range(self.workers)]
        try:
            say(ready=True)
            if (await hear()).get("stop"):
                return
            cpu = time.process_time()
            self.start()
            async with trio.open_nursery() as nursery:
                for worker, connection in enumerate(connections):
                    nursery.start_soon(self.work, worker, connection, operation)
            self.report(time.process_time() - cpu)
        finally:
            with trio.CancelScope(shield=True):
                for connection in connections:
                    await connection.aclose()

    def start(self) -> None:
        """Let the clock run."""
        self._begin = time.monotonic_ns()
        self._deadline = time.monotonic() + self._seconds

    async def work(self, worker: int, connection: Connection, operation: Operation) -> None:
        """Do operations on one connection until there are none left."""
        while self._next < self.count and time.monotonic() < self._deadline:
            number = self._next
            self._next += 1
            begin = await self._due(number)
            try:
                await operation(connection, worker, number)
            except ClientFailed as error:
                self.fail(error)
            else:
                self.spans.append((number, begin, time.monotonic_ns()))

    async def _due(self, number: int) -> int:
        """Wait until an operation is due and return when that was: now, where there is no rate."""
        if not self.rate:
            return time.monotonic_ns()
        due = self._begin + int(number / self.rate * 1e9)
        await trio.sleep(max(0.0, (due - time.monotonic_ns()) / 1e9))
        return due

    def fail(self, error: ClientFailed) -> None:
        """Count an operation that was not answered well."""
        self.errors += 1
        self.first_error = self.first_error or str(error)

    async def ask(self, connection: Connection, request: Request) -> bytes:
        """Return the body of a good answer. Raises ClientFailed."""
        status, body = await connection.request(request.method, request.path, request.body)
        self.bytes += len(body)
        return expect(status, body, 200, 201)

    def report(self, cpu: float) -> None:
        """Tell the parent what has been done."""
        say(cpu=cpu, errors=self.errors, first_error=self.first_error, bytes=self.bytes, spans=self.spans)


async def create(job: dict[str, Any]) -> None:
    """Create objects."""
    pool = Pool(job)

    async def operation(connection: Connection, _worker: int, number: int) -> None:
        await pool.ask(connection, pool.dialect.create(name_of(number, job["prefix"]), number, namespace=job["namespace"]))

    await pool.run(operation)


async def get(job: dict[str, Any]) -> None:
    """Get objects of the population."""
    pool = Pool(job)

    async def operation(connection: Connection, _worker: int, number: int) -> None:
        await pool.ask(connection, pool.dialect.read(name_of(number * STRIDE % job["population"])))

    await pool.run(operation)


async def put(job: dict[str, Any]) -> None:
    """Replace some of the population: worker w owns those congruent to w, so that there are no conflicts. Updates count from 1."""
    pool = Pool(job)
    population, objects, workers, dialect = job["population"], job["objects"], job["workers"], pool.dialect
    names = [name_of(index * population // objects) for index in range(objects)]
    versions = []
    first = await Connection.open(pool.endpoint)
    for name in names:
        read = dialect.read(name)
        status, body = await first.request(read.method, read.path, read.body)
        if status == 404:
            body = await pool.ask(first, dialect.create(name, 0))
        else:
            expect(status, body, 200)
        versions.append(dialect.revision(body))
    await first.aclose()
    pool.bytes = 0
    turns = [0] * workers

    async def operation(connection: Connection, worker: int, number: int) -> None:
        index = worker + workers * turns[worker]
        if index >= objects:
            index, turns[worker] = worker, 0
        turns[worker] += 1
        changed = dialect.put(names[index], number + 1, stamp=time.monotonic_ns(), revision=versions[index])
        try:
            versions[index] = dialect.revision(await pool.ask(connection, changed))
        except ClientFailed:
            # The next update of this object is not to fail for this one.
            versions[index] = dialect.revision(await pool.ask(connection, dialect.read(names[index])))
            raise

    await pool.run(operation)


async def list_(job: dict[str, Any]) -> None:
    """List the whole population, in pages or at once, on one connection. Objects are counted by their marks, not decoded."""
    pool = Pool(job)
    say(ready=True)
    if (await hear()).get("stop"):
        return
    await trio.to_thread.run_sync(partial(_list, pool, job))


def _list(pool: Pool, job: dict[str, Any]) -> None:
    """Do it in one thread: tens of megabytes are read faster by a socket that blocks than by turns of a loop."""
    cpu, deadline = time.process_time(), time.monotonic() + job["seconds"]
    with connection(pool.endpoint) as made:
        made.connect()
        for number in range(pool.count):
            if time.monotonic() > deadline:
                break
            begin, items, more = time.monotonic_ns(), 0, ""
            try:
                while True:
                    path = f"{COLLECTION}?limit={job['limit']}" + (f"&continue={more}" if more else "")
                    made.request("GET", path, headers=pool.endpoint.headers)
                    answer = made.getresponse()
                    body = expect(answer.status, answer.read(), 200)
                    pool.bytes += len(body)
                    items += body.count(b"@@") // 2
                    found = CONTINUE.search(body[:1000]) or CONTINUE.search(body[-1000:])
                    if found is None:
                        break
                    more = found[1].decode()
                if items != job["population"]:
                    raise ClientFailed(f"a list of {items} objects, not {job['population']}")
            except ClientFailed as error:
                pool.fail(error)
            else:
                pool.spans.append((number, begin, time.monotonic_ns()))
    pool.report(time.process_time() - cpu)


JOBS = {"create": create, "get": get, "list": list_, "put": put}


async def bounded(job: dict[str, Any]) -> None:
    """Do a job in the time that it has. Raises trio.TooSlowError."""
    with trio.fail_after(job["limit_seconds"]):
        await JOBS[job["job"]](job)


def main() -> None:
    """Do one job. What goes wrong before it has begun is said; what goes wrong in it is counted."""
    try:
        trio.run(bounded, json.loads(sys.stdin.readline()))
    except (ClientFailed, OSError, trio.BrokenResourceError) as error:
        say(failed=str(error))


if __name__ == "__main__":
    main()
