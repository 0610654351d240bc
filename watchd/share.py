"""What one of several workers has in common with the others: the log, the sockets, and who does what is done once."""

from __future__ import annotations

import socket
from collections.abc import Mapping

import msgspec
import trio

from storage.committer_process import Connection
from storage.environment import Options
from storage.lmdb_log import LmdbLog
from storage.process_committer import Renew
from storage.types import NOTHING, Record, Revision, Scope

WAIT_SECONDS = 5.0
"""How long a request waits for a definition to have its effect: milliseconds, but where that fails again and again."""


class Share(msgspec.Struct, frozen=True):
    """A worker's part."""

    index: int
    """Of the worker."""
    options: Options
    """Of the environment."""
    connection: Connection
    """To the process that commits."""
    renew: Renew
    """Connects to another one where that has died."""
    sockets: Mapping[str, tuple[socket.socket, ...]]
    """That listen, by scheme."""

    @property
    def first(self) -> bool:
        """Whether it runs the controllers, compacts, and makes what has to be there."""
        return self.index == 0


class Freshness:
    """Sees that a request finds what any request before it has done, whichever worker answered that.

    What is read from the log is what is on the disk; of what is kept in memory, only the custom kinds must keep up.
    """

    def __init__(self, log: LmdbLog, definitions: Scope) -> None:
        self._log = log
        self._definitions = definitions
        self._published = NOTHING
        """The last change of a definition."""
        self._installed = NOTHING
        """Up to where the changes of definitions have had their effect here."""
        self._moved = trio.Event()

    def publish(self, records: list[Record]) -> None:
        """Note the changes of definitions among what the log publishes."""
        for record in records:
            if self._definitions.covers(record.key):
                self._published = record.revision

    def installed(self, revision: Revision) -> None:
        """Note that all changes of definitions up to a revision have had their effect."""
        self._installed = max(self._installed, revision)
        self._moved.set()
        self._moved = trio.Event()

    def take_over(self) -> None:
        """Publish what others have committed until now. Raises StorageError."""
        self._log.refresh()

    async def wait(self) -> None:
        """Take over what others have committed until now, and wait until it has its effect. Raises StorageError."""
        self.take_over()
        wanted = self._published
        if self._installed < wanted:
            with trio.move_on_after(WAIT_SECONDS):
                while self._installed < wanted:
                    await self._moved.wait()
