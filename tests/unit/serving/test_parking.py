"""Connections whose watch has nothing to do: no task, nothing of the client's missed, and nothing left behind."""

from __future__ import annotations

import contextlib
import errno
import math
import ssl
import struct

import pytest
import trio

from tests.unit.serving.watches import Waiting
from watchd.api.message import Response
from watchd.serving import parking
from watchd.serving.http1_reader import Reader
from watchd.serving.http1_watch import SAID_BYTES, Http1Watch
from watchd.serving.parking import Parking

JSON = [("Content-Type", "application/json")]
GET = b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n"
both_ways = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])


@pytest.fixture
def native():
    """Hypercorn's connections have tasks."""
    return True


class Api:
    """Answers watches, and anything else with its path."""

    def __init__(self):
        self.watches = []

    async def __call__(self, request):
        if request.path == "/watch":
            return Response(200, JSON, self, watch=True)
        return Response(200, JSON, request.path.encode())

    def on(self, line):
        return Waiting(line, self.watches.append, self.watches.remove)


@pytest.fixture
async def api():
    return Api()


@pytest.fixture
def watch(until, api):
    """Begin a watch and wait until it has nothing to do."""

    async def begin(door, *, tls):
        stream = await door.connect(tls=tls)
        await stream.send_all(GET % b"watch")
        await read(stream, b"event\n")
        await until(lambda: api.watches and api.watches[-1].wake is not None)
        return stream

    return begin


async def read(stream, end):
    got = b""
    while not got.endswith(end) and end not in got:
        part = await stream.receive_some()
        assert part, got
        got += part
    return got


def tasks():
    return trio.lowlevel.current_statistics().tasks_living


@both_ways
async def test_they_have_no_task(open_door, watch, api, until, tls):
    async with open_door(api) as door:
        streams = [await watch(door, tls=tls)]
        await trio.testing.wait_all_tasks_blocked(0.01)
        one = tasks()
        streams += [await watch(door, tls=tls) for _ in range(10)]
        await until(lambda: tasks() == one)
        for stream in streams:
            await trio.aclose_forcefully(stream)
        await until(lambda: not api.watches)


@both_ways
async def test_a_request_beside_a_watch_is_answered_behind_its_end(open_door, watch, api, tls):
    async with open_door(api) as door:
        stream = await watch(door, tls=tls)
        await stream.send_all(GET % b"a" + GET % b"b")
        await trio.testing.wait_all_tasks_blocked(0.01)
        api.watches[0].stop()
        got = await read(stream, b"/b")
        assert got.index(b"bookmark\n") < got.index(b"0\r\n\r\n") < got.index(b"/a")
        await stream.send_all(GET % b"watch")
        await read(stream, b"event\n")
        await trio.aclose_forcefully(stream)


@both_ways
async def test_one_that_says_too_much_is_cut_off_since_its_leaving_could_not_be_heard(open_door, watch, api, until, tls):
    async with open_door(api) as door:
        stream = await watch(door, tls=tls)
        with contextlib.suppress(trio.BrokenResourceError):
            await stream.send_all(bytes(2 * SAID_BYTES))
        await until(lambda: not api.watches)
        await trio.aclose_forcefully(stream)


async def test_half_a_record_holds_nothing_up(open_door, watch, api):
    async with open_door(api) as door:
        stream = await watch(door, tls=True)
        # A TLS record of application data that never becomes whole.
        await stream.transport_stream.send_all(struct.pack("!BHH", 23, 0x0303, 1000) + b"x")
        await trio.testing.wait_all_tasks_blocked(0.01)
        api.watches[0].stop()
        assert b"bookmark\n" in await read(stream, b"bookmark\n")
        await trio.aclose_forcefully(stream)


async def test_half_a_record_does_not_keep_its_time_from_coming(open_door, watch, api, until):
    async with open_door(api) as door:
        stream = await watch(door, tls=True)
        await trio.testing.wait_all_tasks_blocked(0.01)
        turns, advance = [], api.watches[0].advance

        async def counted(wake):
            turns.append(wake)
            return await advance(wake)

        api.watches[0].advance = counted
        api.watches[0].until = -1.0
        await stream.transport_stream.send_all(struct.pack("!BHH", 23, 0x0303, 1000) + b"x")
        await until(lambda: turns)
        await trio.aclose_forcefully(stream)


