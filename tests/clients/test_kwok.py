"""kwok plays the nodes: a bare Pod that names one comes to run, stands behind its Service, and ends.

kwok (sigs.k8s.io/kwok) is taken from the PATH, else built once by the Go toolchain.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.conftest import Need, Server, eventually

VERSION = "v0.8.0"
"""Of kwok; any later one will do as well."""

INSTALL = f"go install sigs.k8s.io/kwok/cmd/kwok@{VERSION}"

BUILD_DEADLINE = 900
"""Seconds for the first build, with the download of its modules: two minutes on two idle cores."""

STAGES = Path(__file__).parent / "kwok.yaml"

LOG_TAIL = 3000

CREATED, NOT_FOUND = 201, 404


@pytest.fixture(scope="session")
def program(need: Need) -> str:
    """The path of kwok."""
    found = shutil.which("kwok")
    if found is not None:
        return found
    go = need.program("go", f"put kwok into the PATH, or install Go for `{INSTALL}`")
    directory = Path(__file__).parents[2] / ".cache" / "kwok" / VERSION
    path = directory / "kwok"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        command = [go, "install", f"sigs.k8s.io/kwok/cmd/kwok@{VERSION}"]
        try:
            built = subprocess.run(
                command, env={**os.environ, "GOBIN": str(directory)}, capture_output=True, text=True, check=False, timeout=BUILD_DEADLINE
            )
        except subprocess.TimeoutExpired:
            need.missing("kwok", f"`{INSTALL}` takes too long")
        else:
            if built.returncode:
                need.missing("kwok", f"`{INSTALL}` fails: {built.stderr[-LOG_TAIL:]}")
    return str(path)


@pytest.fixture
def kwok(server: Server, program: str, tmp_path: Path) -> Iterator[None]:
    """kwok, managing the nodes that are labelled for it."""
    log = tmp_path / "kwok.log"
    command = [program, "--kubeconfig", str(server.kubeconfig), "--config", str(STAGES), "--manage-nodes-with-label-selector", "type=kwok"]
    with log.open("wb") as output:
        # Its own configuration, if its owner has one, is not for this.
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, "HOME": str(tmp_path)})
    try:
        yield
    finally:
        ended = process.poll()
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    assert ended is None, f"kwok ended by itself:\n{log.read_text(errors='replace')[-LOG_TAIL:]}"


@pytest.mark.usefixtures("kwok")
def test_a_bare_pod_runs_and_ends(server: Server, namespace: str, name: str) -> None:
    base = f"/api/v1/namespaces/{namespace}"
    with server.client() as client:
        node = {"metadata": {"name": name, "labels": {"type": "kwok", "topology.kubernetes.io/zone": "here"}}}
        assert client.post("/api/v1/nodes", json=node).status_code == CREATED
        try:
            service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}}
            assert client.post(f"{base}/services", json=service).status_code == CREATED
            spec = {"nodeName": name, "containers": [{"name": "c", "image": "registry.example/i"}]}
            pod = {"metadata": {"name": "a", "labels": {"app": "web"}}, "spec": spec}
            assert client.post(f"{base}/pods", json=pod).status_code == CREATED

            def running() -> dict[str, object]:
                status = client.get(f"{base}/pods/a").json()["status"]
                return status if status.get("phase") == "Running" and status.get("podIP") else {}

            status = eventually(running, what="the pod runs", seconds=60)
            assert status["containerStatuses"][0]["ready"]

            def behind() -> list[dict[str, object]]:
                slices = client.get(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices").json()["items"]
                return [endpoint for item in slices for endpoint in item["endpoints"] or []]

            (endpoint,) = eventually(behind, what="the pod stands behind its Service")
            assert endpoint["addresses"] == [status["podIP"]]
            assert (endpoint["nodeName"], endpoint["zone"], endpoint["conditions"]["ready"]) == (name, "here", True)

            # Its deletion waits for the node, which kwok plays.
            client.delete(f"{base}/pods/a")
            eventually(lambda: client.get(f"{base}/pods/a").status_code == NOT_FOUND, what="the pod is gone", seconds=60)
            eventually(lambda: not behind(), what="nothing stands behind the Service")
        finally:
            client.delete(f"/api/v1/nodes/{name}")
