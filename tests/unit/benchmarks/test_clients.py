from __future__ import annotations

import json
import threading
import time
from array import array
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import attrs
import pytest

from benchmarks.asking import Endpoint
from benchmarks.clients.arrivals import Arrivals
from benchmarks.clients.client import Load
from benchmarks.clients.connection import Connection
from benchmarks.clients.dialect import Etcd, Kubernetes
from benchmarks.clients.fanout import Paced, fanout, shares
from benchmarks.clients.kbench import read_line
from benchmarks.clients.process import WATCHERS, working
from benchmarks.clients.worker import Pool
from benchmarks.errors import ClientFailed
from benchmarks.figures import Figure
from benchmarks.processes import STOP_SECONDS
from benchmarks.widgets import name_of, widget


def event(revision: int, number: int) -> bytes:
    body = widget(name_of(number), number, stamp=99, revision=str(revision))
    return b'{"type":"MODIFIED","object":%b}\n' % body


def watcher(updates: int = 5, name: str = "") -> Arrivals:
    ticks = count(1)
    return Arrivals(updates, lambda: next(ticks), Kubernetes(), name=name)


def test_every_event_is_seen_whatever_the_pieces():
    stream = b"".join(event(10 + number, number) for number in range(1, 6))
    for size in (1, 7, 700, len(stream)):
        seen = watcher()
        for at in range(0, len(stream), size):
            seen.feed(stream[at : at + size])
        assert (seen.seen, seen.duplicated, seen.disordered, seen.odd) == (5, 0, 0, 0)
        assert seen.bytes == len(stream)
        assert list(seen.at[1:]) == sorted(seen.at[1:])
        assert seen.at[1] > 0


def test_what_does_not_come_stays_zero():
    seen = watcher()
    seen.feed(event(11, 1) + event(13, 3))
    assert [bool(at) for at in seen.at] == [False, True, False, True, False, False]


def test_a_repeated_event_is_counted_and_not_delivered_twice():
    seen = watcher()
    seen.feed(event(11, 1) + event(11, 1) + event(12, 1))
    assert (seen.seen, seen.duplicated) == (1, 2)


def test_an_earlier_revision_is_out_of_order():
    seen = watcher()
    seen.feed(event(12, 2) + event(11, 1))
    assert (seen.seen, seen.disordered) == (2, 1)


def test_what_is_no_event_of_a_widget_is_odd():
    seen = watcher()
    seen.feed(b'{"type":"ERROR","object":{"kind":"Status","code":410}}\n')
    assert (seen.seen, seen.odd) == (0, 1)


def test_a_watcher_of_one_object_counts_no_other():
    seen = watcher(name=name_of(2))
    seen.feed(event(11, 1) + event(12, 2))
    assert (seen.seen, seen.odd) == (1, 1)


def test_another_stream_goes_on_where_the_last_has_ended():
    seen = watcher()
    seen.feed(event(11, 1) + event(12, 2)[:40])
    assert seen.revision == 11
    seen.again()
    seen.feed(event(12, 2) + event(13, 3))
    assert (seen.seen, seen.duplicated, seen.disordered, seen.odd) == (3, 0, 0, 0)


@pytest.fixture
def cutting() -> Iterator[tuple[Endpoint, list[str]]]:
    """A server that ends its first watch in the middle of an event, and what it was asked for."""
    asked: list[str] = []
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            if len(asked) == 1:
                self.wfile.write(event(11, 1) + event(12, 2)[:40])
            else:
                self.wfile.write(event(12, 2) + event(13, 3))
                over.wait(STOP_SECONDS)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield Endpoint(f"http://127.0.0.1:{server.server_port}", ""), asked
        over.set()
        server.shutdown()
        serving.join()


def test_a_watcher_whose_stream_is_ended_asks_again_from_its_last_event(cutting: tuple[Endpoint, list[str]], tmp_path: Path):
    endpoint, asked = cutting
    job = {"dialect": "kubernetes", "watchers": 1, "names": [], "updates": 3, "after": "10", "file": str(tmp_path / "arrivals")}
    with working(WATCHERS, job, endpoint) as process:
        process.tell(expect=3)
        said = process.hear()
    assert {name: said[name] for name in ("ended", "odd", "duplicated", "disordered")} == {
        "ended": 1,
        "odd": 0,
        "duplicated": 0,
        "disordered": 0,
    }
    assert all(array("q", (tmp_path / "arrivals").read_bytes())[1:])
    assert [path.rpartition("=")[2] for path in asked] == ["10", "11"]


def put_event(*updates: tuple[int, int]) -> bytes:
    """Several updates in one line, as etcd sends those of one moment."""
    events = [
        {"kv": {"key": "aw==", "create_revision": "2", "mod_revision": str(revision), "value": value_of(number)}}
        for revision, number in updates
    ]
    return json.dumps({"result": {"header": {"revision": "99"}, "events": events}}, separators=(",", ":")).encode()


def value_of(number: int) -> str:
    value: str = json.loads(Etcd().put("o", number, stamp=7, revision="").body)["value"]
    return value


def test_etcd_tells_several_updates_in_a_line():
    assert Etcd().events(put_event((11, 1), (12, 345))) == [(11, 1), (12, 345)]


