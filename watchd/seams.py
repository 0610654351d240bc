"""Time, randomness and threads, passed in by the composition root so that tests own them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

NAME_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""The letters of generated name suffixes: no vowels and look-alikes, so that no words arise (FEATURES row 9)."""

NAME_SUFFIX_LENGTH = 5
"""Letters appended to a generateName."""


class Clock(Protocol):
    """The time of day. Deadlines and timers go by trio's clock instead."""

    def now_ms(self) -> int:
        """Return milliseconds since the epoch."""


class Entropy(Protocol):
    """Where uids, name suffixes and jitter come from."""

    def uid(self) -> str:
        """Return a version 4 UUID."""

    def suffix(self) -> str:
        """Return the random end of a generated name."""

    def fraction(self) -> float:
        """Return a number in [0, 1), for jitter."""


class Runner(Protocol):
    """Where blocking work is done."""

    async def run_sync(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run a function that blocks, to its end: a cancelled caller does not undo it."""


class SystemClock:
    """The machine's time of day."""

    def now_ms(self) -> int:
        """Return milliseconds since the epoch."""
        return time.time_ns() // 1_000_000


UIDS_AT_ONCE = 64
"""UUIDs made of one read of the system's randomness: each request takes one, and a read is a call of the kernel."""

_VARIANTS = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
"""The first digit of a UUID's fourth group, by a random one (RFC 9562 section 4.1)."""


class SystemEntropy:
    """The operating system's randomness. Safe to be asked by several threads."""

    def __init__(self) -> None:
        self._uids: list[str] = []

    def uid(self) -> str:
        """Return a version 4 UUID."""
        while True:
            try:
                return self._uids.pop()
            except IndexError:
                digits = secrets.token_hex(16 * UIDS_AT_ONCE)
                self._uids.extend(_uuid(digits[at : at + 32]) for at in range(0, len(digits), 32))

    def suffix(self) -> str:
        """Return the random end of a generated name."""
        return "".join(secrets.choice(NAME_ALPHABET) for _ in range(NAME_SUFFIX_LENGTH))

    def fraction(self) -> float:
        """Return a number in [0, 1)."""
        return secrets.randbits(53) / (1 << 53)


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{_VARIANTS[digits[16]]}{digits[17:20]}-{digits[20:]}"


class ThreadRunner:
    """Blocking work on a thread."""

    async def run_sync(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run on a worker thread."""
        # Only here: `watchd serve` imports trio when the process that commits has been started.
        import trio  # noqa: PLC0415 - see above

        return await trio.to_thread.run_sync(function, *args)


class InlineRunner:
    """Blocking work in line: for tests under trio's autojump clock, which would jump while a thread works."""

    async def run_sync(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run here and now, after one checkpoint."""
        import trio  # noqa: PLC0415 - see ThreadRunner

        await trio.lowlevel.checkpoint()
        return function(*args)


def rfc3339(ms: int) -> str:
    """Format a time as metav1.Time does: UTC, whole seconds."""
    return _second(ms // 1000)


@lru_cache(16)
def _second(seconds: int) -> str:
    # All writes of one second have one time.
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def rfc3339_micro(ms: int) -> str:
    """Format a time as metav1.MicroTime does: UTC, six digits of a second."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03d}000Z"
