"""The command line. Each command is a module of watchd.commands, imported when it is called."""

from __future__ import annotations

import gc
import importlib
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

import click

from storage.errors import StorageError
from watchd.failures import Failure
from watchd.groups import sole

EXIT_FAILED = 1
"""The command could not be done; one line on stderr says why."""

EXIT_INTERRUPTED = 128 + signal.SIGINT
"""Ended by Ctrl-C, as shells count it."""

COMMANDS: Mapping[str, str] = {
    "serve": "Serve the Kubernetes API protocol until SIGTERM or Ctrl-C.",
    "log": "Print or follow the change log as JSON lines.",
    "compact": "Drop superseded versions and watch history up to a resourceVersion.",
    "migrate": "Rewrite what is stored at another version than it is stored at now.",
    "verify": "Check that the log is whole.",
    "backup": "Write everything that is stored to a new file.",
    "restore": "Make a backup the content of an empty data directory.",
    "version": "Print the version.",
}
"""Command -> what it does. The module of the same name in watchd.commands has the click command `command`."""


class _Commands(click.Group):
    """A group that imports a command when it is called: `watchd version` and `watchd --help` load no server."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        # Nothing of what is imported is garbage: to look for some takes a tenth of the time, then and right behind it.
        gc.disable()
        try:
            command: click.Command = importlib.import_module(f"watchd.commands.{cmd_name}").command
        finally:
            gc.freeze()
            gc.enable()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit status: 0 done; 1 it could not be done, or verify found damage; 2 the command line or the configuration "
    "makes no sense; 130 interrupted.",
)
def cli() -> None:
    """Serve the Kubernetes API protocol from a durable log, and look after that log."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    try:
        code = cli.main(args=arguments, prog_name="watchd", standalone_mode=False)
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Exception as error:
        cause = sole(error)
        if isinstance(cause, Failure | StorageError | OSError):
            _say(cause)
            sys.exit(cause.exit_status if isinstance(cause, Failure) else EXIT_FAILED)
        raise
    sys.exit(code if isinstance(code, int) else 0)


def _say(error: BaseException) -> None:
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    click.echo(f"watchd: {text}", err=True)
