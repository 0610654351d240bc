"""A server in a process of its own, from its configuration to the signal that ends it: what `watchd serve` runs."""

from __future__ import annotations

import logging
from functools import partial

import trio

from storage.committer_process import CommitterProcess
from watchd.commands.failure import CommandFailed
from watchd.commands.signals import SIGNALS, announce, obey
from watchd.config import Config
from watchd.groups import sole
from watchd.seams import SystemClock, SystemEntropy, ThreadRunner
from watchd.server import Running, StartError, run
from watchd.serving.listeners import ListenError

logger = logging.getLogger("watchd")


def serve(config: Config, committer: CommitterProcess | None) -> None:
    """Serve until a signal ends it. Raises CommandFailed, and what watchd.server.run raises in groups."""
    try:
        trio.run(serve_until_signal, config, committer)
    except* (StartError, ListenError) as group:
        raise CommandFailed(str(sole(group))) from group


async def serve_until_signal(config: Config, committer: CommitterProcess | None) -> None:
    """Serve until SIGTERM or SIGINT, then end in order; a second signal ends the process at once."""
    stop = trio.Event()
    with trio.open_signal_receiver(*SIGNALS) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(obey, signals, stop)
            clock, entropy, runner = SystemClock(), SystemEntropy(), ThreadRunner()
            parts = partial(run, config, clock=clock, entropy=entropy, runner=runner, committer=committer, stop=stop)

            async def body(*, task_status: trio.TaskStatus[Running]) -> None:
                await parts(task_status=task_status)
                nursery.cancel_scope.cancel()

            running: Running = await nursery.start(body)
            announce(running.credentials.kubeconfig, running.url, running.insecure_url)
            logger.info("ready", extra={"url": running.url, "head": running.log.head, "floor": running.log.floor})
