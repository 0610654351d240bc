"""Supervision: a fault in a controller stops neither the server nor the controller for good."""

from __future__ import annotations

import logging
from typing import Protocol

import trio

from storage.errors import StorageError
from watchd.status import StatusError

RESTART_SECONDS = (0.1, 1.0, 5.0, 30.0)
"""Before a controller that failed is started again: soon at first, then rarely."""

HEALTHY_SECONDS = 60.0
"""A controller that ran this long has earned a quick restart again."""

logger = logging.getLogger(__name__)


class Controller(Protocol):
    """Something that follows the log and writes, until it is cancelled."""

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Work until cancelled or the log closes."""


class Supervisor:
    """Runs one controller, again where it fails."""

    def __init__(self, name: str, controller: Controller) -> None:
        self._name = name
        self._controller = controller
        self.failure: str | None = None
        """What it failed with last, while it waits to be started again."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the controller until it returns or is cancelled. Started with its first start."""
        failures = 0
        status = task_status
        while True:
            began = trio.current_time()
            try:
                async with trio.open_nursery() as nursery:
                    await nursery.start(self._controller.run)
                    self.failure = None
                    status.started()
                    status = trio.TASK_STATUS_IGNORED
            # Faults of ours, by kind: anything else, cancellation above all, is not for us to stop.
            except* (StatusError, StorageError, LookupError, ValueError, TypeError, AttributeError, AssertionError) as group:
                self.failure = "; ".join(f"{type(error).__name__}: {error}" for error in _leaves(group))
                logger.exception("controller %s failed and is started again", self._name)
            else:
                return
            failures = 1 if trio.current_time() - began > HEALTHY_SECONDS else failures + 1
            await trio.sleep(RESTART_SECONDS[min(failures, len(RESTART_SECONDS)) - 1])


def _leaves(error: BaseException) -> list[BaseException]:
    """Return the errors that a group is made of in the end."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
