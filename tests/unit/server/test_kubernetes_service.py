"""The Service that pods find the server by, over a whole server."""

from __future__ import annotations

import socket
import ssl

import httpx
import pytest

from watchd.serving.listeners import Bound, advertised
from watchd.testing import serve_in_thread
from watchd.values import Address

SERVICE = "/api/v1/namespaces/default/services/kubernetes"


@pytest.fixture(scope="module")
def client():
    with serve_in_thread() as server:
        context = ssl.create_default_context(cafile=str(server.ca_file))
        headers = {"authorization": f"Bearer {server.token}"}
        with httpx.Client(base_url=server.url, verify=context, headers=headers) as found:
            yield found


def test_it_is_there_at_the_first_address(client):
    spec = client.get(SERVICE).json()["spec"]
    assert spec["clusterIP"] == "10.96.0.1"
    assert spec["ports"] == [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": client.base_url.port}]
    holder = client.get("/apis/networking.k8s.io/v1/ipaddresses/10.96.0.1").json()["spec"]["parentRef"]
    assert holder == {"resource": "services", "namespace": "default", "name": "kubernetes"}


def test_the_ranges_are_told(client):
    told = client.get("/apis/networking.k8s.io/v1/servicecidrs/kubernetes").json()
    assert told["spec"] == {"cidrs": ["10.96.0.0/16"]}
    assert [(one["type"], one["status"]) for one in told["status"]["conditions"]] == [("Ready", "True")]


def test_a_server_on_loopback_has_no_endpoints(client):
    assert client.get("/api/v1/namespaces/default/endpoints/kubernetes").status_code == 404


def test_it_comes_back_with_its_address(client):
    uid = client.get(SERVICE).json()["metadata"]["uid"]
    with client.stream("GET", "/api/v1/namespaces/default/services", params={"watch": "1", "fieldSelector": "metadata.name=kubernetes"}) as events:
        lines = events.iter_lines()
        assert '"ADDED"' in next(lines)
        assert client.delete(SERVICE).status_code == 200
        assert '"DELETED"' in next(lines)
        assert '"ADDED"' in next(lines)
    again = client.get(SERVICE).json()
    assert again["metadata"]["uid"] != uid
    assert again["spec"]["clusterIP"] == "10.96.0.1"


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", None), ("::1", None), ("192.0.2.7", "192.0.2.7"), ("fe80::1", None)])
def test_where_others_reach_a_server(host, address):
    assert advertised(Bound("https", Address(host, 6443))) == address


def test_where_others_reach_a_server_on_all_addresses(monkeypatch):
    class Probe:
        """A socket of a machine with one way out."""

        def __init__(self, *_):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def connect(self, where):
            assert where[0] == "192.0.2.1"

        def getsockname(self):
            return ("198.51.100.4", 1)

    monkeypatch.setattr(socket, "socket", Probe)
    assert advertised(Bound("https", Address("0.0.0.0", 6443))) == "198.51.100.4"


def test_where_others_reach_a_server_without_a_network(monkeypatch):
    class Probe(socket.socket):
        def connect(self, where):
            raise OSError("Network is unreachable")

    monkeypatch.setattr(socket, "socket", Probe)
    assert advertised(Bound("https", Address("0.0.0.0", 6443))) is None
