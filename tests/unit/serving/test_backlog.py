"""The bytes that wait for slow clients have a bound together."""

from __future__ import annotations

import pytest
import trio

from tests.unit.serving.watches import Busy
from watchd.api.message import Response
from watchd.serving.backlog import Backlog
from watchd.serving.sink import PIECE

JSON = [("Content-Type", "application/json")]


class Client:
    deadline = 0.0

    def __init__(self):
        self.expired = False

    def expire(self):
        self.expired = True


def test_who_took_nothing_for_longest_goes_first():
    counted, clients = Backlog(100), [Client() for _ in range(3)]
    for client in clients:
        counted.hold(client, 30)
    counted.hold(clients[0], 20)
    counted.hold(clients[2], 60)
    assert [client.expired for client in clients] == [False, True, False]
    assert counted.bytes == 80
    counted.release(clients[0])
    counted.release(clients[2])
    assert counted.bytes == 0


def test_one_alone_may_have_more():
    counted, client = Backlog(100), Client()
    counted.hold(client, 1000)
    assert not client.expired


@pytest.fixture
def native():
    """Hypercorn counts for itself."""
    return True


async def test_slow_clients_of_a_door_are_cut_off_past_the_bound(open_door, until, monkeypatch):
    monkeypatch.setattr(Backlog.__init__, "__defaults__", (3 * PIECE,))
    begun, ended = [], []

    class Flood(Busy):
        async def run(self, sink):
            begun.append(self)
            try:
                while True:
                    await sink.send_all(bytes(PIECE - 100))
            finally:
                ended.append(self)

    async def handle(_request):
        return Response(200, JSON, Flood(), watch=True)

    async with open_door(handle) as door:
        streams = []
        for count in range(1, 21):
            streams.append(await door.connect(receive_buffer=4096))
            await streams[-1].send_all(b"GET /watch HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await until(lambda count=count: len(begun) == count)
            await trio.testing.wait_all_tasks_blocked(0.01)
        assert ended == begun[: len(ended)], "those who have waited longest"
        assert 0 < len(ended) < 20
        for stream in streams:
            await trio.aclose_forcefully(stream)
