"""Connections from accept to shutdown."""

from __future__ import annotations

import h2.events
import pytest
import trio

from tests.unit.serving.watches import Waiting
from watchd.api.message import Response
from watchd.seams import SystemEntropy
from watchd.serving.door import Limits, serve
from watchd.serving.listeners import BadCertificate, Listener, ListenError, NotLoopback, Tls, addresses, bind
from watchd.serving.loopback import is_loopback_name
from watchd.serving.served import Served
from watchd.values import Address

JSON = [("Content-Type", "application/json")]
GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"

both_ways = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])


class Api:
    """Watches that wait for ever, requests that wait for a word, and others that do not wait."""

    def __init__(self):
        self.watches = 0
        self.waiting = 0
        self.go_on = trio.Event()
        self.stop_watches = trio.Event()
        self.lines = []

    async def __call__(self, request):
        if request.path == "/watch":
            return Response(200, JSON, self, watch=True)
        if request.path == "/wait":
            self.waiting += 1
            try:
                await self.go_on.wait()
            finally:
                self.waiting -= 1
        return Response(200, JSON, b"{}")

    async def run(self, sink):
        self.watches += 1
        try:
            await sink.send_all(b"event\n")
            await self.stop_watches.wait()
            await sink.send_all(b"bookmark\n")
        finally:
            self.watches -= 1

    def on(self, line):
        return Waiting(line, self._begun, self._ended)

    def end_watches(self):
        self.stop_watches.set()
        for watch in list(self.lines):
            watch.stop()

    def _begun(self, watch):
        self.watches += 1
        self.lines.append(watch)

    def _ended(self, watch):
        self.watches -= 1
        self.lines.remove(watch)


async def closes(stream):
    """Read until the server closes and return what came."""
    got = b""
    try:
        while part := await stream.receive_some():
            got += part
    except trio.BrokenResourceError:
        pass
    await trio.aclose_forcefully(stream)
    return got


@pytest.mark.parametrize(("status", "line"), [(200, b"HTTP/1.1 200 OK\r\n"), (409, b"HTTP/1.1 409 Conflict\r\n")])
async def test_status_lines_have_their_reason_phrase(open_door, status, line):
    async def handle(_request):
        return Response(status, JSON, b"{}")

    async with open_door(handle) as door:
        stream = await door.connect(tls=False)
        await stream.send_all(GET % b"x")
        assert (await stream.receive_some()).startswith(line)
        await trio.aclose_forcefully(stream)


@both_ways
async def test_a_watch_is_sent_at_once_and_ended_as_soon_as_its_client_leaves(open_door, until, tls):
    api = Api()
    async with open_door(api) as door:
        stream = await door.connect(tls=tls)
        await stream.send_all(GET % b"watch")
        got = b""
        while b"event\n" not in got:
            got += await stream.receive_some()
        assert b"transfer-encoding: chunked" in got.lower()
        assert api.watches == 1
        await trio.aclose_forcefully(stream)
        await until(lambda: not api.watches)


@both_ways
async def test_an_http2_watch_is_ended_when_its_stream_is_reset_or_its_connection_goes(open_door, until, tls):
    api = Api()
    async with open_door(api) as door:
        client = await door.connect_http2(tls=tls)
        streams = [client.request("/watch") for _ in range(3)]
        await client.flush()
        await until(lambda: api.watches == 3)
        client.connection.reset_stream(streams[1])
        await client.flush()
        await until(lambda: api.watches == 2)
        await trio.aclose_forcefully(client.stream)
        await until(lambda: not api.watches)


@both_ways
async def test_shutdown_closes_idle_connections_and_lets_requests_end(open_door, until, tls):
    api = Api()
    async with open_door(api, limits=Limits(grace=30)) as door:
        fresh = await door.connect(tls=tls)
        idle = await door.connect(tls=tls)
        await idle.send_all(GET % b"now")
        assert (await idle.receive_some()).startswith(b"HTTP/1.1 200 ")
        busy, watch = await door.connect(tls=tls), await door.connect(tls=tls)
        await busy.send_all(GET % b"wait")
        await watch.send_all(GET % b"watch")
        handshaking = await trio.open_tcp_stream(door.tls.host, door.tls.port)
        await until(lambda: api.waiting and api.watches)
        door.shutdown.set()
        for stream in (fresh, idle, handshaking):
            assert b"HTTP" not in await closes(stream)
        with pytest.raises(OSError, match="Connection refused"):
            await door.connect()
        assert not door.closed.is_set()
        api.go_on.set()
        answer = await closes(busy)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in answer.lower()
        api.end_watches()
        assert (await closes(watch)).endswith(b"bookmark\n\r\n0\r\n\r\n")
        await door.closed.wait()


async def test_shutdown_says_goaway_to_http2_clients(open_door, until):
    api = Api()
    async with open_door(api, limits=Limits(grace=30)) as door:
        idle, busy = await door.connect_http2(tls=True), await door.connect_http2(tls=True)
        busy.request("/wait")
        await busy.flush()
        await idle.flush()
        await until(lambda: api.waiting)
        door.shutdown.set()
        assert await idle.wait_for(h2.events.ConnectionTerminated)
        api.go_on.set()
        assert (await busy.wait_for(h2.events.ResponseReceived)).stream_id == 1
        assert await busy.wait_for(h2.events.StreamEnded)
        assert await busy.wait_for(h2.events.ConnectionTerminated)
        for client in (idle, busy):
            assert await closes(client.stream) == b""
        await door.closed.wait()


