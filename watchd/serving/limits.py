"""Limits of the process: how many descriptors, and so how many clients, it may have."""

from __future__ import annotations

import resource

import msgspec


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
