"""`watchd backup`: the whole log into one file."""

from __future__ import annotations

from pathlib import Path

import click
import trio

from storage.backup import Description, backup
from storage.lmdb_log import LmdbLog
from watchd.commands.options import data_dir_options, existing_data_dir, progress
from watchd.seams import SystemClock, ThreadRunner


async def _backup(directory: Path, file: Path) -> Description:
    log = await LmdbLog.open(directory, clock=SystemClock(), runner=ThreadRunner(), readonly=True)
    try:
        with progress("writing the backup") as show:
            return await backup(log, file, progress=show)
    finally:
        await log.aclose()


@click.command()
@data_dir_options
@click.argument("file", type=click.Path(path_type=Path))
def command(data_dir: str | None, config_file: Path | None, file: Path) -> None:
    """Write everything that is stored, watch history included, to a new FILE.

    Works beside a running server and without one; the file shows one revision, whatever is written meanwhile. It holds
    Secrets as they are, so only its owner may read it; the server's own certificates and token are not in it.
    """
    done = trio.run(_backup, existing_data_dir(data_dir, config_file), file.absolute())
    click.echo(f"{file}: revisions {done.floor} to {done.head}, {done.records} records")
