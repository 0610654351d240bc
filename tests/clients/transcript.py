"""Transcripts of kubectl in `goldens/`: lines of `$ kubectl ...`, each followed by what came.

With WATCHD_RECORD=1 a transcript is written anew; read the difference before it is kept.
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tests.clients.kubectl import Kubectl

GOLDENS = Path(__file__).parent / "goldens"

DEADLINE = 60
"""Seconds that one command may take."""

PROMPT = "$ "

Change = tuple[re.Pattern[str], str]

CHANGING: list[Change] = [
    (re.compile(r"(?m)^(diff|---|\+\+\+) .*\n"), ""),  # names of temporary files
    (re.compile(r"\b\d+(ms|s)\b"), "AGE"),
    (re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z"), "TIME"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UID"),
    (re.compile(r"(?m)^E\d{4} .*\n"), ""),  # what kubectl's own log adds
]
"""What is not the same each time in any transcript, and what stands instead."""


def say(kubectl: Kubectl, arguments: Sequence[str], changes: Iterable[Change]) -> str:
    """Run a command and return what it printed, with its status where that is not 0."""
    done = subprocess.run(
        kubectl.command(*arguments),
        cwd=GOLDENS,
        env=kubectl.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    text = done.stdout + done.stderr
    for pattern, instead in changes:
        text = pattern.sub(instead, text)
    text = text.rstrip("\n")
    return "\n".join([*([text] if text else []), *([f"exit {done.returncode}"] if done.returncode else [])])


def check(transcript: Path, answer: Callable[[str], str]) -> None:
    """Give each command of a transcript to `answer` and compare what comes with what is written."""
    expected = transcript.read_text()
    commands = [line.removeprefix(PROMPT) for line in expected.splitlines() if line.startswith(PROMPT)]
    assert commands, f"{transcript.name} has no commands"
    found = "".join(f"{PROMPT}{command}\n" + (f"{said}\n" if (said := answer(command)) else "") for command in commands)
    if os.environ.get("WATCHD_RECORD"):
        transcript.write_text(found)
        return
    assert found == expected, "\n".join(difflib.unified_diff(expected.splitlines(), found.splitlines(), lineterm=""))
