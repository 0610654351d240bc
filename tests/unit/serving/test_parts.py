"""The doors' parts without sockets: limits of the process, compression, bodies."""

from __future__ import annotations

import platform
import resource
import sys
import zlib

import pytest
import trio

from watchd.serving import limits
from watchd.serving.compress import GZIP_THRESHOLD, GzipSink, accepts_gzip
from watchd.serving.http1_body import DRAIN_BODY
from watchd.serving.incoming import Body
from watchd.status import StatusError


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip;q=1.0, br", True),
        ("gzip;q=0", False),
        ("gzip; Q=0.000", False),
        ("x-gzip", False),
        ("gzipped", False),
        ("br, zstd", False),
        ("*", False),
    ],
)
def test_accept_encoding(header, expected):
    assert accepts_gzip(header) is expected


class Recorder:
    """A sink that keeps what it gets."""

    def __init__(self):
        self.parts = []
        self.compressed = None

    async def open(self, compressed):
        self.compressed = compressed
        return self

    async def send_all(self, data):
        self.parts.append(bytes(data))


@pytest.mark.parametrize("size", [0, 1, GZIP_THRESHOLD, GZIP_THRESHOLD + 1, 1_000_000])
@pytest.mark.parametrize("step", [1000, 65536, 1_000_000])
async def test_gzip_keeps_every_byte(size, step):
    data = bytes(n % 251 for n in range(size))
    recorder = Recorder()
    sink = GzipSink(recorder.open)
    for start in range(0, size, step):
        await sink.send_all(data[start : start + step])
    await sink.finish()
    sent = b"".join(recorder.parts)
    assert recorder.compressed is (size > GZIP_THRESHOLD)
    assert (zlib.decompress(sent, 16 + zlib.MAX_WBITS) if recorder.compressed else sent) == data


def body(messages, headers=None, most=100):
    """A body whose messages come from a list; it blocks at the end of the list."""
    rest = iter(messages)

    async def receive():
        message = next(rest, None)
        if message is None:
            await trio.sleep_forever()
        return message

    return Body(receive, headers or {}, most, 5.0)


def part(data, more):
    return {"type": "http.request", "body": data, "more_body": more}


async def test_a_body_is_read_once_and_kept(autojump_clock):
    read = body([part(b"ab", True), part(b"c", False)])
    assert await read.read(100) == b"abc"
    assert await read.read(100) == b"abc"
    assert await read.drain()


@pytest.mark.parametrize("headers", [{}, {"content-length": "5"}])
async def test_the_smaller_limit_counts(autojump_clock, headers):
    for limit, most in ((4, 100), (100, 4)):
        with pytest.raises(StatusError, match="Request entity too large: limit is 4") as caught:
            await body([part(b"12345", False)], headers, most).read(limit)
        assert caught.value.code == 413


async def test_a_client_that_leaves_or_stops(autojump_clock):
    with pytest.raises(StatusError, match="unexpected EOF"):
        await body([part(b"a", True), {"type": "http.disconnect"}]).read(100)
    stopped = body([part(b"a", True)], {"transfer-encoding": "chunked"})
    with pytest.raises(StatusError) as caught:
        await stopped.read(100)
    assert caught.value.code == 504
    before = trio.current_time()
    assert not await stopped.drain()
    assert trio.current_time() == before


async def test_draining_is_bounded_in_bytes_and_time(autojump_clock):
    piece = part(bytes(1 << 20), True)
    endless = body([piece] * 100, {"transfer-encoding": "chunked"})
    assert not await endless.drain()
    slow = body([piece], {"content-length": str(DRAIN_BODY)})
    before = trio.current_time()
    assert not await slow.drain()
    assert trio.current_time() - before == pytest.approx(5)
    assert await body([], {}).drain()
    assert await body([], {"content-length": "0"}).drain()


def test_descriptors_are_raised_to_the_hard_limit(monkeypatch):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
    try:
        got = limits.raise_descriptors()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
        assert str(got) == f"{hard} descriptors"

        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))

        def refuse(*_):
            raise ValueError("not allowed")

        monkeypatch.setattr(limits.resource, "setrlimit", refuse)
        assert str(limits.raise_descriptors()) == f"{min(256, hard)} of {hard} descriptors"
    finally:
        monkeypatch.undo()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


ROUNDS = """
import resource, sys
from watchd.serving.limits import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
for number in range(30):
    if number == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    parts = [b"x" * 500_000 for _ in range(3)]
    parts.clear()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that is told")
async def test_freed_memory_is_kept_for_the_next_answer():
    faults = {}
    for how in ("keep", "leave"):
        done = await trio.run_process([sys.executable, "-c", ROUNDS, how], capture_stdout=True)
        faults[how] = int(done.stdout)
    assert faults["keep"] < faults["leave"] / 10
