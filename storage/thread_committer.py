"""The committer of an embedded server: transactions on the runner's thread, in the process that reads.

A py-lmdb call gives up the GIL and has to win it back. Beside a busy loop each call so waits for a switch interval,
5 ms by default, and a batch of 64 appends takes 0.2 s. Hence few calls a batch, all in one hop to a thread, and a
short switch interval while it works. `watchd serve` commits in a process of its own (storage.committer_process).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import msgspec
import trio

from storage.committer import Append, Outcome, Writer
from storage.environment import Environment
from storage.errors import StorageError
from storage.layout import State
from storage.types import Clock, KindId, Revision, Runner

T = TypeVar("T")

SWITCH_SECONDS = 0.0001
"""The switch interval while a transaction runs. Measured beside a busy loop, a batch of 64: 0.2 s at the default of
5 ms, 15 ms at 0.5 ms, 4 to 9 ms at 0.1 ms."""


class ThreadCommitter:
    """Commits on the runner's thread, in this process: see storage.committer.Committer."""

    shared = False
    shares_environment = True

    def __init__(self, environment: Environment, *, clock: Clock, runner: Runner) -> None:
        self._environment = environment
        self._writer = Writer(environment)
        self._clock = clock
        self._runner = runner

    async def commit(self, appends: Sequence[Append]) -> list[Outcome]:
        """Commit appends in one synced transaction; the outcomes are in their order."""
        now_ms = self._clock.now_ms()
        return await self._runner.run_sync(_undisturbed, lambda: self._writer.commit(appends, now_ms))

    async def allot(self, names: Sequence[str]) -> list[KindId]:
        """Return the ids of storage names, allotting those that are missing. Raises LogFull, OutcomeUnknown, Corrupt."""
        return await self._runner.run_sync(self._writer.allot, names)

    async def compact(self, upto: Revision) -> State:
        """Raise the floor towards `upto` in one short transaction. Raises LogFull, OutcomeUnknown, Corrupt."""
        return await self._runner.run_sync(_undisturbed, lambda: self._writer.compact(upto))

    @property
    def asked(self) -> None:
        """Nothing: no answer is lost alone."""

    @property
    def gone(self) -> bool:
        """No: a thread does not die alone."""
        return False

    async def news(self) -> None:
        """Wait for ever."""
        await trio.sleep_forever()

    async def reopen(self) -> None:
        """Open the environment anew, for reading only where writing is over: then raises StorageError."""
        await self._runner.run_sync(self._reopen)

    def _reopen(self) -> None:
        self._environment.close()
        try:
            self._environment.open(readonly=False)
        except StorageError:
            self._environment.open(readonly=True)
            raise

    async def aclose(self) -> None:
        """Do nothing: the environment belongs to the log."""


class _SwitchInterval(msgspec.Struct):
    """How many transactions run now in this process, and what the interval was before the first."""

    lock: threading.Lock = msgspec.field(default_factory=threading.Lock)
    running: int = 0
    before: float = 0.0


_SWITCH = _SwitchInterval()


def _undisturbed(transaction: Callable[[], T]) -> T:
    with _short_switch_interval():
        return transaction()


@contextmanager
def _short_switch_interval() -> Iterator[None]:
    """Shorten the interpreter's switch interval; the last to leave restores it."""
    with _SWITCH.lock:
        if _SWITCH.running == 0:
            _SWITCH.before = sys.getswitchinterval()
            sys.setswitchinterval(min(_SWITCH.before, SWITCH_SECONDS))
        _SWITCH.running += 1
    try:
        yield
    finally:
        with _SWITCH.lock:
            _SWITCH.running -= 1
            if _SWITCH.running == 0:
                sys.setswitchinterval(_SWITCH.before)
