"""A server in a process of its own, from its configuration to the signal that ends it: what `watchd serve` runs."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial

import click
import trio

from storage.committer_process import CommitterProcess
from watchd.commands.failure import CommandFailed
from watchd.config import Config
from watchd.groups import sole
from watchd.seams import SystemClock, SystemEntropy, ThreadRunner
from watchd.server import Running, StartError, run
from watchd.serving.listeners import ListenError

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""The first ends the server in order, the second at once."""

logger = logging.getLogger("watchd")


def serve(config: Config, committer: CommitterProcess | None) -> None:
    """Serve until a signal ends it. Raises CommandFailed, and what watchd.server.run raises in groups."""
    try:
        trio.run(serve_until_signal, config, committer)
    except* (StartError, ListenError) as group:
        raise CommandFailed(str(sole(group))) from group


def announce(running: Running) -> None:
    """Print where the server listens, as lines that a shell can take."""
    click.echo(f"export KUBECONFIG={shlex.quote(str(running.credentials.kubeconfig))}")
    click.echo(f"# watchd serves {running.url}")
    if running.insecure_url is not None:
        click.echo(f"# and, without TLS, {running.insecure_url}")
    sys.stdout.flush()


async def serve_until_signal(config: Config, committer: CommitterProcess | None) -> None:
    """Serve until SIGTERM or SIGINT, then end in order; a second signal ends the process at once."""
    stop = trio.Event()
    with trio.open_signal_receiver(*SIGNALS) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_obey, signals, stop)
            clock, entropy, runner = SystemClock(), SystemEntropy(), ThreadRunner()
            parts = partial(run, config, clock=clock, entropy=entropy, runner=runner, committer=committer, stop=stop)

            async def body(*, task_status: trio.TaskStatus[Running]) -> None:
                await parts(task_status=task_status)
                nursery.cancel_scope.cancel()

            running: Running = await nursery.start(body)
            announce(running)
            logger.info("ready", extra={"url": running.url, "head": running.log.head, "floor": running.log.floor})


async def _obey(signals: AsyncIterator[int], stop: trio.Event) -> None:
    async for number in signals:
        if stop.is_set():
            # Without a word to anybody, threads in fsync included: the log is whole at every instant.
            os._exit(128 + number)
        logger.info("shutting down", extra={"signal": signal.Signals(number).name})
        stop.set()
