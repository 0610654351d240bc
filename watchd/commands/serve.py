"""`watchd serve`."""

from __future__ import annotations

import gc
import logging
import sys
from pathlib import Path
from typing import Any

import click

from storage.committer_process import CommitterProcess
from storage.environment import Options
from watchd.commands.logs import configure_logging
from watchd.commands.options import config_option, serve_config, setting_option
from watchd.config import SETTINGS, Config
from watchd.seams import SystemEntropy, ThreadRunner
from watchd.serving.limits import keep_freed_memory, raise_descriptors
from watchd.values import Durability

SWITCH_SECONDS = 0.0005
"""How long a busy thread keeps the interpreter: at Python's own 5 ms the loop would wait as long for every piece of work
that it gave to a thread, and a thread that reads LMDB at each of its calls."""

logger = logging.getLogger("watchd")


def start_committer(config: Config) -> CommitterProcess | None:
    """Start the process that commits; with --memory there is none. Raises StorageError."""
    if config.data_dir is None or config.memory:
        return None
    options = Options(
        cluster_id=SystemEntropy().uid(),
        max_bytes=config.max_bytes or None,
        relaxed=config.durability is Durability.RELAXED,
    )
    return CommitterProcess.start(config.data_dir, options, runner=ThreadRunner())


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
    committer = start_committer(config)
    sys.setswitchinterval(SWITCH_SECONDS)
    keep_freed_memory()
    # What is imported is never garbage, so that no collection needs to walk over it, now or later. What imports leave
    # behind, under 2 MiB, stays: to look for it would take a tenth of the start.
    gc.disable()
    try:
        # Only now: the process that commits starts while the server is imported.
        if committer is not None and config.workers > 1:
            from watchd.commands.supervisor import serve_with_workers  # noqa: PLC0415 - see above

            serve_with_workers(config, committer)
            return
        from watchd.commands.running import serve  # noqa: PLC0415 - see above

        gc.freeze()
        gc.enable()
        serve(config, committer)
    finally:
        if committer is not None:
            committer.end()


for _setting in reversed(list(SETTINGS.values())):
    command = setting_option(_setting)(command)
command = click.command()(config_option(command))
