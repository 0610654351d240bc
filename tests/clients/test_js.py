"""The JavaScript client (js/scenarios.mjs): calls, watches, its informer over a restart, custom objects, built-in kinds."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

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
    play(server, node, namespace, custom, scenario)


@pytest.mark.parametrize("scenario", ["rich", "apply"])
def test_js_rich(server, node, namespace, rich, scenario):
    play(server, node, namespace, rich, scenario)


def play(server, node, namespace, custom, scenario):
    environment = {"PATH": os.environ["PATH"], "KUBECONFIG": str(server.kubeconfig)}
    command = ["timeout", str(SCENARIO_DEADLINE), node, "scenarios.mjs", scenario, namespace, custom.crd]
    with subprocess.Popen(
        command,
        cwd=PACKAGE,
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
                if line.strip() == "@@restart":
                    server.restart()
                    process.stdin.write("restarted\n")
                    process.stdin.flush()
        except BaseException:
            process.kill()
            raise
    print("".join(said))
    assert process.returncode == 0, f"{scenario} failed, see its output below"
    assert said[-1] == "passed\n"
