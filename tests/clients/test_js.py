"""The JavaScript client (js/scenarios.mjs): calls, watches, its informer over a restart, custom objects, built-in kinds."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.clients.playing import play

PACKAGE = Path(__file__).parent / "js"

SCENARIO_DEADLINE = 60
"""Seconds after which the scenario's process is killed."""


@pytest.fixture(scope="session")
def node(need):
    """Node, with the packages of the lock file beside the scenarios."""
    program = need.program("node", "install Node.js 20 or later")
    lock, installed = PACKAGE / "package-lock.json", PACKAGE / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        npm = need.program("npm", "install npm")
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts"], cwd=PACKAGE, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    return program


@pytest.mark.parametrize("scenario", ["objects", "watch", "informer", "custom", "kinds"])
def test_js(server, node, namespace, custom, scenario):
    play_js(server, node, namespace, custom, scenario)


@pytest.mark.parametrize("scenario", ["rich", "apply"])
def test_js_rich(server, node, namespace, rich, scenario):
    play_js(server, node, namespace, rich, scenario)


def play_js(server, node, namespace, custom, scenario):
    environment = {"PATH": os.environ["PATH"], "KUBECONFIG": str(server.kubeconfig)}
    command = ["timeout", str(SCENARIO_DEADLINE), node, "scenarios.mjs", scenario, namespace, custom.crd]
    said = play(server, command, environment, what=scenario, cwd=PACKAGE)
    assert said[-1] == "passed\n"
