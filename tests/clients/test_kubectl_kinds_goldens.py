"""What kubectl says of built-in kinds, word for word: `goldens/kinds.txt`, kept as that of a custom kind is (test_kubectl_custom.py).

A `_` in a schedule stands for a space: the commands are split at spaces.
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess

import pytest

from tests.clients.test_kubectl_custom import CHANGING, DEADLINE, GOLDENS, PROMPT, environment  # noqa: F401 - a fixture

TRANSCRIPT = GOLDENS / "kinds.txt"
NODE = "goldens-node"

SPACED = re.compile(r"(?<=--schedule=)\S+")

MORE = [
    *CHANGING,
    (re.compile(r"\bAGE\b +"), "AGE "),
    (re.compile(r"(?m)(CreationTimestamp|Started): .*"), r"\1: ..."),
    (re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}"), "TIME"),
    (re.compile(r"10\.96\.\d+\.\d+ +"), "10.96.X.X "),
    (re.compile(r"\bCLUSTER-IP +"), "CLUSTER-IP "),
    (re.compile(r'resourceVersion: "\d+"'), "resourceVersion: RV"),
]
"""What is not the same each time: ages, times, addresses, and the widths that follow from them."""


@pytest.fixture
def kubectl(environment, server):  # noqa: F811 - a fixture
    """Run a command of the transcript: what it printed, and its status where that is not 0."""
    program, namespace, variables = environment

    def run(command: str) -> str:
        _, *arguments = command.split(" ")
        arguments = [SPACED.sub(lambda found: found[0].replace("_", " "), argument) for argument in arguments]
        done = subprocess.run(
            [program, "--namespace", namespace, *arguments],
            cwd=GOLDENS,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        text = done.stdout + done.stderr
        for pattern, instead in MORE:
            text = pattern.sub(instead, text)
        text = re.sub(rf"{namespace}( ?) *", r"NAMESPACE\1", text)
        text = re.sub(r"(?m) +$", "", text).rstrip("\n")
        return "\n".join([*([text] if text else []), *([f"exit {done.returncode}"] if done.returncode else [])])

    yield run
    with server.client() as client:
        client.delete(f"/api/v1/nodes/{NODE}")


def test_transcript(kubectl):
    commands = [line.removeprefix(PROMPT) for line in TRANSCRIPT.read_text().splitlines() if line.startswith(PROMPT)]
    found = "".join(f"{PROMPT}{command}\n{said}\n" if (said := kubectl(command)) else f"{PROMPT}{command}\n" for command in commands)
    if os.environ.get("WATCHD_RECORD"):
        TRANSCRIPT.write_text(found)
    expected = TRANSCRIPT.read_text()
    assert found == expected, "\n".join(difflib.unified_diff(expected.splitlines(), found.splitlines(), lineterm=""))
