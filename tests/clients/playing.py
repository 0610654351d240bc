"""Scenarios that are programs in other languages: run one, and restart the server where it asks for that."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.clients.conftest import Server

RESTART = "@@restart"
"""The line by which a scenario asks for a restart of the server; it goes on when it reads `restarted`."""


def play(server: Server, command: Sequence[str], environment: Mapping[str, str], *, what: str, cwd: Path | None = None) -> list[str]:
    """Run a scenario, which must end well, and return the lines that it printed."""
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = []
        try:
            for line in process.stdout:
                said.append(line)
                if line.strip() == RESTART:
                    server.restart()
                    process.stdin.write("restarted\n")
                    process.stdin.flush()
        except BaseException:
            process.kill()
            raise
    print("".join(said))
    assert process.returncode == 0, f"{what} failed, see its output below"
    return said
