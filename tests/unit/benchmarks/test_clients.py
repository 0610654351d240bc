from __future__ import annotations

import json
from array import array
from itertools import count

import pytest

from benchmarks.clients.arrivals import Arrivals
from benchmarks.clients.client import Paced
from benchmarks.clients.kbench import COMMON, FANOUT, read_line
from benchmarks.clients.python import fanout
from benchmarks.errors import ClientFailed
from benchmarks.figures import Figure
from benchmarks.widgets import name_of, widget


def event(revision: int, number: int) -> bytes:
    body = widget(name_of(number), number, stamp=99, revision=str(revision))
    return b'{"type":"MODIFIED","object":%b}\n' % body


def watcher(updates: int = 5) -> Arrivals:
    ticks = count(1)
    return Arrivals(updates, lambda: next(ticks))


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


PACED = Paced(watchers=2, objects=1, updates=2, rate=100.0, writers=1)
READ = {"odd": 0, "duplicated": 0, "disordered": 0, "ended": 0, "bytes": 400}


def test_fanout_counts_what_each_watcher_lacks():
    ms = 1_000_000
    wrote = {"errors": 0, "spans": [[0, 10 * ms, 12 * ms], [1, 20 * ms, 22 * ms]]}
    arrived = array("q", [0, 13 * ms, 24 * ms, 0, 15 * ms, 0])
    run = fanout(wrote, READ, arrived, PACED, server_cpu=0.3)
    assert run[Figure.LOST] == 1
    assert run[Figure.ANSWER_P99] == 3.0
    assert run[Figure.START_P99] == 5.0
    assert run[Figure.CPU_EVENT] == pytest.approx(100_000)
    assert run[Figure.EVENTS] == pytest.approx(3 / 0.014)


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
    run = read_line(json.dumps(LINE), COMMON)
    assert run[Figure.CPU_OPERATION] == 10_000
    assert run[Figure.CLIENT_CPU] == 0.25
    assert run[Figure.ERRORS] == 0


def test_a_list_without_all_objects_is_an_error_and_no_fast_list():
    assert read_line(json.dumps(LINE | {"items_per_list": 999}), COMMON)[Figure.ERRORS] == 3


def test_kbench_fanout_line():
    line = {"w": 10, "n": 100, "secs": 1, "client_cpu_s": 0.1, "write_errors": 0, "lost": 3, "dup": 0, "ooo": 1, "server_cuts": 2}
    run = read_line(json.dumps(line), FANOUT)
    assert (run[Figure.LOST], run[Figure.DUPLICATED], run[Figure.DISORDERED], run[Figure.CUTS]) == (3, 0, 1, 2)


@pytest.mark.parametrize("line", ["", "kbench: no", "[]", "{}", '{"secs": "x", "client_cpu_s": 1}'])
def test_no_result_is_an_error(line: str):
    with pytest.raises(ClientFailed, match="no result"):
        read_line(line, COMMON)
