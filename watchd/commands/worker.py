"""A worker of `watchd serve --workers`: `python -m watchd.commands.worker CHANNEL INDEX`, started by the supervisor.

The worker of INDEX 0 does what is done once. CHANNEL brings what it is to do and the sockets for that; it says there when it is ready, or why it cannot be. It ends in
order when it is told to, and at once when the supervisor is gone: others may hold the data then.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import threading
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import Final

import trio

from storage.committer_process import Connection
from storage.errors import StorageError
from watchd.commands.channel import Channel, Failed, Ping, Pong, Ready, Renewed, Start, Stop
from watchd.commands.logs import configure_logging
from watchd.commands.serve import SWITCH_SECONDS
from watchd.failures import Failure
from watchd.groups import sole
from watchd.seams import SystemClock, SystemEntropy, ThreadRunner
from watchd.server import Running, StartError, run
from watchd.serving.limits import keep_freed_memory, raise_descriptors
from watchd.serving.listeners import ListenError
from watchd.share import Share

IGNORED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Service managers send them to all processes of a service. The supervisor says when to end."""

EXIT_ORPHANED: Final = 1
"""The supervisor is gone."""


class Worker:
    """One worker, from its first message to its end."""

    def __init__(self, channel: Channel, index: int) -> None:
        self._channel = channel
        self._index = index
        self._stop = trio.Event()
        self._generation = 0
        self._renewed: tuple[Renewed, Sequence[socket.socket]] | None = None
        """The last that was said of another process that commits."""
        self._told = trio.Event()

    async def run(self) -> None:
        """Serve until told to stop."""
        first = await self._channel.receive()
        if first is None or not isinstance(start := first[0], Start):
            return
        configure_logging(start.config.log_level)
        raise_descriptors()
        sys.setswitchinterval(SWITCH_SECONDS)
        keep_freed_memory()
        gc.collect()
        gc.freeze()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen)
                await self._serve(start, first[1])
                nursery.cancel_scope.cancel()
        except* (Failure, StartError, ListenError, StorageError) as group:
            await self._channel.send(Failed(str(sole(group))))

    async def _serve(self, start: Start, descriptors: Sequence[int]) -> None:
        *listening, calls, news = (socket.socket(fileno=descriptor) for descriptor in descriptors)
        sockets: defaultdict[str, tuple[socket.socket, ...]] = defaultdict(tuple)
        for scheme, sock in zip(start.schemes, listening, strict=True):
            sockets[scheme] += (sock,)
        self._generation = start.generation
        share = Share(self._index, start.options, (calls, news), self._renew, sockets)
        clock, entropy, runner = SystemClock(), SystemEntropy(), ThreadRunner()
        parts = partial(run, start.config, clock=clock, entropy=entropy, runner=runner, share=share, stop=self._stop)
        async with trio.open_nursery() as nursery:
            running: Running = await nursery.start(parts)
            ready = Ready(
                running.url,
                running.insecure_url,
                running.credentials.kubeconfig,
                running.log.head,
                running.log.floor,
            )
            await self._channel.send(ready)

    async def _listen(self) -> None:
        while (received := await self._channel.receive()) is not None:
            message, descriptors = received
            if isinstance(message, Stop):
                self._stop.set()
            elif isinstance(message, Renewed):
                self._note(message, [socket.socket(fileno=descriptor) for descriptor in descriptors])
            elif isinstance(message, Ping):
                await self._channel.send(Pong())

    def _note(self, renewed: Renewed, sockets: Sequence[socket.socket]) -> None:
        """Keep the newest connection: those before it lead to processes that are dead."""
        if self._renewed is not None:
            for sock in self._renewed[1]:
                sock.close()
        self._renewed = renewed, sockets
        self._told.set()

    async def _renew(self) -> Connection:
        """Wait for the connection to the next process that commits. Raises StorageError where there is none."""
        while True:
            while self._renewed is None:
                self._told = trio.Event()
                await self._told.wait()
            (renewed, sockets), self._renewed = self._renewed, None
            if renewed.error is not None:
                raise StorageError(renewed.error)
            calls, news = sockets
            if renewed.generation > self._generation:
                self._generation = renewed.generation
                return calls, news
            # Of the process that this worker began with.
            calls.close()
            news.close()


def _end_with(descriptor: int) -> None:
    """Wait for the end of the channel, and end this process at once then."""
    ending = select.poll()
    # An end is told unasked.
    ending.register(descriptor, 0)
    ending.poll()
    # Without a word to anybody: what is answered is stored.
    os._exit(EXIT_ORPHANED)


def main(descriptor: int, index: int) -> None:
    """Work for the supervisor at the other end of a socket."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    # Not by the loop: it may be busy for long, or for ever, and its sockets would keep the next server from listening.
    threading.Thread(target=_end_with, args=(descriptor,), name="end", daemon=True).start()

    async def work() -> None:
        await Worker(Channel(socket.socket(fileno=descriptor)), index).run()

    trio.run(work)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
