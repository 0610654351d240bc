"""Clients that stall, leave or misbehave: each of these hung, swelled or ended a server under plain Hypercorn 0.18.

Run through the door, and through `hypercorn` as anybody may start it by hand.
"""

from __future__ import annotations

import contextlib
import importlib.metadata

import h2.events
import h2.settings
import httpx
import hypercorn.protocol.h2
import pytest
import trio

from tests.unit.serving.watches import Busy
from watchd.api.message import Response, SinkClosed
from watchd.serving import http2
from watchd.serving.door import Limits
from watchd.serving.sink import Patience

JSON = [("Content-Type", "application/json")]

NO_WINDOW = {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0}

by_hand = pytest.mark.parametrize("by_hand", [False, True], ids=["door", "hypercorn"])
both_ways = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])


class Flood(Busy):
    """Streams that write for ever, or up to a bound that only a server without backpressure reaches."""

    def __init__(self, chunk=bytes(1000), most=1 << 26, watch=True):
        self.chunk = chunk
        self.most = most
        self.watch = watch
        self.sent = 0
        self.running = 0
        self.ends = []

    async def __call__(self, request):
        if request.path == "/ping":
            return Response(200, JSON, b"{}")
        return Response(200, JSON, self, watch=self.watch)

    async def run(self, sink):
        self.running += 1
        try:
            while self.sent < self.most:
                await sink.send_all(self.chunk)
                self.sent += len(self.chunk)
            self.ends.append("bound")
        except SinkClosed:
            self.ends.append("closed")
            raise
        except trio.Cancelled:
            self.ends.append("cancelled")
            raise
        finally:
            self.running -= 1

    async def settle(self):
        """Wait until nothing moves any more."""
        before = -1
        while before != self.sent and self.sent < self.most:
            before = self.sent
            for _ in range(30):
                await trio.sleep(0.002)


async def ping(door):
    async with door.client() as client:
        for url in (door.http, door.https):
            assert (await client.get(url + "/ping")).status_code == 200


