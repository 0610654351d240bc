"""Each deadline is kept, whenever it was set, and however many there are most are seldom looked at."""

from __future__ import annotations

import math
from random import Random  # noqa: TID251 - seeded: the same in each run

import trio

from watchd.serving.deadlines import GRAIN, Deadlines


class Client:
    def __init__(self):
        self.deadline = math.inf
        self.ended = []

    def expire(self):
        self.ended.append(trio.current_time())


class Counted(set):
    looks = 0

    def __iter__(self):
        self.looks += 1
        return super().__iter__()


async def test_each_is_ended_at_its_last_deadline_and_once(autojump_clock, nursery):
    chance, clients = Random(7), [Client() for _ in range(300)]
    deadlines = Deadlines(clients)
    nursery.start_soon(deadlines.run)
    expected = {}
    for client in clients * 2:
        if not client.ended:
            at = trio.current_time() + chance.choice([0.01, 1, 5, 30, 90]) * chance.random()
            deadlines.set(client, at)
            expected[client] = at
        await trio.sleep(chance.random() / 50)
    spared = [client for client in clients if not client.ended][::5]
    for client in spared:
        client.deadline = math.inf
    await trio.sleep(100)
    for client in clients:
        if client in spared:
            assert client.ended == []
        else:
            (ended,) = client.ended
            assert expected[client] <= ended <= expected[client] + 2 * GRAIN
    nursery.cancel_scope.cancel()


async def test_many_are_looked_at_seldom(autojump_clock, nursery):
    clients = Counted(Client() for _ in range(1000))
    deadlines = Deadlines(clients)
    nursery.start_soon(deadlines.run)
    for number, client in enumerate(clients):
        deadlines.set(client, trio.current_time() + number * 0.06)
    clients.looks = 0
    await trio.sleep(61)
    assert all(len(client.ended) == 1 for client in clients)
    assert clients.looks < 30, "which others have deadlines in each of a thousand moments"
    nursery.cancel_scope.cancel()
