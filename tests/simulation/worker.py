"""A worker of a simulated cluster: a whole server but for its door, until it is killed."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import orjson
import trio

from storage.committer_process import Connection
from storage.errors import StorageError
from tests.simulation.committer import OPTIONS, Link
from watchd.api.message import Request, Response, SinkClosed
from watchd.commands.channel import Renewed
from watchd.commands.worker import Worker
from watchd.groups import sole
from watchd.seams import InlineRunner
from watchd.server import StartError, run
from watchd.serving.listeners import Bound
from watchd.share import Share
from watchd.values import Address

if TYPE_CHECKING:
    from tests.simulation.cluster import Cluster

START_MS = 1_750_000_000_000
"""The time of day at which a run begins."""

LINE_BYTES = 2000
"""What a watcher's connection holds for a client that does not read: a few events."""

DOOR: ContextVar[SimulatedWorker] = ContextVar("DOOR")
"""The worker whose door is opened."""


class SimulatedClock:
    """The time of day as trio's clock has it."""

    def now_ms(self) -> int:
        return START_MS + int(trio.current_time() * 1000)


class Cut(Exception):
    """A connection broke, or there was nobody to connect to."""


class Line:
    """A watch's connection, as a door has it: it takes so many bytes that are not read."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._unsent = bytearray()
        self._moved = trio.Event()
        self.closed = False
        self.wake = trio.Event()
        """Set when its watch has something to do."""

    @property
    def waiting(self) -> int:
        return len(self._unsent)

    def share(self, data: bytes, framed: bytes) -> bool:
        assert data in framed
        return self._put(data)

    async def flush(self) -> None:
        while self._unsent:
            await self._moved.wait()
        if self.closed:
            raise SinkClosed

    async def send_all(self, data: bytes) -> None:
        self._put(data)
        await trio.lowlevel.checkpoint()
        await self.flush()

    def _put(self, data: bytes) -> bool:
        if self.closed:
            raise SinkClosed
        self._unsent += data
        self._fill()
        return not self._unsent

    def _fill(self) -> None:
        room = max(0, LINE_BYTES - len(self._data))
        self._data += self._unsent[:room]
        del self._unsent[:room]
        self._move()

    def _move(self) -> None:
        self._moved.set()
        self._moved = trio.Event()

    def close(self) -> None:
        """End it, from either side. What it holds can still be read."""
        self.closed = True
        self._unsent.clear()
        self._move()
        self.wake.set()

    async def read(self) -> bytes:
        """Wait for bytes; none at the end."""
        while not self._data and not self.closed:
            await self._moved.wait()
        data = bytes(self._data)
        self._data.clear()
        self._fill()
        return data


class SimulatedWorker:
    """A worker, until it is killed."""

    def __init__(self, cluster: Cluster, index: int) -> None:
        self.index = index
        self.handle: Callable[[Request], Awaitable[Response]] | None = None
        self._cluster = cluster
        self._alive = True
        self._scope = trio.CancelScope()
        self._links: list[Link] = []
        self._asked: set[trio.Event] = set()
        self._lines: set[Line] = set()
        self._nursery: trio.Nursery | None = None
        self._renewal = Worker(None, index)  # type: ignore[arg-type]  # only its renewals are made use of

    @property
    def serves(self) -> bool:
        return self._alive and self.handle is not None

    async def run(self) -> None:
        """Serve until killed."""
        cluster = self._cluster
        DOOR.set(self)
        connection = self.connect()
        self._renewal._generation = cluster.generation
        share = Share(self.index, OPTIONS, connection, self._renewal._renew, {})
        try:
            with self._scope:
                async with trio.open_nursery() as self._nursery:
                    await run(
                        cluster.config, clock=SimulatedClock(), entropy=cluster.entropy, runner=InlineRunner(), share=share
                    )
        except* (StartError, StorageError) as group:
            if self._alive:
                cluster.problems.append(f"whole: worker {self.index} ended by itself: {sole(group)!r}")
        finally:
            self.kill()

    def connect(self) -> Connection:
        """Connect to the committer that there is now, by links."""
        committer = self._cluster.committer
        ends = []
        for far in committer.connect():
            ours, near = socket.socketpair()
            link = Link(near, far, self._cluster.delay)
            self._links.append(link)
            self._cluster.nursery.start_soon(link.run, committer.arrived)
            ends.append(ours)
        return ends[0], ends[1]

    async def renew(self) -> None:
        """Hear, some time after it was so, that another process commits."""
        generation, connection = self._cluster.generation, self.connect()
        await trio.sleep(self._cluster.delay())
        if self._alive:
            self._renewal._note(Renewed(generation), connection)
        else:
            for end in connection:
                end.close()

    def kill(self) -> None:
        """Cut it off from everybody at once. What it does after that nobody hears."""
        if not self._alive:
            return
        self._alive = False
        for link in self._links:
            link.cut_near()
        self._renewal._note(Renewed(0, "killed"), ())
        for asked in self._asked:
            asked.set()
        for line in self._lines:
            line.close()
        self._scope.cancel()

    def opened(self, handle: Callable[[Request], Awaitable[Response]]) -> None:
        self.handle = handle
        self._cluster.opened.set()

    @contextmanager
    def _asking(self) -> Iterator[trio.Event]:
        """Know of somebody who waits for an answer. Raises Cut."""
        if not self.serves:
            raise Cut
        done = trio.Event()
        self._asked.add(done)
        try:
            yield done
        finally:
            self._asked.discard(done)

    async def ask(self, request: Request) -> Response:
        """Answer a request. Raises Cut where the worker dies before it has."""
        answers: list[Response] = []

        async def answer() -> None:
            assert self.handle is not None
            answers.append(await self.handle(request))
            done.set()

        with self._asking() as done:
            assert self._nursery is not None
            self._nursery.start_soon(answer)
            await done.wait()
        if not self._alive or not answers:
            raise Cut
        return answers[0]

    def watch(self, body: Any, *, inline: bool) -> Line:
        """Begin to send a watch, as the native door or as HTTP/2 does. Raises Cut."""
        if not self.serves:
            raise Cut
        assert self._nursery is not None
        line = Line()
        self._lines.add(line)
        self._nursery.start_soon(self._send, body, line, inline)
        return line

    async def _send(self, body: Any, line: Line, inline: bool) -> None:
        try:
            with suppress(SinkClosed):
                if not inline:
                    await body.run(line)
                    return
                with closing(body.on(line)) as watching:
                    while await watching.advance(line.wake.set):
                        with trio.move_on_at(watching.until):
                            await line.wake.wait()
                        if line.closed:
                            return
                        line.wake = trio.Event()
        finally:
            line.close()
            self._lines.discard(line)


async def serve(
    served: Any, listeners: Any, *, shutdown: trio.Event, limits: Any, task_status: trio.TaskStatus[list[Bound]]
) -> None:
    """Stand in for watchd.serving.door.serve: requests come from within the process."""
    del listeners, limits
    DOOR.get().opened(served.handle)
    task_status.started([Bound("https", Address("127.0.0.1", 6443))])
    await shutdown.wait()


async def whole_body(response: Response) -> Any:
    """Read an answer's body, be it a stream."""
    if isinstance(response.body, bytes):
        data = response.body
    else:
        parts: list[bytes] = []

        class Parts:
            async def send_all(self, data: bytes) -> None:
                await trio.lowlevel.checkpoint()
                parts.append(data)

        await response.body.run(Parts())
        data = b"".join(parts)
    return orjson.loads(data) if data.startswith(b"{") else data.decode()
