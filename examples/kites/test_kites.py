"""Kites on a server: run with `pytest`, where watchd and this package are installed."""

from __future__ import annotations

import httpx
import pytest

BETA, STABLE = (f"/apis/kites.example.com/{version}/namespaces/default/kites" for version in ("v1beta1", "v1"))


@pytest.fixture
def client(watchd_server):
    with httpx.Client(base_url=watchd_server.http_url, headers=watchd_server.headers) as client:
        yield client


def kite(version, name, **spec):
    return {"apiVersion": f"kites.example.com/{version}", "kind": "Kite", "metadata": {"name": name}, "spec": spec}


def test_a_kite_is_the_same_at_every_version(client):
    created = client.post(BETA, json=kite("v1beta1", "red", color="red"))
    assert (created.status_code, created.json()["spec"]) == (201, {"color": "red", "size": 10})
    stable = client.get(f"{STABLE}/red").json()
    assert stable["spec"] == {"colors": ["red"], "size": 10}
    stable["spec"]["colors"] = ["red", "blue", "green"]
    assert client.put(f"{STABLE}/red", json=stable).status_code == 200
    beta = client.get(f"{BETA}/red").json()
    assert beta["spec"]["color"] == "red"
    beta["spec"]["size"] = 20
    assert client.put(f"{BETA}/red", json=beta).status_code == 200
    assert client.get(f"{STABLE}/red").json()["spec"] == {"colors": ["red", "blue", "green"], "size": 20}


def test_types_are_rules(client):
    refused = client.post(STABLE, json=kite("v1", "big", size=1000))
    assert (refused.status_code, refused.json()["details"]["causes"][0]["field"]) == (422, "spec.size")


def test_the_alpha_version_warns(client):
    answer = client.get(STABLE.replace("v1/", "v1alpha1/"))
    assert "deprecated" in answer.headers["warning"]