def test_etcd_says_that_a_watch_is_there_and_that_it_ended():
    assert Etcd().events(b'{"result":{"header":{"revision":"3"},"created":true}}') == []
    assert Etcd().events(b'{"result":{"header":{"revision":"3"},"canceled":true,"compact_revision":"9"}}') is None


def test_etcd_watches_from_behind_a_revision():
    asked = json.loads(Etcd().watch("41").body)["create_request"]
    assert asked["start_revision"] == "42"
    assert asked["key"] == b64encode(b"bench/").decode()
    assert asked["range_end"] > asked["key"]
    assert "range_end" not in json.loads(Etcd().watch("41", "o").body)["create_request"]


JOB: dict[str, Any] = {"url": "http://127.0.0.1:1", "token": "", "ca": None, "dialect": "kubernetes"}


async def test_a_late_operation_counts_from_when_it_was_due(monkeypatch):
    """Two operations a millisecond apart on one connection: the second waits for the first, and its latency shows it."""
    second = 1_000_000_000
    clock = {"now": 0}
    monkeypatch.setattr(time, "monotonic_ns", lambda: clock["now"])
    pool = Pool(JOB | attrs.asdict(Load(count=2, workers=1, rate=1000.0)))

    async def slow(_connection: Connection, _worker: int, _number: int) -> None:
        clock["now"] += second

    pool.start()
    await pool.work(0, None, slow)  # type: ignore[arg-type]  # no operation here looks at it
    assert pool.spans == [(0, 0, second), (1, 1_000_000, 2 * second)]


async def test_without_a_rate_an_operation_counts_from_when_it_is_sent(monkeypatch):
    clock = {"now": 0}
    monkeypatch.setattr(time, "monotonic_ns", lambda: clock["now"])
    pool = Pool(JOB | attrs.asdict(Load(count=2, workers=1)))

    async def slow(_connection: Connection, _worker: int, _number: int) -> None:
        clock["now"] += 5

    pool.start()
    await pool.work(0, None, slow)  # type: ignore[arg-type]  # no operation here looks at it
    assert pool.spans == [(0, 0, 5), (1, 5, 10)]


PACED = Paced(watchers=2, objects=1, updates=2, rate=100.0, writers=1)
READ = {"odd": 0, "duplicated": 0, "disordered": 0, "ended": 0, "bytes": 400}


def test_fanout_counts_what_each_watcher_lacks():
    ms = 1_000_000
    wrote = {"errors": 0, "spans": [[0, 10 * ms, 12 * ms], [1, 20 * ms, 22 * ms]]}
    arrived = array("q", [0, 13 * ms, 24 * ms, 0, 15 * ms, 0])
    run = fanout(wrote, READ, arrived, PACED, server_cpu=0.3)
    assert run[Figure.LOST] == 1
    assert run[Figure.ANSWER_P99] == 3.0
    assert run[Figure.DUE_P99] == 5.0
    assert run[Figure.CPU_EVENT] == pytest.approx(100_000)
    assert run[Figure.EVENTS] == pytest.approx(3 / 0.014)


def test_each_of_the_watchers_is_in_one_process():
    for watchers in (1, 500, 501, 3000):
        assert sum(shares(attrs.evolve(PACED, watchers=watchers))) == watchers
    assert shares(attrs.evolve(PACED, watchers=1000, by_name=True)) == [1000]


def test_with_a_name_each_one_watcher_has_an_update_and_no_other():
    paced = attrs.evolve(PACED, by_name=True)
    wrote = {"errors": 0, "spans": [[0, 10, 12], [1, 20, 22]]}
    assert fanout(wrote, READ, array("q", [0, 13, 0, 0, 0, 24]), paced, server_cpu=0.0)[Figure.LOST] == 0
    assert fanout(wrote, READ, array("q", [0, 13, 0, 0, 0, 0]), paced, server_cpu=0.0)[Figure.LOST] == 1
    assert fanout(wrote, READ, array("q", [0, 13, 0, 0, 14, 24]), paced, server_cpu=0.0)[Figure.DUPLICATED] == 1


def test_an_update_that_failed_is_not_looked_for():
    wrote = {"errors": 1, "spans": [[0, 10, 20]]}
    run = fanout(wrote, READ, array("q", [0, 30, 0, 0, 40, 0]), PACED, server_cpu=0.0)
    assert (run[Figure.LOST], run[Figure.ERRORS]) == (0, 1)


LINE = {
    "mode": "list",
    "n": 1000,
    "items_per_list": 1000,
    "ops": 3,
    "errors": 0,
    "ops_per_s": 79.0,
    "p50_ms": 11.0,
    "p99_ms": 15.8,
    "server_cpu_us_per_op": 10_000,
    "other_cpu_frac": 0.36,
    "secs": 2.0,
    "client_cpu_s": 0.5,
}


def test_kbench_line():
    run = read_line(json.dumps(LINE))
    assert run[Figure.CPU_OPERATION] == 10_000
    assert run[Figure.CLIENT_CPU] == 0.25
    assert run[Figure.ERRORS] == 0


def test_a_list_without_all_objects_is_an_error_and_no_fast_list():
    assert read_line(json.dumps(LINE | {"items_per_list": 999}))[Figure.ERRORS] == 3


@pytest.mark.parametrize("line", ["", "kbench: no", "[]", "{}", '{"secs": "x", "client_cpu_s": 1}'])
def test_no_result_is_an_error(line: str):
    with pytest.raises(ClientFailed, match="no result"):
        read_line(line)
