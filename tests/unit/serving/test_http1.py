"""The native door as an HTTP server, over real sockets."""

from __future__ import annotations

import contextlib
import gc
import json
import ssl
import zlib

import pytest
import trio
import trio.lowlevel

from tests.unit.serving.watches import Busy, Waiting
from watchd.api.message import Response, SinkClosed
from watchd.serving.door import Limits
from watchd.serving.http1 import Http1Connection
from watchd.serving.sink import PIECE, Patience
from watchd.serving.tls import RECORD, RECORDS
from watchd.status import StatusError

JSON = [("Content-Type", "application/json")]
GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
CLOSE = b"GET /%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

both_ways = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])


@pytest.fixture
def native():
    """This door alone."""
    return True


class Api:
    """Says which request it was asked, and what came with it."""

    def __init__(self):
        self.paths = []
        self.running = 0
        self.most = 0
        self.release = trio.Event()
        self.release.set()

    async def __call__(self, request):
        self.paths.append(request.path)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.release.wait()
            if request.path in ANSWERS:
                return ANSWERS[request.path]()
            body = await request.read_body(1 << 20)
        except StatusError as error:
            return Response(error.code, JSON, json.dumps(error.to_object()).encode())
        finally:
            self.running -= 1
        return Response(200, JSON, request.method.encode() + b" " + request.path.encode() + b" " + body)


class Parts:
    """A stream of given parts."""

    def __init__(self, parts):
        self.parts = parts

    async def run(self, sink):
        for part in self.parts:
            await sink.send_all(part)


ANSWERS = {
    "/stream": lambda: Response(200, JSON, Parts([b"one", b"", b"two" * 50_000, b"three"])),
    "/unread": lambda: Response(403, list(JSON), b"{}"),
    "/large": lambda: Response(200, list(JSON), b"x" * 3_000_000),
    "/none": lambda: Response(204, []),
    "/split": lambda: Response(200, [("X", "a\r\nb")], b"{}"),
}


class Client:
    """Reads answers one by one, strictly."""

    def __init__(self, stream):
        self.stream = stream
        self.data = b""

    async def more(self):
        part = await self.stream.receive_some()
        self.data += part
        return bool(part)

    async def until(self, what):
        while what not in self.data:
            assert await self.more(), self.data
        found, _, self.data = self.data.partition(what)
        return found

    async def take(self, size):
        while len(self.data) < size:
            assert await self.more(), self.data
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    async def answer(self, *, head=False):
        """Return status, headers and body."""
        line, *fields = (await self.until(b"\r\n\r\n")).split(b"\r\n")
        headers = {
            name.lower().decode(): value.strip().decode() for name, _, value in (f.partition(b":") for f in fields)
        }
        status = int(line.split(b" ")[1])
        if head or status == 204:
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await self.until(b"\r\n"), 16):
                body += await self.take(size)
                assert await self.take(2) == b"\r\n"
            assert await self.take(2) == b"\r\n"
        elif "content-length" in headers:
            body = await self.take(int(headers["content-length"]))
        else:
            body = b""
            while await self.more():
                pass
            body, self.data = self.data, b""
        return status, headers, body

    async def closed(self):
        """Wait for the server's end; nothing more may come."""
        assert not await self.more()
        assert not self.data
        await trio.aclose_forcefully(self.stream)


async def talk(door, raw, **options):
    stream = await door.connect(**options)
    await stream.send_all(raw)
    return Client(stream)


@both_ways
async def test_pipelined_requests_are_answered_in_order(open_door, tls):
    api = Api()
    async with open_door(api) as door:
        post = b"POST /%d HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
        chunks = b"PUT /%d HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
        raw = b"".join((GET % b"%d" % n, post % n, chunks % n)[n % 3] for n in range(1, 100))
        client = await talk(door, raw + CLOSE % b"end", tls=tls)
        for n in range(1, 100):
            expected = (b"GET /%d ", b"POST /%d abc", b"PUT /%d x")[n % 3] % n
            assert (await client.answer())[2] == expected
        assert (await client.answer())[2] == b"GET /end "
        await client.closed()
        assert api.most == 1


