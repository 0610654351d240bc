"""What a serving process says when it is ready, and how it hears that it is to end."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import click
import trio

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""The first ends the server in order, the second at once."""

logger = logging.getLogger("watchd")


def announce(kubeconfig: Path, url: str, insecure_url: str | None) -> None:
    """Print where the server listens, as lines that a shell can take."""
    click.echo(f"export KUBECONFIG={shlex.quote(str(kubeconfig))}")
    click.echo(f"# watchd serves {url}")
    if insecure_url is not None:
        click.echo(f"# and, without TLS, {insecure_url}")
    sys.stdout.flush()


async def obey(signals: AsyncIterator[int], stop: trio.Event, last: Callable[[], None] = lambda: None) -> None:
    """Set `stop` at the first signal; at the second do what is `last` and end the process at once."""
    async for number in signals:
        if stop.is_set():
            last()
            # Without a word to anybody, threads in fsync included: the log is whole at every instant.
            os._exit(128 + number)
        logger.info("shutting down", extra={"signal": signal.Signals(number).name})
        stop.set()
