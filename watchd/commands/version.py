"""`watchd version`."""

from __future__ import annotations

import platform

import click

from watchd.api.version import package_version


@click.command()
def command() -> None:
    """Print the version, and that of the Python that runs it."""
    click.echo(f"watchd {package_version()} (Python {platform.python_version()})")
