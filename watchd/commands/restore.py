"""`watchd restore`: a backup into an empty data directory."""

from __future__ import annotations

from pathlib import Path

import click
import trio

from storage.backup import Description, restore
from watchd.commands.options import data_dir_options, find_data_dir, progress
from watchd.seams import ThreadRunner


async def _restore(file: Path, directory: Path) -> Description:
    with progress("restoring") as show:
        return await restore(file, directory, runner=ThreadRunner(), progress=show)


@click.command()
@data_dir_options
@click.argument("file", type=click.Path(path_type=Path))
def command(data_dir: str | None, config_file: Path | None, file: Path) -> None:
    """Make FILE, a backup, the content of an empty data directory: all of it or nothing.

    Revisions and watch history are those of the backup. The next start makes new certificates and a new token; clients
    that hold the old ones need pki/ and admin.token of the old data directory, copied there after this.
    """
    directory = find_data_dir(data_dir, config_file)
    done = trio.run(_restore, file.absolute(), directory)
    click.echo(f"{directory}: revisions {done.floor} to {done.head}, {done.records} records")
