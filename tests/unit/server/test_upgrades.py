"""Requests that would rather speak another protocol: they are answered, and nobody waits for what does not come."""

from __future__ import annotations

import json
import socket
import ssl
from urllib.parse import urlsplit

import httpx
import pytest

from watchd.testing import serve_in_thread

PATIENCE = 5
"""Seconds in which an answer must come."""

PODS = "/api/v1/namespaces/default/pods"

WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "v5.channel.k8s.io",
}
SPDY = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io"}


@pytest.fixture(scope="module")
def server():
    with serve_in_thread() as started, httpx.Client(base_url=started.http_url, headers=started.headers) as client:
        container = {"name": "c", "image": "i"}
        for name, node in (("waiting", {}), ("running", {"nodeName": "n"})):
            body = {"metadata": {"name": name}, "spec": {"containers": [container], **node}}
            made = client.post(PODS, json=body)
            assert made.status_code == 201, made.text
        assert client.post("/api/v1/nodes", json={"metadata": {"name": "n"}}).status_code == 201
        yield started


def ask(server, method, path, headers, *, tls):
    """Send one request by hand and return the answer's code and Status."""
    url = urlsplit(server.url if tls else server.http_url)
    with socket.create_connection((url.hostname, url.port), timeout=PATIENCE) as plain:
        door = ssl.create_default_context(cafile=str(server.ca_file)).wrap_socket(plain, server_hostname=url.hostname) if tls else plain
        with door:
            lines = [f"{method} {path} HTTP/1.1", f"Host: {url.netloc}", "Content-Length: 0"]
            lines += [f"{name}: {value}" for name, value in {**server.headers, **headers}.items()]
            door.sendall("\r\n".join([*lines, "", ""]).encode())
            data = b""
            while b"\r\n\r\n" not in data:
                data += door.recv(65536)
            head, _, body = data.partition(b"\r\n\r\n")
            length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            while len(body) < length:
                body += door.recv(65536)
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(("method", "headers"), [("GET", WEBSOCKET), ("POST", SPDY)])
@pytest.mark.parametrize("way", ["exec?command=ls", "attach", "portforward?ports=80"])
def test_ways_to_pods(server, way, method, headers, tls):
    code, status = ask(server, method, f"{PODS}/waiting/{way}", headers, tls=tls)
    assert (code, status["message"]) == (400, "pod waiting does not have a host assigned")
    code, status = ask(server, method, f"{PODS}/running/{way}", headers, tls=tls)
    assert (code, status["reason"]) == (503, "ServiceUnavailable")
    assert "this server has no kubelet" in status["message"]


@pytest.mark.parametrize("tls", [False, True])
def test_a_proxy_of_a_pod(server, tls):
    code, status = ask(server, "GET", f"{PODS}/running/proxy/x/y", WEBSOCKET, tls=tls)
    assert (code, status["message"]) == (400, "address not allowed")
