"""What a watch at a spoke costs: a conversion for each event, however many watch."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack

import httpx
import pytest

from conversion.hub import Hub
from watchd.testing import serve_in_thread

WATCHERS = 8
CHANGES = 6

HUB = "/apis/networking.k8s.io/v1/namespaces/default/ingresses"
SPOKES = ("/apis/networking.k8s.io/v1beta1/namespaces/default/ingresses", "/apis/extensions/v1beta1/namespaces/default/ingresses")
SPEC = {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}


@pytest.fixture
def conversions(monkeypatch):
    """Count conversions from the hub, by group and version."""
    counted: Counter[str] = Counter()
    from_hub = Hub.from_hub

    def counting(self, obj, version):
        counted[f"{self.group}/{version}"] += 1
        return from_hub(self, obj, version)

    monkeypatch.setattr(Hub, "from_hub", counting)
    return counted


def test_an_event_is_converted_once_for_all_who_watch(conversions):
    limits = httpx.Limits(max_connections=None)
    with (
        serve_in_thread(runtime_config=(("api/beta", "true"),)) as server,
        httpx.Client(base_url=server.http_url, headers=server.headers, timeout=30, limits=limits) as client,
        ExitStack() as streams,
    ):
        revision = client.get(HUB).json()["metadata"]["resourceVersion"]
        lines = [
            streams.enter_context(client.stream("GET", f"{spoke}?watch=1&resourceVersion={revision}")).iter_lines()
            for spoke in SPOKES
            for _ in range(WATCHERS)
        ]
        conversions.clear()
        # Written at the hub, so that nothing but events is converted.
        assert client.post(HUB, json={"metadata": {"name": "a"}, "spec": SPEC}).status_code == 201
        for number in range(CHANGES):
            patch = {"metadata": {"annotations": {"n": str(number)}}}
            answer = client.patch(f"{HUB}/a", json=patch, headers={"content-type": "application/merge-patch+json"})
            assert answer.status_code == 200
        for watcher in lines:
            events = [json.loads(next(watcher)) for _ in range(1 + CHANGES)]
            assert [event["type"] for event in events] == ["ADDED", *["MODIFIED"] * CHANGES]
            assert events[-1]["object"]["spec"]["backend"] == {"serviceName": "s", "servicePort": 80}
    assert conversions == {"networking.k8s.io/v1beta1": 1 + CHANGES, "extensions/v1beta1": 1 + CHANGES}


def test_versions_that_differ_in_name_are_not_converted_at_all(conversions):
    hub, spoke = (f"/apis/apps/{version}/namespaces/default/replicasets" for version in ("v1", "v1beta2"))
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    with (
        serve_in_thread(runtime_config=(("apps/v1beta2", "true"),)) as server,
        httpx.Client(base_url=server.http_url, headers=server.headers, timeout=30) as client,
    ):
        spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
        made = client.post(hub, json={"metadata": {"name": "a"}, "spec": spec}).json()
        conversions.clear()
        read = client.get(f"{spoke}/a").json()
        assert {**read, "apiVersion": "apps/v1"} == made
        (item,) = client.get(spoke).json()["items"]
        assert {**item, "apiVersion": "apps/v1", "kind": "ReplicaSet"} == made
        with client.stream("GET", f"{spoke}?watch=1") as stream:
            event = json.loads(next(stream.iter_lines()))
        assert event == {"type": "ADDED", "object": read}
    assert conversions == {}
