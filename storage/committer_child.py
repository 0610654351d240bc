"""The process that commits: `python -m storage.committer_child CONTROL`, started by storage.committer_process.

It owns the environment that is written to. Whoever started it names that on CONTROL, hands over there the sockets of the
logs that it commits for, and ends it by closing CONTROL, or by dying. A loop of its own means a GIL of its own: a busy
server holds up no transaction (docs/decisions/0008).

Of each log there are two sockets: on one a request comes and its answer goes; on the other a byte says that somebody
else has committed, and its end tells of this process's end. What several logs ask to be appended at one time is one
transaction. The data directory's lock is inherited, so that no other server opens the data while a transaction may still
be under way.
"""

from __future__ import annotations

import gc
import select
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from storage import committer_wire as wire
from storage.committer import Writer
from storage.environment import Environment
from storage.errors import OutcomeUnknown, StorageError

RECEIVE_BYTES: Final = 256 * 1024
"""Bytes taken from a socket at a time: about what the kernel holds of a stream."""

IGNORED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Service managers send them to all processes of a service. The server finishes what was handed to it, and ends this
process by closing the socket."""

ENDED: Final = select.POLLHUP | select.POLLERR | select.POLLNVAL


class Client:
    """A log that this process commits for."""

    def __init__(self, calls: socket.socket, news: socket.socket) -> None:
        self.calls = calls
        self.news = news
        self.unsent = memoryview(b"")
        """Of the last answer: a log that does not read must not hold up others. There is one at a time."""
        self._inflow = wire.Inflow()
        calls.setblocking(False)
        news.setblocking(False)

    def receive(self, room: bytearray) -> wire.Request | None:
        """Take what has come; return the request once it is whole. Raises ConnectionError where nobody asks any more."""
        received = self.calls.recv_into(room)
        if not received:
            raise ConnectionResetError
        self._inflow.add(memoryview(room)[:received])
        message = self._inflow.take()
        return None if message is None else wire.decode_request(message)

    def answer(self, answer: wire.Answer) -> None:
        """Send an answer, or as much as there is room for. Raises ConnectionError."""
        self.unsent = memoryview(wire.framed(answer))
        self.send()

    def send(self) -> None:
        """Send what is left. Raises ConnectionError."""
        with suppress(BlockingIOError):
            while self.unsent:
                self.unsent = self.unsent[self.calls.send(self.unsent) :]

    def tell(self) -> None:
        """Say that somebody has committed. One that has not read the last such word needs no other."""
        with suppress(BlockingIOError, ConnectionError):
            self.news.send(b"!")

    def close(self) -> None:
        """Close both sockets."""
        self.calls.close()
        self.news.close()


class Unsure(Exception):
    """A commit failed half way. Another process has to look at what is stored."""


class Service:
    """The logs that are committed for, and their requests."""

    def __init__(self, control: socket.socket, writer: Writer) -> None:
        self._control = control
        self._writer = writer
        self._clients: dict[int, Client] = {}
        self._room = bytearray(RECEIVE_BYTES)
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def run(self) -> None:
        """Serve until CONTROL is closed. Raises Unsure."""
        while self.serve_once():
            pass

    def close(self) -> None:
        """Part from all logs."""
        for client in self._clients.values():
            client.close()

    def serve_once(self) -> bool:
        """Wait until somebody asks, and do what is asked now; False once CONTROL is closed. Raises Unsure."""
        events = dict(self._poll.poll())
        control = events.pop(self._control.fileno(), 0)
        if control & ENDED or (control and not self._admit()):
            # Whole requests may have been left behind by a server that is dead: none is begun.
            return False
        asked: list[tuple[Client, wire.Request]] = []
        for descriptor, event in events.items():
            client = self._clients[descriptor]
            try:
                if event & ENDED:
                    raise ConnectionResetError
                if event & select.POLLOUT:
                    self._send(client)
                if event & select.POLLIN and (request := client.receive(self._room)) is not None:
                    asked.append((client, request))
            except ConnectionError:
                self._drop(client)
        self._commit([(client, request) for client, request in asked if isinstance(request, wire.Commit)])
        for client, request in asked:
            if not isinstance(request, wire.Commit):
                self._answer(client, self._answer_to(request))
        return True

    def _admit(self) -> bool:
        """Take over the sockets of a log; False at the end."""
        message, descriptors, _, _ = socket.recv_fds(self._control, 1, 2)
        if not message:
            return False
        calls, news = (socket.socket(fileno=descriptor) for descriptor in descriptors)
        client = self._clients[calls.fileno()] = Client(calls, news)
        self._poll.register(calls, select.POLLIN)
        if len(self._clients) > 1:
            # Others may have committed since this one has looked at the disk, and until now it was not told.
            client.tell()
        return True

    def _commit(self, asked: Sequence[tuple[Client, wire.Request]]) -> None:
        """Commit what is asked at one time in one transaction."""
        appends = [append for _, request in asked if isinstance(request, wire.Commit) for append in request.appends]
        if not appends:
            return
        now_ms = max(request.now_ms for _, request in asked if isinstance(request, wire.Commit))
        receipts = [(request.asked, len(request.appends)) for _, request in asked if isinstance(request, wire.Commit)]
        outcomes = self._writer.commit(appends, now_ms, receipts)
        at = 0
        for client, request in asked:
            assert isinstance(request, wire.Commit)  # noqa: S101 - chosen so
            mine = outcomes[at : at + len(request.appends)]
            at += len(request.appends)
            self._answer(client, wire.Committed([wire.told(outcome) for outcome in mine]))
        if len(self._clients) > 1:
            askers = {client for client, _ in asked} if len(asked) == 1 else set()
            for client in self._clients.values():
                if client not in askers:
                    client.tell()
        if any(isinstance(outcome, OutcomeUnknown) for outcome in outcomes):
            raise Unsure

    def _answer_to(self, request: wire.Allot | wire.Compact) -> wire.Answer:
        try:
            if isinstance(request, wire.Allot):
                return wire.Allotted(self._writer.allot(request.names))
            return wire.Compacted(self._writer.compact(request.upto))
        except StorageError as error:
            return wire.fault_of(error)

    def _answer(self, client: Client, answer: wire.Answer) -> None:
        try:
            client.answer(answer)
        except ConnectionError:
            self._drop(client)
            return
        if client.unsent:
            self._poll.modify(client.calls, select.POLLIN | select.POLLOUT)
        if isinstance(answer, wire.Fault) and isinstance(answer.error, OutcomeUnknown):
            raise Unsure

    def _send(self, client: Client) -> None:
        client.send()
        if not client.unsent:
            self._poll.modify(client.calls, select.POLLIN)

    def _drop(self, client: Client) -> None:
        descriptor = client.calls.fileno()
        if descriptor >= 0:
            self._poll.unregister(descriptor)
            del self._clients[descriptor]
            client.close()


def serve(control: socket.socket) -> None:
    """Open what the first message names, and commit to it until CONTROL is closed."""
    opening = wire.receive(control)
    if opening is None:
        return
    request = wire.decode_open(opening)
    try:
        environment = Environment(Path(request.path), request.options)
    except StorageError as error:
        control.sendall(wire.framed(wire.fault_of(error)))
        return
    try:
        control.sendall(wire.framed(wire.Opened()))
        gc.collect()
        gc.freeze()
        with suppress(Unsure), closing(Service(control, Writer(environment))) as service:
            service.run()
    finally:
        environment.close()


def main(descriptor: int) -> None:
    """Serve on an inherited socket, by its descriptor."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as control, suppress(ConnectionError):
        serve(control)


if __name__ == "__main__":
    main(int(sys.argv[1]))
