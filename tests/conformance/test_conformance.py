"""Plays the conformance cases against a server and holds the score against what has been reached.

The answers in goldens/ were recorded from the reference server; `replay.py check` shows each difference.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import watchd.server
from tests.conformance.conftest import SCORES
from watchd.serving.door import serve
from watchd.testing import Server, serve_in_thread

HERE = Path(__file__).parent

TOKEN = "conformance"

PLAY_SECONDS = 240
"""Bound of the whole play: some watches have timeouts of seconds, the conversion cases wait for conditions."""

FLOORS = {
    # A step of crud races the garbage collector.
    "crud": (0.98, 0.97),
    "list": (1.0, 1.0),
    "watch": (1.0, 1.0),
    "discovery": (1.0, 1.0),
    "crd": (1.0, 1.0),
    "patch": (1.0, 1.0),
    "representation": (1.0, 1.0),
    "subresources": (1.0, 1.0),
    "conversion": (1.0, 1.0),
    "kinds-apps": (1.0, 1.0),
    "kinds-quota": (1.0, 1.0),
    "kinds-batch": (1.0, 1.0),
    "kinds-rbac": (1.0, 1.0),
    "kinds-certificates": (1.0, 1.0),
    "kinds-subresources": (1.0, 1.0),
    "kinds-autoscaling": (1.0, 1.0),
    "kinds-pods": (1.0, 1.0),
    "kinds-policy": (1.0, 1.0),
    "kinds-network": (1.0, 1.0),
    "kinds-storage": (1.0, 1.0),
    "kinds-admission": (1.0, 1.0),
    "kinds-rest": (1.0, 1.0),
    "kinds-manifests": (0.99, 0.98),
}
"""Capability -> the part of its steps that agrees at the `status` and at the `body` level: what has been reached."""

TOGETHER = ("crud", "list", "watch", "discovery")
"""The capabilities that are meant to be served whole."""


@pytest.fixture(scope="module", params=[True, False], ids=["native", "hypercorn"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Serve through the native door, and once more with Hypercorn for HTTP/1.1."""
    # The user of the recordings has a uid, which some answers show.
    tokens = tmp_path_factory.mktemp("tokens") / "tokens.csv"
    tokens.write_text(f'{TOKEN},admin,admin-uid,"system:masters"\n')
    tokens.chmod(0o600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watchd.server, "serve", partial(serve, native=request.param))
        with serve_in_thread(token_auth_file=tokens) as started:
            yield started


@pytest.fixture(scope="module")
def report(
    server: Server, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("conformance") / "report.json"
    command = [sys.executable, str(HERE / "replay.py"), "check", "--server", server.url]
    command += ["--token", TOKEN, "--cacert", str(server.ca_file), "--json", str(out)]
    played = subprocess.run(command, capture_output=True, text=True, timeout=PLAY_SECONDS, check=False)
    assert played.returncode in {0, 1}, played.stdout[-2000:] + played.stderr[-2000:]
    print(played.stdout)
    loaded: dict[str, Any] = json.loads(out.read_text())
    scores = {name: [score(loaded, name, level) for level in ("status", "body")] for name in sorted(FLOORS)}
    pytestconfig.stash[SCORES] = [
        f"{name:16} status {status[0]:4} of {status[1]:4}   body {body[0]:4} of {body[1]:4}"
        for name, (status, body) in scores.items()
    ]
    return loaded


def score(report: dict[str, Any], capability: str, level: str) -> tuple[int, int]:
    steps = [step for case in report["cases"] if case["capability"] == capability for step in case["steps"]]
    return sum(bool(step[level]) for step in steps), len(steps)


def test_every_case_was_played(report):
    files = {path.stem for path in (HERE / "cases").glob("*.yaml")}
    assert {case["file"] for case in report["cases"]} == files


@pytest.mark.parametrize("capability", sorted(FLOORS))
def test_score(report, capability):
    for level, floor in zip(("status", "body"), FLOORS[capability], strict=True):
        agreed, steps = score(report, capability, level)
        print(f"{capability}: {agreed} of {steps} steps at the {level} level")
        assert agreed >= floor * steps, f"{capability}: {agreed} of {steps} steps agree at the {level} level"


@pytest.mark.parametrize(("level", "floor"), [("status", 0.99), ("body", 0.98)])
def test_score_of_what_is_served_whole(report, level, floor):
    scores = [score(report, capability, level) for capability in TOGETHER]
    assert sum(agreed for agreed, _ in scores) >= floor * sum(steps for _, steps in scores)