@both_ways
@pytest.mark.parametrize("how", ["grace", "abort", "abort alone"])
async def test_what_does_not_end_is_cut_off(open_door, until, tls, how):
    api = Api()
    async with open_door(api, limits=Limits(grace=0.05 if how == "grace" else 60)) as door:
        streams = []
        for path in (b"wait", b"watch"):
            streams.append(await door.connect(tls=tls))
            await streams[-1].send_all(GET % path)
        client = await door.connect_http2(tls=tls)
        client.request("/watch")
        await client.flush()
        await until(lambda: api.waiting == 1 and api.watches == 2)
        if how != "abort alone":
            door.shutdown.set()
        if how != "grace":
            door.abort.set()
        with trio.fail_after(5):
            await door.closed.wait()
        assert api.waiting == api.watches == 0
        for stream in (*streams, client.stream):
            assert b"0\r\n\r\n" not in await closes(stream)


async def test_cancelling_the_door_leaves_nothing_behind(certificate, until):
    api = Api()
    served = Served(api, SystemEntropy())
    async with trio.open_nursery() as nursery:

        async def run(task_status):
            await serve(
                served, [Listener(Address("127.0.0.1", 0))], shutdown=trio.Event(), task_status=task_status
            )

        (bound,) = await nursery.start(run)
        assert bound.url == f"http://127.0.0.1:{bound.address.port}"
        stream = await trio.open_tcp_stream("127.0.0.1", bound.address.port)
        await stream.send_all(GET % b"watch")
        await until(lambda: api.watches)
        nursery.cancel_scope.cancel()
    assert not api.watches
    await trio.aclose_forcefully(stream)


@both_ways
async def test_a_connection_without_requests_is_closed_in_time(open_door, tls):
    async with open_door(Api(), limits=Limits(idle=0.05, handshake=0.05)) as door:
        silent = await door.connect(tls=tls)
        half = await door.connect(tls=tls)
        await half.send_all(b"GET / HTT")
        handshake = await trio.open_tcp_stream(door.tls.host, door.tls.port)
        served = await door.connect(tls=tls)
        await served.send_all(GET % b"now")
        for stream in (silent, half, handshake):
            assert await closes(stream) == b""
        assert (await closes(served)).startswith(b"HTTP/1.1 200 ")


async def test_connections_are_kept_for_as_many_requests_as_clients_have(open_door):
    async with open_door(Api()) as door:
        stream = await door.connect()
        for _ in range(1100):
            await stream.send_all(GET % b"now")
            got = b""
            while not got.endswith(b"{}"):
                got += await stream.receive_some()
            assert got.startswith(b"HTTP/1.1 200 ")
        await stream.aclose()


@pytest.mark.parametrize(
    ("server", "client", "version"),
    [
        (("http/1.1", "h2"), True, "HTTP/1.1"),
        (("h2", "http/1.1"), True, "HTTP/2"),
        (("h2", "http/1.1"), False, "HTTP/1.1"),
        (("http/1.1",), True, "HTTP/1.1"),
        ((), True, "HTTP/1.1"),
    ],
)
async def test_the_servers_order_decides_the_protocol(open_door, server, client, version):
    async with open_door(Api(), alpn=server) as door, door.client(http2=client) as http:
        assert (await http.get(door.https + "/now")).http_version == version


async def test_several_watches_and_requests_share_an_http2_connection(open_door, until):
    api = Api()
    async with open_door(api) as door:
        client = await door.connect_http2(tls=True)
        for _ in range(150):
            client.request("/watch")
        await client.flush()
        await until(lambda: api.watches == 150)
        number = client.request("/now")
        await client.flush()
        while (event := await client.wait_for(h2.events.StreamEnded)).stream_id != number:
            pass
        assert event.stream_id == number
        await trio.aclose_forcefully(client.stream)


async def test_plain_http_is_for_loopback_only():
    for host in ("0.0.0.0", "::", "10.1.2.3"):
        with pytest.raises(NotLoopback, match="can be reached from other machines"):
            await bind(Listener(Address(host, 0)))


async def test_all_addresses_of_a_name_share_a_free_port():
    found = await bind(Listener(Address("localhost", 0)))
    assert len({bound.address.port for bound in addresses(Listener(Address("localhost", 0)), found)}) == 1
    for listener in found:
        await listener.aclose()


async def test_errors_of_listening_say_where(certificate, tmp_path):
    (taken,) = await bind(Listener(Address("127.0.0.1", 0)))
    port = taken.socket.getsockname()[1]
    with pytest.raises(ListenError, match=rf"cannot listen on http://127\.0\.0\.1:{port}: Address already in use"):
        await bind(Listener(Address("127.0.0.1", port)))
    await taken.aclose()
    with pytest.raises(ListenError, match=r"cannot listen on https://nowhere\.invalid:0"):
        await bind(Listener(Address("nowhere.invalid", 0), Tls(certificate)))
    with pytest.raises(BadCertificate, match=r"cannot use the certificate .*nothing\.pem"):
        Tls(tmp_path / "nothing.pem").context()
    (tmp_path / "empty.pem").touch()
    with pytest.raises(BadCertificate):
        Tls(tmp_path / "empty.pem").context()
    with pytest.raises(BadCertificate, match="cannot use the client CA"):
        Tls(certificate, client_ca=tmp_path / "empty.pem").context()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LocalHost:8080", True),
        ("localhost.", True),
        ("127.0.0.1", True),
        ("127.1.2.3:1", True),
        ("[::1]", True),
        ("[::1]:80", True),
        ("", False),
        ("[::1", False),
        ("[::1]x", False),
        ("::1", False),
        ("0.0.0.0", False),
        ("[::]", False),
        ("example.com", False),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
    ],
)
def test_loopback_names(host, expected):
    assert is_loopback_name(host) is expected
