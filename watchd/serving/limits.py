"""Limits of the process: how many descriptors, and so how many clients, it may have, and what memory it keeps."""

from __future__ import annotations

import resource

import msgspec

KEPT_BYTES = 2 << 20
"""Bytes of the piece by which malloc is told what to keep: it keeps twice as much, enough for a page of a list and its answer."""


class Descriptors(msgspec.Struct, frozen=True):
    """RLIMIT_NOFILE, in descriptors."""

    soft: int
    """What the process may open now."""
    hard: int
    """What it could be raised to."""

    def __str__(self) -> str:
        """Say it for a start-up message."""
        return f"{self.soft} descriptors" if self.soft == self.hard else f"{self.soft} of {self.hard} descriptors"


def raise_descriptors() -> Descriptors:
    """Raise RLIMIT_NOFILE to its hard limit and return what was got.

    Each watcher holds a socket; the usual soft limit of 1,024 is for programs that call select(), which this one
    does not. A kernel that refuses (macOS caps the value below an unlimited hard limit) leaves the limit as it is.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            return Descriptors(soft, hard)
    return Descriptors(*resource.getrlimit(resource.RLIMIT_NOFILE))


def keep_freed_memory() -> None:
    """Have malloc keep what answers have given back for those that follow.

    glibc gives the end of its heap back to the system whenever 128 KiB of it are free, until it sees a larger piece freed that
    had a mapping of its own; from then on it keeps twice that size (mallopt(3), M_MMAP_THRESHOLD). Without that each
    list may fault in all of its memory anew, which is a third of its time. Other allocators take no notice.
    """
    bytes(KEPT_BYTES)
