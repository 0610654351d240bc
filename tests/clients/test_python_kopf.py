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

from tests.clients.conftest import CRDS, MERGE, eventually

OPERATOR = Path(__file__).parent / "kopf_operator.py"

DEADLINE = 30.0
"""Seconds that the operator may take for one reaction; the first holds its start, too."""

POLL = 0.05
"""Seconds between two looks at a condition."""


class Operator:
    def __init__(self, environment, log, *options):
        self.environment, self.log, self.options = environment, log, options
        self.process = None

    def start(self):
        command = ["-m", "kopf", "run", *self.options, str(OPERATOR)]
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

    def says(self, text):
        return self.log.exists() and text in self.log.read_text(errors="replace")

    def check(self):
        assert self.process.poll() is None, f"the operator ended with status {self.process.returncode}"


@pytest.fixture
def operators(server, need, custom, tmp_path):
    """Operators started by name, all stopped in the end."""
    need.module("kopf")
    need.module("kubernetes")
    environment = os.environ | {"KUBECONFIG": str(server.kubeconfig), "WIDGET_GROUP": custom.group}
    running: list[Operator] = []

    def start(name, *options):
        operator = Operator(environment | {"OPERATOR": name}, tmp_path / f"{name}.log", *options)
        running.append(operator)
        operator.start()
        return operator

    try:
        yield start
    finally:
        for operator in running:
            operator.stop()
            print(operator.log.read_text(errors="replace"))


@pytest.fixture
def operator(operators, namespace):
    return operators("operator", "--standalone", "--namespace", namespace)


@pytest.fixture
def peering(server, namespace, name):
    """The definitions of kopf's own kinds, as its documentation gives them, and a peering of each to take turns by."""

    def definition(kind, scope):
        plural = f"{kind.lower()}s"
        open_object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        schema = {"type": "object", "properties": {"status": open_object}}
        version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
        names = {"kind": kind, "plural": plural, "singular": kind.lower()}
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.kopf.dev"},
            "spec": {"group": "kopf.dev", "scope": scope, "names": names, "versions": [version]},
        }

    made = [definition("KopfPeering", "Namespaced"), definition("ClusterKopfPeering", "Cluster")]
    paths = {
        "KopfPeering": f"/apis/kopf.dev/v1/namespaces/{namespace}/kopfpeerings",
        "ClusterKopfPeering": "/apis/kopf.dev/v1/clusterkopfpeerings",
    }
    with server.client() as client:
        for crd in made:
            client.post(CRDS, json=crd).raise_for_status()
        for kind, path in paths.items():
            eventually(lambda path=path: client.get(path).is_success, what=f"{kind} served")
            peer = {"apiVersion": "kopf.dev/v1", "kind": kind, "metadata": {"name": name}}
            client.post(path, json=peer).raise_for_status()
        try:
            yield {kind: f"{path}/{name}" for kind, path in paths.items()}
        finally:
            for crd in made:
                path = f"{CRDS}/{crd['metadata']['name']}"
                client.delete(path)
                eventually(lambda path=path: client.get(path).status_code == 404, what=f"{path} gone")


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
        client.patch(f"{widgets}/{name}", json={"spec": {"size": size}}, headers=MERGE).raise_for_status()

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


