"""Requests and answers through Quart and Hypercorn, over real sockets."""

from __future__ import annotations

import json
import zlib

import h2.events
import httpx
import pytest
import trio

from tests.unit.serving.watches import Busy
from watchd.api.message import Response
from watchd.serving.sink import Patience
from watchd.status import StatusError

JSON = [("Content-Type", "application/json")]


class Echo:
    """Answers with what it was asked."""

    def __init__(self):
        self.requests = []

    async def __call__(self, request):
        self.requests.append(request)
        try:
            body = await request.read_body(3 * 1024 * 1024)
        except StatusError as error:
            return Response(error.code, JSON, json.dumps(error.to_object()).encode())
        seen = {
            "method": request.method,
            "path": request.raw_path,
            "query": request.raw_query,
            "size": len(body),
            "peer": request.peer,
        }
        return Response(200, JSON, json.dumps(seen).encode())


async def exchange(door, raw, **options):
    """Send bytes and read until the server closes."""
    stream = await door.connect(**options)
    await stream.send_all(raw)
    answer = b""
    while part := await stream.receive_some():
        answer += part
    await stream.aclose()
    return answer


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/v1/namespaces/default/configmaps/a",
        "/apis/apps/v1/deployments",
        "/healthz",
        "/api",
        "/apis/",
        "//double//slash/",
        "/a%2Fb/%20/%0A",
        "/%ff%00",
        "/openapi/v3/apis/x?hash=ABC%2F",
        "/api/v1/x?a=b&c=%E4",
        "/%2e%2e/x",
    ],
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "PATCH", "BREW"])
async def test_each_path_and_method_reaches_the_handler_as_it_came(open_door, method, path):
    echo = Echo()
    async with open_door(echo) as door:
        raw = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        head, _, body = (await exchange(door, raw)).partition(b"\r\n\r\n")
    raw_path, _, query = path.partition("?")
    assert head.startswith(b"HTTP/1.1 200 ")
    seen = json.loads(body)
    assert (seen["method"], seen["path"], seen["query"]) == (method, raw_path, query)
    assert seen["peer"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("target", "path"), [("http://localhost/api/v1", "/api/v1"), ("http://localhost", "/"), ("*", "*")]
)
async def test_targets_in_other_forms(open_door, target, path):
    async with open_door(Echo()) as door:
        raw = f"OPTIONS {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        body = (await exchange(door, raw)).partition(b"\r\n\r\n")[2]
    assert json.loads(body)["path"] == path


async def test_head_has_the_length_and_no_body(open_door):
    async with open_door(Echo()) as door, httpx.AsyncClient() as client:
        answer = await client.head(door.http + "/api")
    assert int(answer.headers["content-length"]) > 0
    assert answer.content == b""


@pytest.mark.parametrize("http2", [False, True])
async def test_bodies_up_to_the_limit_pass_and_larger_ones_are_413(open_door, http2):
    limit = 3 * 1024 * 1024

    async def pieces():
        for _ in range(limit // 65536):
            yield bytes(65536)
        yield b"x"

    async with open_door(Echo(), alpn=("h2", "http/1.1")) as door, door.client(http2=http2) as client:
        url = door.https + "/api/v1/x"
        whole = await client.post(url, content=bytes(limit))
        declared = await client.post(url, content=bytes(limit + 1))
        chunked = await client.post(url, content=pieces())
        after = await client.get(url)
    assert whole.json()["size"] == limit
    assert whole.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
    for answer in (declared, chunked):
        assert answer.status_code == 413
        assert answer.json()["message"] == "Request entity too large: limit is 3145728"
        assert answer.json()["reason"] == "RequestEntityTooLarge"
    assert after.status_code == 200


@pytest.mark.parametrize("http2", [False, True])
async def test_a_refused_body_is_no_obstacle_to_its_answer(open_door, http2):
    async def refuse(request):
        return Response(401, JSON, b"{}")

    async with open_door(refuse, alpn=("h2", "http/1.1")) as door, door.client(http2=http2) as client:
        for _ in range(2):
            answer = await client.post(door.https + "/api", content=bytes(5_000_000))
            assert answer.status_code == 401


async def test_a_body_that_stops_is_given_up(open_door):
    async with open_door(Echo(), patience=Patience(answer=0.1)) as door:
        raw = b"POST /api HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nConnection: close\r\n\r\nabc"
        with trio.fail_after(8):
            answer = await exchange(door, raw)
    assert answer.startswith(b"HTTP/1.1 504 ")


async def test_common_headers(open_door):
    async def handle(request):
        own = [("Cache-Control", "public")] if request.path == "/own" else []
        return Response(200, JSON + own, request.audit_id.encode())

    async with open_door(handle) as door, httpx.AsyncClient() as client:
        fresh = await client.get(door.http + "/")
        asked = await client.get(door.http + "/own", headers={"Audit-ID": "abc"})
        long = await client.get(door.http + "/own", headers={"Audit-ID": "a" * 100})
    assert fresh.headers["cache-control"] == "no-cache, private"
    assert len(fresh.headers["audit-id"]) == 36
    assert fresh.text == fresh.headers["audit-id"]
    assert asked.headers["audit-id"] == "abc"
    assert asked.headers["cache-control"] == "public"
    assert long.headers["audit-id"] == "a" * 64
    assert "server" not in fresh.headers
    assert "date" not in fresh.headers


async def test_an_error_in_a_handler_is_a_status_and_a_line_in_the_log(open_door, caplog):
    async def handle(request):
        raise LookupError("secret detail")

    async with open_door(handle) as door, httpx.AsyncClient() as client:
        answer = await client.get(door.http + "/api")
        again = await client.get(door.http + "/api")
    assert answer.status_code == again.status_code == 500
    assert answer.json()["kind"] == "Status"
    assert "secret" not in answer.text
    assert "secret detail" in caplog.text


async def test_a_strange_host_is_no_obstacle_under_tls(open_door):
    async with open_door(Echo()) as door:
        for host in (b"a_b", b"xn--", b"..", b"a" * 300, b"[::1"):
            raw = b"GET /api HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"
            assert (await exchange(door, raw, tls=True)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:80", "10.0.0.1", "127.0.0.1.evil.example", ""])
async def test_the_plain_listener_answers_to_loopback_names_only(open_door, host):
    echo = Echo()
    async with open_door(echo) as door:
        raw = f"GET /api HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        head, _, body = (await exchange(door, raw)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 ")
    assert json.loads(body)["reason"] == "Forbidden"
    assert not echo.requests


async def test_a_websocket_is_refused_with_a_status(open_door):
    async with open_door(Echo()) as door:
        raw = (
            b"GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        for tls in (False, True):
            head, _, body = (await exchange(door, raw, tls=tls)).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 400 ")
            assert json.loads(body)["kind"] == "Status"
            assert b"audit-id" in head.lower()


async def test_a_websocket_over_http2_is_refused_with_a_status(open_door):
    async with open_door(Echo()) as door:
        client = await door.connect_http2(tls=True)
        await client.wait_for(h2.events.RemoteSettingsChanged)
        handshake = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "https"),
            (":path", "/api/v1/pods?watch=1"),
            (":authority", "localhost"),
            ("sec-websocket-version", "13"),
        ]
        client.connection.send_headers(1, handshake)
        await client.flush()
        answer = dict((await client.wait_for(h2.events.ResponseReceived)).headers)
        assert answer[b":status"] == b"400"
        assert json.loads((await client.wait_for(h2.events.DataReceived)).data)["kind"] == "Status"
        await client.stream.aclose()


