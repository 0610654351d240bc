"""`watchd compact`: raise the floor of a running server."""

from __future__ import annotations

from pathlib import Path

import click

from watchd.api.admin import COMPACT_PATH
from watchd.commands.client import ask, read_kubeconfig
from watchd.commands.options import data_dir_options, existing_data_dir


def _revision(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    if value != "head" and not (value.isascii() and value.isdigit()):
        raise click.BadParameter(f'"{value}" is neither a resourceVersion nor "head"')
    return value


@click.command()
@data_dir_options
@click.argument("revision", callback=_revision)
def command(data_dir: str | None, config_file: Path | None, revision: str) -> None:
    """Drop superseded versions and watch history up to a resourceVersion.

    REVISION is a resourceVersion, or "head" for everything that can go. The current state stays whole; watches and
    reads at older resourceVersions are answered 410 from then on. Goes through the running server, which does the same
    by itself as --retain-age and --retain-bytes say.
    """
    access = read_kubeconfig(existing_data_dir(data_dir, config_file) / "kubeconfig")
    answer = ask(access, "POST", f"{COMPACT_PATH}?revision={revision}")
    click.echo(f"compacted up to {answer['floor']}, the head is {answer['head']}")
