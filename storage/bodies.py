"""Bodies put together undecoded: what a list of stored values is sent as."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from storage.types import Key, Page, Revision


class Cut(msgspec.Struct, frozen=True, gc=False):
    """Which bodies can be put together as they are stored, and how."""

    header: bytes
    """What the headers of those begin with; headers are opaque to storage in all else."""
    skip: int
    """Bytes left out at the beginning of each body."""
    opening: bytes
    """What stands in their place."""
    between: bytes
    wanted: Callable[[bytes], bool] | None = None
    """Tells by its header whether a value is taken; None where all are."""

    def join(self, bodies: Sequence[bytes | memoryview], *, follows: bool) -> bytes:
        """Put bodies together whose first `skip` bytes are left out already. Each byte is copied once.

        Those that follow others begin with what stands between.
        """
        if not bodies:
            return b""
        first, rest = bodies[0], bodies[1:]
        before = self.between + self.opening
        return before.join([b"", *bodies]) if follows else before.join([self.opening + first, *rest])


class Bodies(msgspec.Struct, frozen=True, gc=False):
    """A part of a scan, all at one revision, as one piece of bytes."""

    data: bytes
    count: int
    """Values in it."""
    last: Key | None
    """The last key that was looked at, None where there is none."""
    revision: Revision
    """The revision that it shows."""
    next: Key | None
    """Where the scan goes on, or None at its end."""


def bodies_of(page: Page, cut: Cut, *, follows: bool) -> Bodies | None:
    """Put a page of a scan together, None where it holds a value that cannot be sent as it is stored."""
    items = page.items
    if not all(item.header.startswith(cut.header) for item in items):
        return None
    taken = [item.body[cut.skip :] for item in items if cut.wanted is None or cut.wanted(item.header)]
    data = cut.join(taken, follows=follows)
    return Bodies(data, len(taken), items[-1].key if items else None, page.revision, page.next)
