"""The process that commits: `python -m storage.committer_child CALLS NEWS`, started by storage.committer_process.

It owns the environment that is written to, answers one request after the other, and ends when the log's end of the
socket is closed, by the log or by the kernel. A loop of its own means a GIL of its own: a busy server holds up no
transaction (docs/decisions/0008).

NEWS is never written to: its end tells the log of this process's end. The data directory's lock is inherited, so that no
other server opens the data while a transaction may still be under way.
"""

from __future__ import annotations

import gc
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Final

from storage import committer_wire as wire
from storage.committer import Writer
from storage.environment import Environment
from storage.errors import StorageError

RECEIVE_BYTES: Final = 256 * 1024
"""Bytes taken from the socket at a time: about what the kernel holds of a stream."""

IGNORED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Service managers send them to all processes of a service. The server finishes what was handed to it, and ends this
process by closing the socket."""


class Calls:
    """The socket on which requests come and answers go."""

    def __init__(self, calls: socket.socket) -> None:
        self._socket = calls
        self._inflow = wire.Inflow()
        self._room = bytearray(RECEIVE_BYTES)
        self._poll = select.poll()
        self._poll.register(calls, 0)

    def receive(self) -> wire.Request | None:
        """Wait for the next request; None where nobody is there any more to be answered."""
        view = memoryview(self._room)
        while (message := self._inflow.take()) is None:
            try:
                received = self._socket.recv_into(self._room)
            except ConnectionResetError:
                return None
            if not received:
                return None
            self._inflow.add(view[:received])
        # Whole requests may have been left behind by a server that is dead.
        return None if self._poll.poll(0) else wire.decode_request(message)

    def send(self, answer: wire.Answer) -> None:
        """Send an answer. Raises ConnectionError."""
        self._socket.sendall(wire.framed(answer))


def answer_of(writer: Writer, request: wire.Request) -> wire.Answer:
    """Do what is asked."""
    try:
        match request:
            case wire.Commit(now_ms, appends):
                return wire.Committed([wire.told(outcome) for outcome in writer.commit(appends, now_ms)])
            case wire.Allot(names):
                return wire.Allotted(writer.allot(names))
            case wire.Compact(upto):
                return wire.Compacted(writer.compact(upto))
            case _:
                raise ValueError("the environment is open already")
    except StorageError as error:
        return wire.fault_of(error)


def serve(calls: Calls) -> None:
    """Open what the first request names, and commit to it until nobody asks any more."""
    opening = calls.receive()
    if not isinstance(opening, wire.Open):
        return
    try:
        environment = Environment(Path(opening.path), opening.options)
    except StorageError as error:
        calls.send(wire.fault_of(error))
        return
    try:
        calls.send(wire.Opened())
        gc.collect()
        gc.freeze()
        writer = Writer(environment)
        while (request := calls.receive()) is not None:
            calls.send(answer_of(writer, request))
    finally:
        environment.close()


def main(calls: int, news: int) -> None:
    """Serve on two inherited sockets, by their descriptors."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=calls) as connection, socket.socket(fileno=news):
        try:
            serve(Calls(connection))
        except ConnectionError:
            # The server died while it was being answered.
            return


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