async def test_http10_is_answered_and_closed(open_door):
    async with open_door(Echo()) as door:
        answer = await exchange(door, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"/healthz"' in answer


async def test_an_h2c_upgrade_is_answered_in_http1(open_door):
    async with open_door(Echo()) as door:
        raw = (
            b"GET /api HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
            b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\nGET /apis HTTP/1.1\r\nHost: localhost\r\n"
            b"Connection: close\r\n\r\n"
        )
        answer = await exchange(door, raw)
    assert answer.count(b"HTTP/1.1 200 ") == 2


async def test_large_answers_are_compressed_for_those_who_accept_it(open_door):
    large = b'{"a":"' + b"x" * 300_000 + b'"}'

    class Listing(Busy):
        def __init__(self, size):
            self.size = size

        async def run(self, sink):
            for start in range(0, self.size, 10_000):
                await sink.send_all(large[start : min(start + 10_000, self.size)])

    async def handle(request):
        body = {
            "/small": b"small",
            "/large": large,
            "/list": Listing(len(large)),
            "/short": Listing(20_000),
            "/empty": Listing(0),
            "/watch": Listing(len(large)),
        }[request.path]
        return Response(200, JSON, body, watch=request.path == "/watch")

    async with open_door(handle) as door, httpx.AsyncClient() as client:
        got = {path: await client.get(door.http + path) for path in ("/small", "/large", "/list", "/short", "/empty", "/watch")}
        refused = await client.get(door.http + "/large", headers={"accept-encoding": "gzip;q=0, br"})
        head = await client.head(door.http + "/large")
        async with client.stream("GET", door.http + "/large") as raw:
            sent = b"".join([part async for part in raw.aiter_raw()])
    encodings = {path: answer.headers.get("content-encoding") for path, answer in got.items()}
    assert encodings == {"/small": None, "/large": "gzip", "/list": "gzip", "/short": None, "/empty": None, "/watch": None}
    assert got["/large"].content == got["/list"].content == got["/watch"].content == large
    assert got["/short"].content == large[:20_000]
    assert got["/empty"].content == b""
    assert got["/large"].headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in refused.headers
    assert refused.content == large
    assert int(head.headers["content-length"]) == len(large)
    assert len(sent) < len(large) // 10
    assert zlib.decompress(sent, 16 + zlib.MAX_WBITS) == large


async def test_a_client_certificate_reaches_the_handler(open_door):
    certificates = []

    async def handle(request):
        certificates.append(request.peer_certificate)
        return Response(200, JSON, b"{}")

    async with open_door(handle, client_ca=True) as door:
        for given in (True, False):
            async with door.client(client_certificate=given) as client:
                assert (await client.get(door.https + "/")).status_code == 200
    assert certificates[0].startswith(b"\x30\x82")
    assert certificates[1] is None
