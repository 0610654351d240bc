"""What kubectl says of a custom kind, word for word: each command of a transcript with what it printed.

`goldens/kites.txt` holds lines of `$ kubectl ...`, each followed by what came. With WATCHD_RECORD=1 it is written anew; read
the difference before it is kept.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

GOLDENS = Path(__file__).parent / "goldens"
TRANSCRIPT = GOLDENS / "kites.txt"

DEADLINE = 60
"""Seconds that one command may take."""

PROMPT = "$ "

MINOR = "32"
"""Of the kubectl that the transcript is of; other versions say some things in other words."""

CHANGING = [
    (re.compile(r"(?m)^(diff|---|\+\+\+) .*\n"), ""),  # names of temporary files
    (re.compile(r"\b\d+(ms|s)\b"), "AGE"),
    (re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z"), "TIME"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UID"),
    (re.compile(r"(?m)^E\d{4} .*\n"), ""),  # what kubectl's own log adds
]


@pytest.fixture
def environment(need, server, namespace, tmp_path) -> Iterator[tuple[str, str, dict[str, str]]]:
    program = need.program("kubectl", "install kubectl 1.32")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(server.kubeconfig)}
    version = json.loads(subprocess.check_output([program, "version", "--client", "-o", "json"], env=environment))
    if version["clientVersion"]["minor"].rstrip("+") != MINOR:
        pytest.skip(f"the transcript is of kubectl 1.{MINOR}")
    yield program, namespace, environment
    with server.client() as client:
        client.delete("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/kites.goldens.example.com")


def commands() -> list[str]:
    return [line.removeprefix(PROMPT) for line in TRANSCRIPT.read_text().splitlines() if line.startswith(PROMPT)]


def test_transcript(environment):
    program, namespace, variables = environment
    said = []
    for command in commands():
        _, *arguments = command.split(" ")
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
        for pattern, instead in CHANGING:
            text = pattern.sub(instead, text)
        text = text.replace(namespace, "NAMESPACE").rstrip("\n")
        said.append("\n".join([PROMPT + command, *([text] if text else []), *([f"exit {done.returncode}"] if done.returncode else [])]))
    found = "\n".join(said) + "\n"
    if os.environ.get("WATCHD_RECORD"):
        TRANSCRIPT.write_text(found)
    expected = TRANSCRIPT.read_text()
    assert found == expected, "\n".join(difflib.unified_diff(expected.splitlines(), found.splitlines(), lineterm=""))