@by_hand
@both_ways
async def test_a_stalled_http1_reader_does_not_hold_up_shutdown(open_door, by_hand, tls):
    flood = Flood()
    async with open_door(flood, by_hand=by_hand, limits=Limits(grace=0.1)) as door:
        stalled = await door.connect(tls=tls, receive_buffer=4096)
        await stalled.send_all(b"GET /api HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await flood.settle()
        assert flood.sent
        door.shutdown.set()
        with trio.fail_after(4):
            await door.closed.wait()
        assert flood.ends in (["cancelled"], ["closed"])
        await trio.aclose_forcefully(stalled)


@by_hand
@both_ways
async def test_a_stalled_http1_reader_is_ended_when_patience_is_over(open_door, until, by_hand, tls):
    """A watch is given longer than another answer."""
    answer, watch = Flood(watch=False), Flood()

    async def handle(request):
        return await (watch if request.path == "/watch" else answer)(request)

    async with open_door(handle, by_hand=by_hand, patience=Patience(answer=0.3, watch=60)) as door:
        clients = []
        for path, flood in (("watch", watch), ("list", answer)):
            clients.append(await door.connect(tls=tls, receive_buffer=4096))
            await clients[-1].send_all(f"GET /{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            await until(lambda flood=flood: flood.sent)
        await until(lambda: answer.ends)
        assert answer.ends in (["cancelled"], ["closed"])
        assert watch.running == 1
        await ping(door)
        for client in clients:
            await trio.aclose_forcefully(client)
        await until(lambda: watch.ends)


@by_hand
@both_ways
@pytest.mark.parametrize("size", [1000, 300_000])
async def test_an_http2_client_that_opens_no_window_bounds_what_waits(open_door, by_hand, tls, size):
    streams = 20
    flood = Flood(bytes(size))
    async with open_door(flood, by_hand=by_hand) as door:
        client = await door.connect_http2(tls=tls, settings=NO_WINDOW)
        for _ in range(streams):
            client.request("/api")
        await client.flush()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.wait_for, h2.events.ConnectionTerminated)
            await flood.settle()
            assert flood.running == streams
            # A sink takes what the buffer has room for: no more than that was handed over in full.
            assert flood.sent <= streams * (http2.STREAM_BYTES + 1000)
            nursery.cancel_scope.cancel()
        await ping(door)
        await trio.aclose_forcefully(client.stream)


async def test_an_http2_client_gets_all_of_it_once_it_opens_its_window(open_door):
    numbered = b"".join(b"%09d" % n for n in range(30_000))

    async def handle(request):
        return Response(200, JSON, numbered)

    async with open_door(handle) as door:
        client = await door.connect_http2(settings=NO_WINDOW)
        stream_id = client.request("/api")
        await client.flush()
        await client.wait_for(h2.events.ResponseReceived)
        got = b""
        client.connection.increment_flow_control_window(1 << 20)
        client.connection.increment_flow_control_window(7, stream_id)
        await client.flush()
        while len(got) < len(numbered):
            event = await client.wait_for(h2.events.DataReceived)
            got += event.data
            if not event.stream_ended:
                client.connection.increment_flow_control_window(997, stream_id)
                await client.flush()
        assert got == numbered
        await client.stream.aclose()


@by_hand
async def test_an_http2_stream_whose_window_stays_shut_is_reset_and_the_others_go_on(open_door, until, by_hand):
    flood = Flood(watch=False)
    async with open_door(flood, by_hand=by_hand, patience=Patience(answer=0.1)) as door:
        client = await door.connect_http2(tls=True, settings=NO_WINDOW)
        stream_id = client.request("/list")
        await client.flush()
        assert (await client.wait_for(h2.events.StreamReset)).stream_id == stream_id
        assert flood.ends == ["closed"]
        other = client.request("/ping", "HEAD")
        await client.flush()
        assert (await client.wait_for(h2.events.StreamEnded)).stream_id == other
        await client.stream.aclose()


@by_hand
@both_ways
async def test_a_stream_that_is_reset_while_it_is_written_ends_alone(open_door, until, by_hand, tls):
    flood = Flood(most=1 << 40)
    async with open_door(flood, by_hand=by_hand) as door:
        client = await door.connect_http2(tls=tls)
        client.connection.increment_flow_control_window(1 << 30)
        steady = client.request("/watch")
        for _ in range(30):
            number = client.request("/api")
            client.connection.increment_flow_control_window(1 << 20, number)
            await client.flush()
            while (await client.wait_for(h2.events.DataReceived)).stream_id != number:
                pass
            client.connection.reset_stream(number)
            await client.flush()
        await until(lambda: flood.running == 1)
        client.connection.increment_flow_control_window(1 << 20, steady)
        await client.flush()
        while (await client.wait_for(h2.events.DataReceived)).stream_id != steady:
            pass
        await trio.aclose_forcefully(client.stream)
        await until(lambda: not flood.running)


@by_hand
@both_ways
async def test_a_goaway_with_requests_open_ends_its_own_connection_only(open_door, until, by_hand, tls):
    flood = Flood(most=1 << 40)
    async with open_door(flood, by_hand=by_hand) as door:
        steady = await door.connect_http2(tls=tls)
        steady.request("/watch")
        await steady.flush()
        for _ in range(40):
            client = await door.connect_http2(tls=tls)
            for _ in range(3):
                client.request("/api")
            await client.flush()
            await client.wait_for(h2.events.DataReceived)
            client.connection.close_connection()
            await client.flush()
            await trio.aclose_forcefully(client.stream)
        await until(lambda: flood.running == 1)
        await ping(door)
        await trio.aclose_forcefully(steady.stream)


@by_hand
@pytest.mark.parametrize("version", ["1.1", "2"])
async def test_an_answer_that_breaks_off_is_seen_to_break_off(open_door, by_hand, version):
    class Broken:
        async def run(self, sink):
            await sink.send_all(b"half")
            raise LookupError("the revision is gone")

    async def handle(request):
        return Response(200, JSON, Broken())

    opened = open_door(handle, by_hand=by_hand, alpn=("h2", "http/1.1"))
    async with opened as door, door.client(http2=version == "2") as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(door.https + "/", headers={"accept-encoding": "identity"})
        # Held back to be compressed, nothing of it was sent yet.
        answer = await client.get(door.https + "/")
        assert answer.status_code == 500
        assert answer.json()["kind"] == "Status"


@by_hand
async def test_a_flood_of_reset_streams_bounds_the_handlers_that_run(open_door, until, by_hand):
    running = most = ended = 0

    async def handle(request):
        nonlocal running, most, ended
        if request.path == "/ping":
            return Response(200, JSON, b"{}")
        running += 1
        most = max(most, running)
        await trio.sleep(0.001)
        running -= 1
        ended += 1
        return Response(200, JSON, b"{}")

    async with open_door(handle, by_hand=by_hand, limits=Limits(streams=100)) as door:
        client = await door.connect_http2()
        for _ in range(2000):
            client.connection.reset_stream(client.request("/api"))
        await client.flush()
        await until(lambda: ended >= 1000)
        assert most <= 200
        await ping(door)
        await trio.aclose_forcefully(client.stream)


@by_hand
@both_ways
async def test_garbage_ends_its_own_connection_only(open_door, by_hand, tls):
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    settings = b"\0\0\0\4\0\0\0\0\0"
    cases = [
        b"\0" * 100,
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200_000,
        b"GET /\xe4 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: %%%\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        preface + b"x" * 100,
        preface + settings + b"\0\0\x01\1\5\0\0\0\1\x82",
        # :method GET, :scheme https, :authority, and a :path that is not ASCII
        preface + settings + b"\0\0\x0c\1\5\0\0\0\1\x82\x87\x41\1a\x44\x02/\xe4" + b"\x0f\x2f\0",
        # CONNECT without a path
        preface + settings + b"\0\0\x0c\1\5\0\0\0\1\x42\x07CONNECT\x41\1a",
        # 1,100 PRIORITY frames
        preface + settings + b"".join(b"\0\0\5\2\0" + n.to_bytes(4) + b"\0\0\0\0\1" for n in range(1, 2201, 2)),
    ]
    async with open_door(Flood(), by_hand=by_hand) as door:
        for case in cases:
            stream = await door.connect(*(("h2",) if case.startswith(preface) else ()), tls=tls)
            with trio.move_on_after(0.05):
                try:
                    await stream.send_all(case)
                    while await stream.receive_some():
                        pass
                except trio.BrokenResourceError:
                    pass
            await trio.aclose_forcefully(stream)
        await ping(door)


def test_another_hypercorn_is_refused(monkeypatch):
    before = hypercorn.protocol.h2.StreamBuffer
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "0.19.0")
    with pytest.raises(http2.UnknownHypercorn, match=r"Hypercorn 0\.19\.0 is installed"):
        http2.apply()
    assert hypercorn.protocol.h2.StreamBuffer is before


@pytest.mark.parametrize("native", [True], ids=["native"])
@both_ways
async def test_another_hypercorn_is_no_obstacle_to_http1(open_door, monkeypatch, tls):
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "0.19.0")
    async with open_door(Flood()) as door:
        for _ in range(2):
            stream = await door.connect("h2", tls=tls)
            await stream.send_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            with contextlib.suppress(trio.BrokenResourceError):
                assert await stream.receive_some() == b""
            await trio.aclose_forcefully(stream)
        await ping(door)
