"""The process that commits for `watchd serve` (storage.committer_child): started here, and replaced when it dies.

It is spawned, never forked: a forked copy of a process with threads and an open environment could do nothing safely.

No trio before somebody waits: the process starts while the server imports it, which takes as long.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

from storage import committer_wire as wire
from storage.environment import Options
from storage.errors import StorageError
from storage.lock import DirectoryLock, lock_directory
from storage.types import Runner

TRIES: Final = 4
"""How often a new process is started before writes stop: one may be killed while it opens the environment, or find
the machine out of processes for a moment."""

PAUSE_SECONDS: Final = 0.05
"""Before the second try; twice as long before each further one."""

END_SECONDS: Final = 30.0
"""How long a process may take to end by itself: a transaction and its fsync on a slow disk."""

_CHILD: Final = "storage.committer_child"

Connection = tuple[socket.socket, socket.socket]
"""A log's ends of the sockets that it shares with the process that commits: for calls, and for news."""

logger = logging.getLogger(__name__)


class CommitterProcess:
    """The process, under the data directory's lock. Made by `start`, ended by `aclose` or `end`."""

    def __init__(self, path: Path, options: Options, lock: DirectoryLock, *, runner: Runner) -> None:
        """For `start`."""
        self.path = path
        self.options = options
        self._lock = lock
        self._runner = runner

    @classmethod
    def start(cls, path: Path, options: Options, *, runner: Runner) -> Self:
        """Lock a data directory, made where it is missing, and start a process that opens the log in it.

        Returns at once, and needs no trio: `opened` tells how it went.

        Raises:
            AlreadyOpen: another process writes it.
            StorageError: the directory cannot be used, or no process can be started.

        """
        process = cls(path, options, lock_directory(path), runner=runner)
        try:
            process._spawn()
        except BaseException:
            process._lock.release()
            raise
        return process

    @property
    def pid(self) -> int:
        """The id of the process that commits now."""
        return self._process.pid

    def _spawn(self) -> None:
        """Start the process and tell it what to open. Raises StorageError."""
        control, its_control = socket.socketpair()
        with its_control:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and this package's own module
                    # Without `site`, the directory it was started in, and the user's packages: it finds modules where
                    # this process does, and in half the time.
                    [sys.executable, "-S", "-s", "-P", "-m", _CHILD, str(its_control.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[its_control.fileno(), self._lock.descriptor],
                    env={**os.environ, "PYTHONPATH": search_path()},
                    # Ctrl-C goes to the terminal's whole process group.
                    process_group=0,
                )
            except OSError as error:
                control.close()
                raise StorageError(f"the process that commits cannot be started: {error.strerror}") from error
        self._control = control
        control.setblocking(False)
        # What is said to it fits what the kernel holds of a new stream, and whether it hears it shows in `opened`.
        self._say(wire.framed(wire.Open(str(self.path), self.options)))

    def _say(self, message: bytes | bytearray, descriptors: tuple[int, ...] = ()) -> None:
        try:
            socket.send_fds(self._control, [message], descriptors)
        except (ConnectionError, BlockingIOError):
            logger.debug("the process that commits does not listen")

    def connect(self) -> Connection:
        """Make a log known to the process. One that has died shows as the end of both sockets."""
        (calls, its_calls), (news, its_news) = socket.socketpair(), socket.socketpair()
        with its_calls, its_news:
            self._say(b"c", (its_calls.fileno(), its_news.fileno()))
        return calls, news

    async def opened(self) -> None:
        """Wait until the environment is open and what it shows is on the disk. Raises what opening it raised."""
        import trio  # noqa: PLC0415 - see the module's docstring

        inflow = wire.Inflow()
        while (message := inflow.take()) is None:
            await trio.lowlevel.wait_readable(self._control)
            try:
                data = self._control.recv(wire.OPENED_BYTES)
            except ConnectionError:
                data = b""
            if not data:
                raise StorageError("the process that commits died before it had opened the log")
            inflow.add(data)
        answer = wire.decode_answer(message)
        if isinstance(answer, wire.Fault):
            raise answer.error

    async def died(self) -> None:
        """Wait for its death. After `opened`, and not beside `restart` or `aclose`."""
        import trio  # noqa: PLC0415 - see the module's docstring

        await trio.lowlevel.wait_readable(self._control)

    async def restart(self) -> None:
        """End the process, should it live, and have another open the log. Raises StorageError after some tries."""
        import trio  # noqa: PLC0415 - see the module's docstring

        for attempt in range(TRIES):
            self._control.close()
            status = await self._runner.run_sync(self._reap, 0.0)
            logger.warning("the process that commits ended with status %s: another is started", status)
            try:
                await self._runner.run_sync(self._spawn)
                await self.opened()
            except StorageError:
                if attempt == TRIES - 1:
                    self._control.close()
                    await self._runner.run_sync(self._reap, 0.0)
                    raise
                await trio.sleep(PAUSE_SECONDS * 2**attempt)
            else:
                return

    async def aclose(self) -> None:
        """Let the process end, see it end, and give up the lock. May be called twice."""
        await self._runner.run_sync(self.end)

    def end(self) -> None:
        """Do the same where there is no loop. Blocks until the process has ended."""
        self._control.close()
        self._reap(END_SECONDS)
        self._lock.release()

    def _reap(self, seconds: float) -> int:
        """Wait for the process's end, which is forced after a time; return its status."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            # One that hangs in the kernel may still write: nobody may take its place before it is dead.
            return self._process.wait()


def search_path() -> str:
    """Return where this process finds modules, this package first: it may be known to an import hook alone."""
    return os.pathsep.join([str(Path(__file__).parents[1]), *map(os.path.abspath, sys.path)])