class Silent:
    """A transport whose client has begun something and does not end it."""

    buffered = False

    async def receive(self):
        await trio.sleep_forever()


async def test_a_word_of_its_client_does_not_hide_that_there_is_something_to_do(autojump_clock):
    turns = []

    class Counted:
        until = math.inf

        async def advance(self, _wake):
            turns.append(self)
            return True

    watch = Http1Watch(Counted(), None, Reader(Silent(), 0), lambda: None, follows=True)
    await watch.go_on()
    watch.hear()
    # Its group's walk finds its socket full before it has its task.
    watch.wake()
    with trio.fail_after(5):
        await watch.go_on()
    assert len(turns) == 2


async def test_bytes_that_are_no_tls_end_it(open_door, watch, api, until):
    async with open_door(api) as door:
        stream = await watch(door, tls=True)
        await stream.transport_stream.send_all(b"GET / HTTP/1.1\r\n\r\n")
        await until(lambda: not api.watches)
        await trio.aclose_forcefully(stream)


@both_ways
async def test_it_goes_on_when_its_time_has_come(open_door, watch, api, until, tls, monkeypatch):
    monkeypatch.setattr(Waiting, "until", -1.0)
    turns = []
    advance = Waiting.advance

    async def counted(self, wake):
        turns.append(self)
        return await advance(self, wake)

    monkeypatch.setattr(Waiting, "advance", counted)
    async with open_door(api) as door:
        stream = await watch(door, tls=tls)
        await until(lambda: len(turns) > 2)
        await trio.aclose_forcefully(stream)


@both_ways
async def test_the_doors_end_leaves_no_watch_behind(open_door, watch, api, tls):
    async with open_door(api) as door:
        streams = [await watch(door, tls=tls) for _ in range(3)]
        assert len(api.watches) == 3
        door.abort.set()
        door.shutdown.set()
        await door.closed.wait()
        assert not api.watches
        for stream in streams:
            await trio.aclose_forcefully(stream)


@both_ways
async def test_many_that_leave_at_once_leave_others_their_turns(open_door, watch, api, until, tls, monkeypatch):
    monkeypatch.setattr(parking, "SLICE_SECONDS", 0.0)
    async with open_door(api) as door:
        streams = [await watch(door, tls=tls) for _ in range(30)]
        await trio.testing.wait_all_tasks_blocked(0.01)
        for stream in streams:
            (stream.transport_stream if tls else stream).socket.close()
        seen = set()
        while api.watches:
            await trio.lowlevel.checkpoint()
            seen.add(len(api.watches))
        assert len(seen) > 10


async def test_what_cannot_be_heard_for_is_ended(open_door, api, until, monkeypatch):
    def full(_self, _sock, _hear):
        raise OSError(errno.ENOSPC, "as many as the kernel allows")

    monkeypatch.setattr(Parking, "enter", full)
    async with open_door(api) as door:
        stream = await door.connect()
        await stream.send_all(GET % b"watch")
        await read(stream, b"event\n")
        await until(lambda: not api.watches)
        await trio.aclose_forcefully(stream)


async def test_what_is_woken_when_nothing_runs_any_more_leaves_nothing_behind(open_door, watch, api, monkeypatch):
    parkings, enter = [], Parking.enter

    def noted(self, sock, hear):
        parkings.append(self)
        enter(self, sock, hear)

    monkeypatch.setattr(Parking, "enter", noted)
    async with open_door(api) as door:
        stream = await watch(door, tls=False)
        await trio.testing.wait_all_tasks_blocked(0.01)
        monkeypatch.setattr(parkings[0], "_nursery", None)
        api.watches[0].stop()
        assert not api.watches
        await trio.aclose_forcefully(stream)


async def test_who_says_good_bye_in_one_piece_with_the_request_has_left(open_door, api):
    async with open_door(api) as door:
        stream = await trio.open_tcp_stream(door.tls.host, door.tls.port)
        said, says = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = door.context().wrap_bio(said, says, server_hostname="localhost")
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await stream.send_all(says.read())
                said.write(await stream.receive_some())
        tls.write(GET % b"watch")
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.unwrap()
        # No end of the connection comes with it: the client waits for the server's.
        await stream.send_all(says.read())
        assert await read_all(stream)
        assert not api.watches
        await trio.aclose_forcefully(stream)


async def read_all(stream):
    got = b""
    while part := await stream.receive_some():
        got += part
    return got
