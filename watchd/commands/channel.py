"""What the supervisor and a worker say to each other, over a socket of theirs alone that keeps messages apart.

Messages are pickled: both ends are this package in this version, and nobody else can write to the socket.
"""

from __future__ import annotations

import array
import pickle
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs
import trio

from storage.environment import Options
from watchd.config import Config

MESSAGE_BYTES: Final = 64 * 1024
"""The longest message: a configuration has some KiB."""

DESCRIPTORS: Final = 64
"""Descriptors in one message, at the most: a socket for each address that a name has, and two."""


@attrs.frozen
class Start:
    """To a worker, first. With the sockets that listen, in the order of `schemes`, and its connection to the committer."""

    config: Config
    options: Options
    schemes: tuple[str, ...]
    """Of the sockets that listen."""
    generation: int
    """Which of the processes that commit, one after the other, the connection is to."""


@attrs.frozen
class Renewed:
    """To each worker: another process commits. With the connection to it, or without one and an error."""

    generation: int
    error: str | None = None


@attrs.frozen
class Stop:
    """To each worker: end in order."""


@attrs.frozen
class Ping:
    """To a worker: answer with a Pong, to show that the loop runs."""


@attrs.frozen
class Pong:
    """From a worker, for a Ping."""


@attrs.frozen
class Ready:
    """From a worker: it serves."""

    url: str
    insecure_url: str | None
    kubeconfig: Path
    head: int
    floor: int


@attrs.frozen
class Failed:
    """From a worker: it cannot serve. One line says why."""

    text: str


Message = Start | Renewed | Stop | Ping | Pong | Ready | Failed


class Channel:
    """One end."""

    def __init__(self, sock: socket.socket) -> None:
        """Take over a socket of a SOCK_SEQPACKET pair."""
        self._socket = trio.socket.from_stdlib_socket(sock)

    async def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Send a message and copies of descriptors. One that goes to nobody is lost: `receive` tells."""
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        try:
            await self._socket.sendmsg([pickle.dumps(message)], ancillary)
        except ConnectionError:
            return

    async def receive(self) -> tuple[Message, list[int]] | None:
        """Wait for a message and its descriptors; None once the other end is gone."""
        numbers = array.array("i")
        try:
            data, ancillary, _, _ = await self._socket.recvmsg(
                MESSAGE_BYTES, socket.CMSG_SPACE(DESCRIPTORS * numbers.itemsize)
            )
        except ConnectionError:
            return None
        if not data:
            return None
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
        message: Message = pickle.loads(data)  # noqa: S301 - see above
        return message, list(numbers)

    def close(self) -> None:
        """Close it."""
        self._socket.close()
