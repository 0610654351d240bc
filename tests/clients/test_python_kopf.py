"""A kopf operator in a process of its own: handlers, its annotations and finalizer, restarts of both sides."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import eventually

OPERATOR = Path(__file__).parent / "kopf_operator.py"

DEADLINE = 30.0
"""Seconds that the operator may take for one reaction; the first holds its start, too."""

POLL = 0.05
"""Seconds between two looks at a condition."""


class Operator:
    def __init__(self, environment, namespace, log):
        self.environment, self.namespace, self.log = environment, namespace, log
        self.process = None

    def start(self):
        command = ["-m", "kopf", "run", "--standalone", "--namespace", self.namespace, str(OPERATOR)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([sys.executable, *command], env=self.environment, stdout=log, stderr=log)

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def check(self):
        assert self.process.poll() is None, f"the operator ended with status {self.process.returncode}"


@pytest.fixture
def operator(server, need, namespace, custom, tmp_path):
    need.module("kopf")
    need.module("kubernetes")
    environment = os.environ | {"KUBECONFIG": str(server.kubeconfig), "WIDGET_GROUP": custom.group}
    running = Operator(environment, namespace, tmp_path / "operator.log")
    running.start()
    try:
        yield running
    finally:
        running.stop()
        print(running.log.read_text(errors="replace"))


def test_operator(server, operator, namespace, custom):
    widgets = f"/apis/{custom.api_version}/namespaces/{namespace}/{custom.plural}"
    maps = f"/api/v1/namespaces/{namespace}/configmaps"

    def becomes(path, condition):
        """Wait until the object at `path` (None: it is not there) meets the condition."""
        deadline = time.monotonic() + DEADLINE
        while True:
            answer = client.get(path)
            found = None if answer.status_code == 404 else answer.raise_for_status().json()
            if condition(found):
                return found
            operator.check()
            assert time.monotonic() < deadline, f"{path} is still {found}"
            time.sleep(POLL)

    def make(name):
        made = client.post(widgets, json=custom.object(name, size=1)).raise_for_status().json()
        widget = becomes(f"{widgets}/{name}", lambda w: (w.get("status") or {}).get("phase") == "Made")
        assert widget["status"]["create"] == {"child": name}
        assert widget["metadata"]["finalizers"]
        child = client.get(f"{maps}/{name}").raise_for_status().json()
        assert child["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]

    def resize(name, size):
        patch = {"spec": {"size": size}}
        merge = {"Content-Type": "application/merge-patch+json"}
        client.patch(f"{widgets}/{name}", json=patch, headers=merge).raise_for_status()

    def resized(name, size):
        becomes(f"{widgets}/{name}", lambda w: (w.get("status") or {}).get("size") == size)
        assert client.get(f"{maps}/{name}").raise_for_status().json()["data"] == {"size": str(size)}

    with server.client() as client:
        make("one")
        resize("one", 2)
        resized("one", 2)

        def events() -> list[Any]:
            selector = {"fieldSelector": "involvedObject.name=one"}
            listed = client.get(f"/api/v1/namespaces/{namespace}/events", params=selector)
            return listed.raise_for_status().json()["items"]

        eventually(events, what="kopf says what it does in events")

    # The server goes and comes back: the operator goes on where it was.
    server.restart()
    with server.client() as client:
        make("two")
        resize("one", 3)
        resized("one", 3)

        # The operator goes, the world changes, the operator comes back.
        operator.stop()
        resize("one", 4)
        operator.start()
        resized("one", 4)

        client.delete(f"{widgets}/one").raise_for_status()
        becomes(f"{widgets}/one", lambda w: w is None)
        assert client.get(f"{maps}/one-gone").status_code == 200, "the delete handler has run"
