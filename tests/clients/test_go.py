"""client-go and controller-runtime: one Go test binary (go/), each of its tests a test here, in one or more modes."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.clients.playing import play

SOURCES = Path(__file__).parent / "go"
EXAMPLES = Path(__file__).parents[1] / "kinds" / "manifests"

GO_DEADLINE = 90
"""Seconds after which a Go test ends itself with a dump of its goroutines."""

JSON = {"CLIENTS_CONTENT_TYPE": "application/json", "CLIENTS_MEDIA": "json"}

MODES = {
    # What client-go does by default since 1.35: the initial state comes as a stream.
    "watchlist": JSON | {"CLIENTS_WATCHLIST": "true", "KUBE_FEATURE_WatchListClient": "true"},
    # What it did before: a list in pages, then a watch.
    "list": JSON | {"CLIENTS_WATCHLIST": "false", "KUBE_FEATURE_WatchListClient": "false"},
    # KEP-4222: the same in CBOR. Typed clients must be told, they would prefer protobuf.
    "cbor": {
        "CLIENTS_CONTENT_TYPE": "application/cbor",
        "CLIENTS_MEDIA": "cbor",
        "CLIENTS_WATCHLIST": "true",
        "KUBE_FEATURE_WatchListClient": "true",
        "KUBE_FEATURE_ClientsAllowCBOR": "true",
        "KUBE_FEATURE_ClientsPreferCBOR": "true",
    },
    # Nothing set at all: typed clients send and ask for protobuf.
    "default": {"CLIENTS_CONTENT_TYPE": "", "CLIENTS_MEDIA": "protobuf", "CLIENTS_WATCHLIST": "true"},
}

WIRE_TESTS = ("TestInformer", "TestDynamic", "TestRetryWatcher", "TestPager")
"""Beginnings of the tests that are about what crosses the wire: they run in the first three modes, the others in the
first."""

PROTOBUF_TESTS = ("TestInformerTyped", "TestTypedConfigMaps", "TestTypedSecrets")
"""Those that run in the mode `default`, too."""


def cases() -> list[object]:
    found = []
    for source in sorted(SOURCES.glob("*_test.go")):
        for test in re.findall(r"^func (Test\w+)\(t \*testing\.T\)", source.read_text(), re.MULTILINE):
            modes = ["watchlist", "list", "cbor"] if test.startswith(WIRE_TESTS) else ["watchlist"]
            found += [pytest.param(test, mode, id=f"{test}-{mode}") for mode in modes]
            if test in PROTOBUF_TESTS:
                found.append(pytest.param(test, "default", id=f"{test}-default"))
    return found


@pytest.fixture(scope="session")
def binary(need):
    """The Go test binary, built when its sources have changed (minutes the first time, see docs/testing-clients.md)."""
    need.program("go", "install Go 1.26 or later")
    built = subprocess.run([SOURCES / "build.sh"], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return built.stdout.strip()


@pytest.mark.parametrize(("test", "mode"), cases())
def test_go(server, binary, test, mode):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KUBE_", "CLIENTS_"))}
    environment |= MODES[mode] | {"KUBECONFIG": str(server.kubeconfig), "CLIENTS_EXAMPLES": str(EXAMPLES)}
    if server.external and "WATCHD_TEST_CUSTOM_ONLY" in os.environ:
        environment["CLIENTS_CUSTOM_ONLY"] = "true"
    command = [binary, f"-test.run=^{test}$", "-test.v", f"-test.timeout={GO_DEADLINE}s"]
    said = play(server, command, environment, what=f"{test} in mode {mode}")
    if f"--- SKIP: {test} " in "".join(said):
        pytest.skip("the test itself says why it is none here")
    assert f"--- PASS: {test} " in "".join(said)