async def test_pipelining_is_bounded(open_door, until):
    """Who sends requests and reads no answers is not read without end either."""
    api = Api()
    async with open_door(api) as door:
        stream = await door.connect(receive_buffer=4096)
        sent = 0
        with trio.move_on_after(1.0):
            while True:
                await stream.send_all((GET % b"large") * 100)
                sent += 100
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert len(api.paths) < 20
        await trio.aclose_forcefully(stream)


EVERY = (
    b"\r\nPOST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nhe\r\n3\r\nllo\r\n0\r\nT: x\r\n\r\n"
    b"PUT /b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
    b"\r\nGET /c HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
)


async def in_segments(door, parts, tls):
    stream = await door.connect(tls=tls)
    for part in parts:
        await stream.send_all(part)
        # Delivered on its own: the server has its turn before the next.
        await trio.testing.wait_all_tasks_blocked()
    client = Client(stream)
    bodies = [(await client.answer())[2] for _ in range(3)]
    await client.closed()
    return bodies


@both_ways
async def test_segments_may_be_cut_at_every_byte(open_door, tls):
    async with open_door(Api()) as door:
        for cut in range(1, len(EVERY)):
            got = await in_segments(door, [EVERY[:cut], EVERY[cut:]], tls)
            assert got == [b"POST /a hello", b"PUT /b abc", b"GET /c "], cut
        got = await in_segments(door, [EVERY[n : n + 1] for n in range(len(EVERY))], tls)
        assert got == [b"POST /a hello", b"PUT /b abc", b"GET /c "]


@pytest.mark.parametrize(
    "raw",
    [
        b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 40\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: localhost\r\nX: a\r\n Content-Length: 40\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length : 40\r\n\r\n",
        b"POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n",
        b"GET /a HTTP/1.1\nHost: localhost\n\n",
        b"GET /a HTTP/1.1\r\nHost: localhost\r\nX: y\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: localhost\r\nHost: example.com\r\n\r\n",
        b"\0\r\n\r\n",
    ],
)
async def test_nothing_behind_a_doubtful_request_is_taken_for_one(open_door, raw):
    api = Api()
    async with open_door(api) as door:
        client = await talk(door, raw + GET % b"smuggled")
        status, headers, body = await client.answer()
        assert status in (400, 501)
        assert headers["connection"] == "close"
        assert json.loads(body)["kind"] == "Status"
        assert json.loads(body)["code"] == status
        await client.closed()
        assert api.paths == []


@pytest.mark.parametrize(
    "body", [b"x\r\n", b"5\nhello\n0\n\n", b"5\r\nhelloworld\r\n", b"-1\r\n", b"1\r\na\r\n0\r\nX\r\n\r\n"]
)
@pytest.mark.parametrize("path", [b"a", b"unread"])
async def test_nothing_behind_bad_chunks_is_taken_for_a_request(open_door, body, path):
    api = Api()
    async with open_door(api) as door:
        raw = b"POST /%s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % path
        client = await talk(door, raw + body + GET % b"smuggled")
        status, headers, _ = await client.answer()
        assert status == (400 if path == b"a" else 403)
        assert headers["connection"] == "close"
        await client.closed()
        assert api.paths == ["/" + path.decode()]


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 600 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 10_000_000,
    ],
)
async def test_limits_of_a_head(open_door, raw):
    async with open_door(Api()) as door:
        stream = await door.connect()
        client = Client(stream)
        async with trio.open_nursery() as nursery:

            async def send():
                # Answered before it had all of it.
                with contextlib.suppress(trio.BrokenResourceError):
                    await stream.send_all(raw)

            nursery.start_soon(send)
            assert (await client.answer())[0] == 431
            nursery.cancel_scope.cancel()
        await trio.aclose_forcefully(stream)


@both_ways
async def test_a_client_that_expects_to_be_asked_for_its_body(open_door, tls):
    raw = b"POST /%s HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    async with open_door(Api()) as door:
        client = await talk(door, raw % b"a", tls=tls)
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
        await client.stream.send_all(b"abc" + GET % b"next")
        assert (await client.answer())[2] == b"POST /a abc"
        assert (await client.answer())[2] == b"GET /next "
        # It did not wait.
        await client.stream.send_all(raw % b"b" + b"abc")
        answer = await client.answer()
        assert (await client.answer() if answer[0] == 100 else answer)[2] == b"POST /b abc"
        # Not wanted: whether the body comes cannot be known.
        await client.stream.send_all(raw % b"unread")
        status, headers, _ = await client.answer()
        assert (status, headers["connection"]) == (403, "close")
        await client.closed()


