"""The lock on a data directory: one server at a time."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from storage.errors import AlreadyOpen, StorageError

LOCK_NAME = "lock"
"""The file in the data directory that is locked. It stays when the lock goes: removing it would let two in."""

PID_DIGITS = 20
"""More digits than a process id has."""

ORPHAN_SECONDS = 10.0
"""How long the lock of a server that is dead is waited for: the process that commits for it shares the lock, and ends
when its last transaction has ended, a slow fsync included."""

POLL_SECONDS = 0.005
"""Between two tries, about the length of a transaction."""


class DirectoryLock:
    """An exclusive flock of a data directory.

    The kernel lets go of it when its process has died, and the one that commits for it too (it inherits `descriptor`).
    """

    def __init__(self, directory: Path) -> None:
        """Take the lock and write this process's id into it. Raises AlreadyOpen, naming the holder; OSError."""
        self.descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            until = time.monotonic() + ORPHAN_SECONDS
            while not self._try():
                pid = os.pread(self.descriptor, PID_DIGITS, 0).decode(errors="replace").strip()
                if time.monotonic() >= until or not _is_dead(pid):
                    raise AlreadyOpen(f"{directory} is in use by process {pid or '(unknown)'}")
                time.sleep(POLL_SECONDS)
        except BaseException:
            os.close(self.descriptor)
            raise
        try:
            os.ftruncate(self.descriptor, 0)
            os.pwrite(self.descriptor, b"%d\n" % os.getpid(), 0)
        except OSError:
            # The process id is only for the message: a full disk must not keep a server from starting to make room.
            pass
        self._held = True

    def _try(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Let go of the lock. May be called twice."""
        if self._held:
            self._held = False
            os.close(self.descriptor)


def lock_directory(path: Path) -> DirectoryLock:
    """Lock a data directory, making it where it is missing. Raises AlreadyOpen, StorageError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return DirectoryLock(path)
    except OSError as error:
        raise StorageError(f"{path} cannot be used: {error}") from error


def _is_dead(pid: str) -> bool:
    """Tell whether there is certainly no such process."""
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
