"""The process that commits, served step by step: whom it tells of what."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import attrs
import pytest

from storage import committer_wire as wire
from storage.committer import Append, Writer
from storage.committer_child import Service
from storage.environment import Environment, Options
from storage.receipt import TOKEN_BYTES, Asked
from storage.types import Key, Op, Write


@attrs.define
class Log:
    """A log's ends of its sockets."""

    calls: socket.socket
    news: socket.socket

    def append(self) -> None:
        write = Write(Key(b"\0\0\0\1k"), Op.PUT, b"h", b'{"v":""}', 6)
        self.calls.sendall(wire.framed(wire.Commit(1, Asked(0, bytes(TOKEN_BYTES), 1), [Append(write)])))

    @property
    def told(self) -> bool:
        """Whether it was told, since it was last asked, that others may have committed."""
        self.news.setblocking(False)
        try:
            return bool(self.news.recv(100))
        except BlockingIOError:
            return False


@attrs.define
class Committer:
    """A Service, and the other end of what it is told on."""

    service: Service
    control: socket.socket
    opened: ExitStack

    def connect(self) -> Log:
        (calls, its_calls), (news, its_news) = socket.socketpair(), socket.socketpair()
        with its_calls, its_news:
            socket.send_fds(self.control, [b"c"], [its_calls.fileno(), its_news.fileno()])
        return Log(self.opened.enter_context(calls), self.opened.enter_context(news))


@pytest.fixture
def committer(tmp_path: Path) -> Iterator[Committer]:
    with ExitStack() as opened:
        control, its_control = map(opened.enter_context, socket.socketpair())
        environment = opened.enter_context(closing(Environment(tmp_path, Options(cluster_id="c", relaxed=True))))
        service = opened.enter_context(closing(Service(its_control, Writer(environment))))
        yield Committer(service, control, opened)


def test_all_but_the_only_asker_are_told(committer: Committer) -> None:
    logs = [committer.connect() for _ in range(3)]
    for _ in logs:
        committer.service.serve_once()
    assert [log.told for log in logs] == [False, True, True], "who comes later looks once more"
    logs[1].append()
    committer.service.serve_once()
    assert [log.told for log in logs] == [True, False, True]


def test_one_that_is_let_in_after_a_commit_hears_of_it(committer: Committer) -> None:
    early = committer.connect()
    committer.service.serve_once()
    # It may have looked at the disk already.
    _between, late = committer.connect(), committer.connect()
    early.append()
    committer.service.serve_once()
    assert not late.told
    committer.service.serve_once()
    assert late.told