async def test_other_expectations_are_not_met(open_door):
    async with open_door(Api()) as door:
        client = await talk(door, b"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: more\r\n\r\n")
        assert (await client.answer())[0] == 417
        await trio.aclose_forcefully(client.stream)


@both_ways
async def test_streams_come_in_chunks_and_leave_the_connection_open(open_door, tls):
    async with open_door(Api()) as door:
        client = await talk(door, (GET % b"stream") * 2 + CLOSE % b"stream", tls=tls)
        for _ in range(3):
            _, headers, body = await client.answer()
            assert headers["transfer-encoding"] == "chunked"
            assert body == b"one" + b"two" * 50_000 + b"three"
        await client.closed()


async def test_an_old_client_gets_a_stream_up_to_the_end_of_its_connection(open_door):
    async with open_door(Api()) as door:
        client = await talk(door, b"GET /stream HTTP/1.0\r\n\r\n")
        _, headers, body = await client.answer()
        assert "transfer-encoding" not in headers
        assert headers["connection"] == "close"
        assert body == b"one" + b"two" * 50_000 + b"three"
        await trio.aclose_forcefully(client.stream)


async def test_answers_without_a_body(open_door):
    async with open_door(Api()) as door:
        raw = b"".join(b"HEAD /%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path for path in (b"a", b"large", b"stream"))
        client = await talk(door, raw + GET % b"none" + CLOSE % b"end")
        assert (await client.answer(head=True))[1]["content-length"] == str(len(b"HEAD /a "))
        assert (await client.answer(head=True))[1]["content-length"] == "3000000"
        assert (await client.answer(head=True))[0] == 200
        status, headers, _ = await client.answer()
        assert status == 204
        assert "content-length" not in headers
        assert (await client.answer())[2] == b"GET /end "
        await client.closed()


@both_ways
async def test_a_client_that_closes_its_side_gets_the_answers_to_what_it_asked(open_door, until, tls):
    api = Api()
    api.release = trio.Event()
    async with open_door(api) as door:
        stream = await door.connect(tls=tls)
        await stream.send_all(GET % b"a" + GET % b"b")
        transport = stream.transport_stream if tls else stream
        await until(lambda: api.paths)
        await transport.send_eof()
        api.release.set()
        client = Client(stream)
        assert (await client.answer())[2] == b"GET /a "
        assert (await client.answer())[2] == b"GET /b "
        await client.closed()


async def test_half_a_request_is_none(open_door):
    api = Api()
    async with open_door(api) as door:
        for raw in (b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\n"):
            stream = await door.connect()
            await stream.send_all(raw)
            await stream.send_eof()
            client = Client(stream)
            assert (await client.answer())[0] == 400
            await client.closed()
        stream = await door.connect()
        await stream.send_all(b"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc")
        await stream.send_eof()
        client = Client(stream)
        status, _, body = await client.answer()
        assert status == 400
        assert json.loads(body)["message"] == "unexpected EOF"
        await client.closed()
        assert api.paths == ["/a"]


@both_ways
async def test_a_slow_reader_gets_all_of_a_large_answer(open_door, tls):
    async with open_door(Api(), patience=Patience(answer=0.5)) as door:
        client = Client(await door.connect(tls=tls, receive_buffer=4096))
        await client.stream.send_all(CLOSE % b"large")
        got = b""
        while len(got) < 3_000_000:
            # Slower than the patience with the whole, and faster than that with a part.
            part = await client.stream.receive_some(60_000 if len(got) > 300_000 else 5_000)
            assert part
            got += part
            if len(got) < 300_000:
                await trio.sleep(0.01)
        assert got.endswith(b"x" * 1000)
        await trio.aclose_forcefully(client.stream)


def pattern(size, seed):
    """Bytes no part of which is like another."""
    return b"".join((seed + number).to_bytes(4, "big") for number in range(size // 4 + 1))[:size]


SIZES = [1, RECORD, PIECE, PIECE + 1, 2 * PIECE - 1, RECORDS * RECORD + 1, 5 * PIECE + 17, 1_000_000]
LONG = [pattern(size, size) for size in SIZES]


@both_ways
@pytest.mark.parametrize("receive_buffer", [None, 4096])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_parts_of_any_length_come_whole_and_in_order(open_door, tls, receive_buffer, version):
    async def answer(request):
        return Response(200, list(JSON), LONG[-1] if request.path == "/known" else Parts(LONG))

    async with open_door(answer) as door:
        raw = f"GET /%s HTTP/{version}\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
        client = await talk(door, raw % b"known", tls=tls, receive_buffer=receive_buffer)
        assert (await client.answer())[2] == LONG[-1]
        await client.closed()
        client = await talk(door, raw % b"parts", tls=tls, receive_buffer=receive_buffer)
        _, headers, body = await client.answer()
        assert headers.get("transfer-encoding") == ("chunked" if version == "1.1" else None)
        assert body == b"".join(LONG)
        await client.closed()


@both_ways
async def test_a_request_that_never_ends_is_ended(open_door, tls):
    """However steadily its bytes drip."""
    async with open_door(Api(), limits=Limits(idle=0.2)) as door:
        stream = await door.connect(tls=tls)
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n")

        async def drip():
            while True:
                await stream.send_all(b"X: a\r\n")
                await trio.sleep(0.02)

        with pytest.raises((trio.BrokenResourceError, trio.ClosedResourceError)), trio.fail_after(5):
            await drip()
        await trio.aclose_forcefully(stream)


async def test_a_header_that_would_split_the_answer_is_an_error(open_door, caplog):
    async with open_door(Api()) as door:
        client = await talk(door, GET % b"split")
        status, headers, body = await client.answer()
        assert (status, headers["connection"]) == (500, "close")
        assert json.loads(body)["kind"] == "Status"
        await client.closed()
    assert "end of a line" in caplog.text


async def test_two_writers_are_noticed(open_door, until):
    seen = []

    class Two(Busy):
        async def run(self, sink):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(sink.send_all, b"x" * 60_000_000)
                while not seen:
                    await trio.lowlevel.checkpoint()
                    try:
                        sink.send_nowait(b"")
                    except AssertionError as error:
                        seen.append(str(error))
                nursery.cancel_scope.cancel()

    async def handle(_request):
        return Response(200, JSON, Two(), watch=True)

    async with open_door(handle) as door:
        client = await talk(door, GET % b"watch", receive_buffer=4096)
        await until(lambda: seen)
        await trio.aclose_forcefully(client.stream)
    assert seen == ["two writers on one connection"]


@both_ways
async def test_what_is_not_sent_at_once_is_sent_later_and_once(open_door, tls):
    """A writer that does not wait: what the kernel does not take is kept, as ciphertext under TLS."""
    numbered = [b"%09d\n" % n * 100 for n in range(3000)]
    went = []

    class NoWait(Busy):
        async def run(self, sink):
            for part in numbered:
                went.append(sink.send_nowait(part))
                if not went[-1]:
                    await sink.flush()

    async def handle(_request):
        return Response(200, JSON, NoWait(), watch=True)

    async with open_door(handle) as door:
        client = await talk(door, CLOSE % b"watch", tls=tls, receive_buffer=4096)
        assert (await client.answer())[2] == b"".join(numbered)
        await client.closed()
    assert True in went
    assert False in went


@both_ways
async def test_a_watch_ends_when_its_client_closes_its_side(open_door, until, tls):
    ended = []

    class Forever:
        def on(self, line):
            return Waiting(line, lambda watch: None, ended.append)

    async def handle(_request):
        return Response(200, JSON, Forever(), watch=True)

    async with open_door(handle) as door:
        client = await talk(door, GET % b"watch", tls=tls)
        await client.until(b"event\n")
        await (client.stream.transport_stream if tls else client.stream).send_eof()
        await until(lambda: ended)
        await trio.aclose_forcefully(client.stream)


async def test_requests_behind_a_watch_wait_for_its_end(open_door):
    class Short(Busy):
        async def run(self, sink):
            await sink.send_all(b"event\n")

    async def handle(request):
        return Response(200, JSON, Short(), watch=True) if request.path == "/watch" else Response(200, JSON, b"{}")

    async with open_door(handle) as door:
        client = await talk(door, GET % b"watch" + GET % b"a" + CLOSE % b"b")
        assert [(await client.answer())[2] for _ in range(3)] == [b"event\n", b"{}", b"{}"]
        await client.closed()


async def test_a_large_answer_is_compressed_in_chunks(open_door):
    async with open_door(Api()) as door:
        raw = b"GET /large HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
        client = await talk(door, raw)
        _, headers, body = await client.answer()
        assert headers["content-encoding"] == "gzip"
        assert zlib.decompress(body, 16 + zlib.MAX_WBITS) == b"x" * 3_000_000
        await client.closed()


async def test_a_handshake_that_fails_ends_its_own_connection_only(open_door):
    async with open_door(Api()) as door:
        stream = await trio.open_tcp_stream(door.tls.host, door.tls.port)
        await stream.send_all(GET % b"plain")
        client = Client(stream)
        while await client.more():
            pass
        assert b"HTTP" not in client.data
        await trio.aclose_forcefully(stream)
        old = door.context()
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
        plain = await trio.open_tcp_stream(door.tls.host, door.tls.port)
        wrapped = trio.SSLStream(plain, old, server_hostname="localhost", https_compatible=True)
        await wrapped.send_all(CLOSE % b"a")
        assert (await Client(wrapped).answer())[2] == b"GET /a "
        await trio.aclose_forcefully(wrapped)


async def test_an_error_in_a_stream_cuts_it_off(open_door, caplog):
    class Broken:
        async def run(self, sink):
            await sink.send_all(b"half")
            raise LookupError("gone")

    class BrokenAtOnce:
        async def run(self, sink):
            raise LookupError("gone")

    async def handle(request):
        return Response(200, JSON, Broken() if request.path == "/half" else BrokenAtOnce())

    async with open_door(handle) as door:
        client = await talk(door, GET % b"half")
        while await client.more():
            pass
        assert client.data.endswith(b"4\r\nhalf\r\n")
        await trio.aclose_forcefully(client.stream)
        client = await talk(door, GET % b"none")
        status, headers, body = await client.answer()
        assert (status, headers["connection"]) == (500, "close")
        assert json.loads(body)["kind"] == "Status"
        await client.closed()


@both_ways
async def test_an_old_client_sees_that_a_stream_was_cut_off(open_door, tls):
    """Its end is the connection's, which so must not look like one."""

    class Broken:
        async def run(self, sink):
            await sink.send_all(b"half")
            raise LookupError("gone")

    async def handle(_request):
        return Response(200, JSON, Broken())

    async with open_door(handle) as door:
        client = await talk(door, b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n", tls=tls)
        with pytest.raises(trio.BrokenResourceError):
            await client.until(b"the end")
        await trio.aclose_forcefully(client.stream)


@both_ways
async def test_a_refusal_arrives_although_not_all_was_read(open_door, tls):
    """Closing on unread bytes would have the kernel throw the answer away."""
    async with open_door(Api()) as door:
        stream = await door.connect(tls=tls)
        client = Client(stream)
        async with trio.open_nursery() as nursery:

            async def send():
                await stream.send_all(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n" + bytes(3_000_000))

            nursery.start_soon(send)
            # The answer waits while the client is still writing.
            await trio.testing.wait_all_tasks_blocked()
            assert (await client.answer())[0] == 400
        await client.closed()


async def test_a_stream_learns_that_its_client_is_gone(open_door, until):
    ends = []

    class Flood:
        async def run(self, sink):
            try:
                while True:
                    await sink.send_all(bytes(10_000))
            except SinkClosed:
                ends.append("closed")
                raise

    async def handle(_request):
        return Response(200, JSON, Flood())

    async with open_door(handle) as door:
        client = await talk(door, GET % b"list")
        await client.more()
        await trio.aclose_forcefully(client.stream)
        await until(lambda: ends)
    assert ends == ["closed"]


@both_ways
async def test_nothing_of_a_client_that_left_waits_for_the_garbage_collector(open_door, until, tls):
    def connections():
        return sum(type(found) is Http1Connection for found in gc.get_objects())

    async with open_door(Api()) as door:
        gc.collect()
        before = connections()
        gc.disable()
        try:
            for ending in (b"ping", b"stream", None):
                stream = await door.connect(tls=tls)
                if ending is not None:
                    await stream.send_all(CLOSE % ending)
                    while await stream.receive_some():
                        pass
                await trio.aclose_forcefully(stream)
            await until(lambda: connections() == before)
        finally:
            gc.enable()
