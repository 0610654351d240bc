"""Options that several commands have."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from watchd.commands.failure import CommandFailed
from watchd.config import SETTINGS, Config, Setting, resolve

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--config`."""
    return click.option(
        "--config",
        "config_file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        envvar="WATCHD_CONFIG",
        help="TOML file with settings: the flags' names, as in retain_age = \"2h\". [env WATCHD_CONFIG]",
    )(command)


def setting_option(setting: Setting) -> Decorator:
    """Make the flag of a setting. Its value stays text: `resolve` reads it."""
    help_text = f"{setting.about.help}  [env {setting.variable}; default: {setting.default}]"
    if setting.about.metavar:
        return click.option(setting.flag, setting.name, metavar=setting.about.metavar, help=help_text)
    # None where neither form is given: the environment or the file decides then.
    return click.option(
        f"{setting.flag}/--no-{setting.flag[2:]}",
        setting.name,
        default=None,
        callback=lambda _ctx, _param, value: None if value is None else str(value).lower(),
        help=help_text,
    )


def data_dir_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--data-dir` and `--config`: what a command beside the server needs to find the data."""
    return setting_option(SETTINGS["data_dir"])(config_option(command))


def find_data_dir(data_dir: str | None, config_file: Path | None) -> Path:
    """Return the data directory that the options, the environment and the file name. Raises ConfigError."""
    config = resolve({"data_dir": data_dir}, environ=os.environ, file=config_file)
    if config.data_dir is None:
        raise CommandFailed("the configuration keeps everything in memory: there is no data directory")
    return config.data_dir


def existing_data_dir(data_dir: str | None, config_file: Path | None) -> Path:
    """Return the data directory, which must be there. Raises ConfigError, CommandFailed."""
    path = find_data_dir(data_dir, config_file)
    if not path.is_dir():
        raise CommandFailed(f"{path}: no data directory there")
    return path


def serve_config(flags: dict[str, Any], config_file: Path | None) -> Config:
    """Put a server's configuration together. Raises ConfigError."""
    return resolve(flags, environ=os.environ, file=config_file)


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on stderr while work is done, where that is a terminal.

    Gives a function to call with (done, total); a total of 0 is one that is not known.
    """
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    # Only here: rich takes a while to import, and most runs show no bar.
    from rich.console import Console  # noqa: PLC0415 - see above
    from rich.progress import Progress  # noqa: PLC0415 - see above

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)
