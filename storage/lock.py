"""The lock on a data directory: one server at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from storage.errors import AlreadyOpen

LOCK_NAME = "lock"
"""The file in the data directory that is locked. It stays when the lock goes: removing it would let two in."""

PID_DIGITS = 20
"""More digits than a process id has."""


class DirectoryLock:
    """An exclusive flock of a data directory; the kernel lets go of it when its process dies."""

    def __init__(self, directory: Path) -> None:
        """Take the lock and write this process's id into it. Raises AlreadyOpen, naming the holder; OSError."""
        self._descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = os.pread(self._descriptor, PID_DIGITS, 0).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise AlreadyOpen(f"{directory} is in use by process {pid or '(unknown)'}") from error
        except OSError:
            os.close(self._descriptor)
            raise
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)
        except OSError:
            # The process id is only for the message: a full disk must not keep a server from starting to make room.
            pass
        self._held = True

    def release(self) -> None:
        """Let go of the lock. May be called twice."""
        if self._held:
            self._held = False
            os.close(self._descriptor)
