"""`watchd serve`."""

from __future__ import annotations

import gc
import logging
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import click
import trio

from watchd.commands.failure import CommandFailed
from watchd.commands.logs import configure_logging
from watchd.commands.options import config_option, serve_config, setting_option
from watchd.config import SETTINGS, Config
from watchd.groups import sole
from watchd.seams import SystemClock, SystemEntropy, ThreadRunner
from watchd.server import Running, StartError, run
from watchd.serving.limits import raise_descriptors
from watchd.serving.listeners import ListenError
from watchd.values import Durability

SWITCH_SECONDS = 0.0005
"""How long a busy thread keeps the interpreter: at Python's own 5 ms the committer's thread, which gives it up at every
call of LMDB, would take 200 ms for a batch that takes 1."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""The first ends the server in order, the second at once."""

logger = logging.getLogger("watchd")


def announce(running: Running) -> None:
    """Print where the server listens, as lines that a shell can take."""
    click.echo(f"export KUBECONFIG={shlex.quote(str(running.credentials.kubeconfig))}")
    click.echo(f"# watchd serves {running.url}")
    if running.insecure_url is not None:
        click.echo(f"# and, without TLS, {running.insecure_url}")
    sys.stdout.flush()


async def serve_until_signal(config: Config) -> None:
    """Serve until SIGTERM or SIGINT, then end in order; a second signal ends the process at once."""
    stop = trio.Event()
    with trio.open_signal_receiver(*SIGNALS) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_obey, signals, stop)
            parts = partial(run, config, clock=SystemClock(), entropy=SystemEntropy(), runner=ThreadRunner(), stop=stop)

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


def command(**flags: Any) -> None:
    """Serve the Kubernetes API protocol until SIGTERM or Ctrl-C.

    The first start makes a CA, a server certificate and an admin token in the data directory, and each start writes a
    kubeconfig there. The line `export KUBECONFIG=...` on stdout says that the server is ready.

    SIGTERM or SIGINT ends it in order: /readyz fails, after --shutdown-delay watches end with a bookmark, requests
    under way get --shutdown-grace, the log closes, exit status 0. A second signal ends it at once, with 143 or 130;
    no answered write is lost by that.

    Settings come from the flag, else the environment variable, else the file, else the default.
    """
    config_file: Path | None = flags.pop("config_file")
    config = serve_config(flags, config_file)
    configure_logging(config.log_level)
    logger.info("limits", extra={"open_files": str(raise_descriptors())})
    if config.durability is Durability.RELAXED:
        logger.warning("relaxed durability: a power cut may lose answered writes and reuse their resourceVersions")
    sys.setswitchinterval(SWITCH_SECONDS)
    # What the imports left is never garbage: no collection needs to walk over it.
    gc.collect()
    gc.freeze()
    try:
        trio.run(serve_until_signal, config)
    except* (StartError, ListenError) as group:
        raise CommandFailed(str(sole(group))) from group


for _setting in reversed(list(SETTINGS.values())):
    command = setting_option(_setting)(command)
command = click.command()(config_option(command))
