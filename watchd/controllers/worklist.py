"""Worklist: what has to be looked at, each thing once, in the order in which it was named."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NoReturn, TypeVar

import trio

from storage.errors import StorageError
from storage.types import Key, path_of
from watchd.status import Reason, StatusError

T = TypeVar("T")

RETRY_SECONDS = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Before a thing whose handling failed is looked at again: soon at first, then rarely, as what refuses it (a quota) may last."""

NAMESPACE_TERMINATING = "NamespaceTerminating"
"""Cause of the refusal of whatever is made in a namespace that goes."""

logger = logging.getLogger(__name__)


class Worklist(Generic[T]):
    """Things to be looked at. One that is named again while it waits is looked at once; while it is looked at, once more."""

    def __init__(
        self, name: str, look: Callable[[T], Awaitable[None]], *, gather_seconds: float = 0, retry_seconds: Sequence[float] = RETRY_SECONDS
    ) -> None:
        """Describe the work.

        Args:
            name: for the log.
            look: may raise StatusError and StorageError, and is called again then.
            gather_seconds: waited when something is named after a time of quiet, so that what is named often in a short time is
                looked at once.
            retry_seconds: before a thing that failed is looked at again, the first, second ... time; the last for all that follow.

        """
        self._retry_seconds = retry_seconds
        self._gather_seconds = gather_seconds
        self._name = name
        self._look = look
        self._waiting: dict[T, None] = {}
        self._failures: dict[T, int] = {}
        self._added = trio.Event()

    def add(self, thing: T) -> None:
        """Have a thing looked at."""
        self._waiting[thing] = None
        self._added.set()

    async def run(self) -> NoReturn:
        """Look at things until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                if not self._waiting:
                    self._added = trio.Event()
                    await self._added.wait()
                    await trio.sleep(self._gather_seconds)
                thing = next(iter(self._waiting))
                del self._waiting[thing]
                await trio.lowlevel.checkpoint()
                try:
                    await self._look(thing)
                except (StatusError, StorageError) as error:
                    if not _is_over(error):
                        failures = self._failures.get(thing, 0)
                        self._failures[thing] = failures + 1
                        logger.warning("controller %s will look at %s again: %s", self._name, _named(thing), error)
                        nursery.start_soon(self._later, thing, self._retry_seconds[min(failures, len(self._retry_seconds) - 1)])
                        continue
                self._failures.pop(thing, None)
        raise AssertionError("unreachable")

    async def _later(self, thing: T, wait_seconds: float) -> None:
        await trio.sleep(wait_seconds)
        self.add(thing)


def _named(thing: object) -> object:
    """Return what a log can say of a thing: of a key its path, whose kind id is no text."""
    return path_of(Key(thing)) if isinstance(thing, bytes) else thing


def _is_over(error: StatusError | StorageError) -> bool:
    """Tell whether a thing that failed needs no more attention: it went meanwhile, or its namespace goes."""
    if not isinstance(error, StatusError):
        return False
    return error.reason is Reason.NOT_FOUND or any(cause.reason == NAMESPACE_TERMINATING for cause in error.causes)
