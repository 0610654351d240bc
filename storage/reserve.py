"""Room on the disk that is kept for making room: on a disk full to the last byte LMDB could not even delete."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

RESERVE_NAME = "reserve"
"""The file in the data directory that takes the room."""

RESERVE_BYTES = 1024 * 1024
"""Bytes kept where there is room for them: some times what a short compaction transaction writes."""

LEAST_BYTES = 64 * 1024
"""A smaller reserve is of no use: the smallest transaction writes some pages of 4 KiB."""


class Reserve:
    """A file that holds nothing but room."""

    def __init__(self, directory: Path) -> None:
        """Take the room, or as much as there is."""
        self._path = directory / RESERVE_NAME
        self.hold()

    def hold(self) -> None:
        """Take the room again, or as much as there is: a half, a quarter, and so on."""
        size = RESERVE_BYTES
        with suppress(OSError):
            if self._path.exists() and self._path.stat().st_size >= LEAST_BYTES:
                return
        while size >= LEAST_BYTES:
            try:
                descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
                try:
                    os.posix_fallocate(descriptor, 0, size)
                finally:
                    os.close(descriptor)
            except OSError:
                size //= 2
            else:
                return
        self.release()

    def release(self) -> None:
        """Give the room away."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
