"""A server on a socket and a disk, with all its controllers, as clients find it."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from watchd import testing

N = "/api/v1/namespaces/n"

TRIES = 2000
"""Looks at something that comes about within milliseconds; each is a request."""


@pytest.fixture
def server(tmp_path):
    with testing.serve_in_thread(memory=False, data_dir=tmp_path / "data") as running:
        yield running


@pytest.fixture
def client(server):
    with httpx.Client(base_url=server.http_url, headers=server.headers, timeout=30) as client:
        assert client.post("/api/v1/namespaces", json={"metadata": {"name": "n"}}).status_code == 201
        yield client


def until(look):
    """Return the first true answer."""
    for _ in range(TRIES):
        if found := look():
            return found
    raise AssertionError("it does not come about")


def test_a_quota_holds_whoever_writes_at_once(client):
    quota = {"metadata": {"name": "q"}, "spec": {"hard": {"secrets": "20"}}}
    assert client.post(f"{N}/resourcequotas", json=quota).status_code == 201
    until(lambda: client.get(f"{N}/resourcequotas/q").json()["status"].get("used"))

    def make(number):
        return client.post(f"{N}/secrets", json={"metadata": {"name": f"s{number}"}}).status_code

    def remove(number):
        client.delete(f"{N}/secrets/s{number}")
        return make(number)

    with ThreadPoolExecutor(8) as writers:
        assert Counter(writers.map(make, range(40))) == {201: 20, 403: 20}
        # Deletions are counted while others write, and nobody gets in beyond the limit.
        list(writers.map(remove, range(40)))
    there = len(client.get(f"{N}/secrets").json()["items"])
    assert there <= 20
    until(lambda: client.get(f"{N}/resourcequotas/q").json()["status"]["used"] == {"secrets": str(there)})


def test_a_namespace_in_use_goes(client):
    for path, body in (
        ("resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "5", "services": "5"}}}),
        ("services", {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}),
        ("persistentvolumeclaims", {
            "metadata": {"name": "c"},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }),
        ("secrets", {
            "metadata": {"name": "t", "annotations": {"kubernetes.io/service-account.name": "default"}},
            "type": "kubernetes.io/service-account-token",
        }),
    ):
        if path == "services":
            until(lambda: client.get(f"{N}/resourcequotas/q").json()["status"].get("used"))
        made = client.post(f"{N}/{path}", json=body)
        assert made.status_code == 201, made.text
    pod = {"metadata": {"name": "p", "labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    assert client.post(f"{N}/pods", json=pod).status_code == 201
    until(lambda: client.get(f"{N}/secrets/t").json().get("data"))
    until(lambda: client.get("/apis/discovery.k8s.io/v1/namespaces/n/endpointslices").json()["items"])
    assert client.delete("/api/v1/namespaces/n").status_code == 200
    until(lambda: client.get("/api/v1/namespaces/n").status_code == 404)