def test_handlers(server, operator, namespace, custom):
    """Timers, handlers of one annotation, daemons and indices; what they write of the status goes to its subresource."""
    widgets = f"/apis/{custom.api_version}/namespaces/{namespace}/{custom.plural}"
    watched = f"/api/v1/namespaces/{namespace}/configmaps/one-watched"

    def becomes(name, condition, what):
        operator.check()
        eventually(lambda: condition(client.get(f"{widgets}/{name}").json()), what=what, seconds=DEADLINE)

    with server.client() as client:
        client.post(widgets, json=custom.object("first", size=3)).raise_for_status()
        becomes("first", lambda w: (w.get("status") or {}).get("phase") == "Made", "the first handled")
        counting = custom.object("one", size=3, annotations={"example.com/count": "yes"}, labels={"watched": "yes"})
        client.post(widgets, json=counting).raise_for_status()
        becomes("one", lambda w: (w.get("status") or {}).get("ticks") == 3, "the timer counted")
        eventually(lambda: client.get(watched).is_success, what="the daemon runs", seconds=DEADLINE)
        assert client.get(watched).json()["data"] == {"alike": "first one"}
        for old, new in (("None", "a"), ("a", "b")):
            patch = {"metadata": {"annotations": {"note": new}}}
            client.patch(f"{widgets}/one", json=patch, headers=MERGE).raise_for_status()
            becomes("one", lambda w, e=f"{old} {new}": w["metadata"]["annotations"].get("echo") == e, f"echo of {new}")
        metadata = client.get(f"{widgets}/one").json()["metadata"]
        assert metadata["generation"] == 1, "neither status nor annotations count"
        assert metadata["finalizers"] == ["kopf.zalando.org/KopfFinalizerMarker"]
        by = [entry for entry in metadata["managedFields"] if entry.get("subresource") == "status"]
        assert {"f:ticks", "f:phase"} <= by[0]["fieldsV1"]["f:status"].keys()
        client.delete(f"{widgets}/one").raise_for_status()  # the daemon is told to stop, then the finalizer goes
        eventually(lambda: client.get(f"{widgets}/one").status_code == 404, what="one gone", seconds=DEADLINE)
        assert client.get(watched).status_code == 404


def test_peering(server, operators, peering, namespace, custom, name):
    """Two operators of one namespace take turns by kopf's own custom resource: the higher priority has it."""
    widget = f"/apis/{custom.api_version}/namespaces/{namespace}/{custom.plural}/one"

    def peers():
        status = client.get(peering["KopfPeering"]).raise_for_status().json().get("status") or {}
        return sorted(peer["priority"] for peer in status.values())

    def resized(size, by):
        client.patch(widget, json={"spec": {"size": size}}, headers=MERGE).raise_for_status()

        def handled():
            status = client.get(widget).json().get("status") or {}
            return status.get("size") == size and status.get("by") == by

        eventually(handled, what=f"size {size} handled by {by}", seconds=DEADLINE)

    with server.client() as client:
        options = ("--namespace", namespace, "--peering", name, "--verbose")
        junior = operators("junior", *options, "--priority", "1")
        eventually(lambda: peers() == [1], what="junior's peering", seconds=DEADLINE)
        client.post(widget.rpartition("/")[0], json=custom.object("one")).raise_for_status()
        made = lambda: (client.get(widget).json().get("status") or {}).get("phase") == "Made"  # noqa: E731
        eventually(made, what="the widget made", seconds=DEADLINE)
        resized(2, "junior")
        senior = operators("senior", *options, "--priority", "10")
        eventually(lambda: peers() == [1, 10], what="both peers", seconds=DEADLINE)
        eventually(lambda: junior.says("Pausing operations in favour of"), what="junior pauses", seconds=DEADLINE)
        resized(3, "senior")
        senior.stop()
        eventually(lambda: peers() == [1], what="senior's leave", seconds=DEADLINE)
        resized(4, "junior")


def test_cluster_peering(server, operators, peering, namespace, custom, name):
    """An operator of all namespaces keeps its peering in the resource of cluster scope."""
    widgets = f"/apis/{custom.api_version}/namespaces/{namespace}/{custom.plural}"
    with server.client() as client:
        operators("everywhere", "--all-namespaces", "--peering", name, "--priority", "5")
        client.post(widgets, json=custom.object("one")).raise_for_status()

        def handled():
            peers = client.get(peering["ClusterKopfPeering"]).json().get("status") or {}
            made = (client.get(f"{widgets}/one").json().get("status") or {}).get("phase") == "Made"
            return made and [peer["priority"] for peer in peers.values()] == [5]

        eventually(handled, what="the widget handled, the peering kept", seconds=DEADLINE)
