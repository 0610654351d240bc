"""kube-rs (rust/): typed calls on built-in kinds, watchers and reflectors over a restart, a controller of a custom kind."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.clients.playing import play

SOURCES = Path(__file__).parent / "rust"

SCENARIO_DEADLINE = 60
"""Seconds after which the scenario's process is killed."""


@pytest.fixture(scope="session")
def program(need):
    """The program of the scenarios, built when its sources have changed (minutes the first time)."""
    need.program("cargo", "install Rust 1.89 or later")
    built = subprocess.run([SOURCES / "build.sh"], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return built.stdout.strip()


@pytest.mark.parametrize("scenario", ["config_maps", "pods", "deployments", "watch", "streaming", "reflector", "controller"])
def test_rust(server, program, namespace, custom, scenario):
    environment = {"PATH": os.environ["PATH"], "KUBECONFIG": str(server.kubeconfig), "RUST_BACKTRACE": "1"}
    command = ["timeout", str(SCENARIO_DEADLINE), program, scenario, namespace, custom.group]
    said = play(server, command, environment, what=scenario)
    assert said[-1] == "passed\n"
