"""What a log whose committer is a process promises besides: the process may die at any instant, and so may the log's."""

from __future__ import annotations

import os
import random  # noqa: TID251 - when to kill, from a seed that is printed
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path

import attrs
import lmdb
import pytest
import trio
import trio.testing

from storage import committer_process, committer_wire, lock
from storage.committer_child import Service
from storage.committer_process import CommitterProcess
from storage.errors import AlreadyOpen, Conflict, LogClosed, LogFull, OutcomeUnknown, StorageError
from storage.layout import State
from storage.lmdb_log import LmdbLog
from storage.types import NOTHING, Check, KindId, Record, Revision, Scope, Write
from storage.verify import verify
from tests.contract.conftest import OpenLmdb, delete, key, put, until

SEED = int(os.environ.get("WATCHD_KILL_SEED", "20260101"))
ALL = Scope(b"")

KILLS = 12
WRITERS = 16
BETWEEN = (20, 200)
"""Answered writes between two kills: drawn between these two."""

SECONDS = 60.0
"""Far more than any of these tests takes; a hang fails instead of stopping the suite."""


def pid_of(log: LmdbLog) -> int:
    """Return which process commits now."""
    process = log._release.__self__  # type: ignore[attr-defined]  # what the log has been opened under
    assert isinstance(process, CommitterProcess)
    return process.pid


def state_of(pid: int) -> str:
    """Return a process's state as ps shows it, Z also where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return "Z"


def is_running(pid: int) -> bool:
    """Tell whether a process runs: what is left of one whose parent is dead may wait for whoever inherits it."""
    return state_of(pid) != "Z"


async def stop(pid: int) -> None:
    """Stop a process, and see it stand still: it may be on its way into a transaction."""
    os.kill(pid, signal.SIGSTOP)
    await until(lambda: state_of(pid) == "T")


def exists(pid: int) -> bool:
    """Tell whether there is such a process, or what is left of one that nobody has waited for."""
    return Path(f"/proc/{pid}").exists()


async def check(log: LmdbLog, published: list[Record]) -> None:
    """Hold the log to itself: fold(log) == current, and what was published is what is stored."""
    assert (await verify(log)).problems == ()
    stored = (await log.read(Revision(0), scope=ALL, limit=1_000_000, max_bytes=1 << 30)).records
    assert [record.revision for record in stored] == list(range(1, log.head + 1))
    assert published == stored


# The process dies --------------------------------------------------------------------------------------------------


async def test_killed_at_any_instant_under_load_it_loses_nothing(open_process: OpenLmdb) -> None:
    print(f"seed {SEED}: WATCHD_KILL_SEED repeats its choices")
    rng = random.Random(SEED)
    log = await open_process()
    published: list[Record] = []
    log.subscribe(published.extend)
    answered: dict[int, str] = {}
    absent: set[str] = set()
    unknown = 0
    done = False

    async def write(number: int) -> None:
        nonlocal unknown
        revision = Revision(0)
        value = 0
        while not done:
            value += 1
            path, body = f"ns/{number}", b'{"v":"","n":%d}' % value
            gone = revision and rng.random() < 0.2
            try:
                record = await log.append(delete(path, expect=revision) if gone else put(path, body, expect=revision))
            except OutcomeUnknown:
                unknown += 1
                stored = await log.get(key(path))
                revision = stored.revision if stored else Revision(0)
            else:
                assert record.revision not in answered
                answered[record.revision] = path
                revision = Revision(0) if gone else record.revision
                (absent.add if gone else absent.discard)(path)

    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            for number in range(WRITERS):
                nursery.start_soon(write, number)
            pids = set()
            for _ in range(KILLS):
                enough = len(answered) + rng.randint(*BETWEEN)
                await until(lambda: len(answered) >= enough)  # noqa: B023 - waited for here
                # Anywhere within the few milliseconds of a batch.
                await trio.sleep(rng.random() * 0.004)
                pid = pid_of(log)
                if pid not in pids:
                    pids.add(pid)
                    os.kill(pid, signal.SIGKILL)
            done = True
    # Nobody writes what another writer writes: each append could be told apart.
    assert unknown == 0
    assert log.failed is None
    assert len(pids) >= KILLS // 2
    await check(log, published)
    stored = {record.revision: record.key[4:].decode() for record in published}
    assert answered.items() <= stored.items()
    left = {item.key[4:].decode() for item in (await log.scan(b"", limit=99)).items}
    assert left == {f"ns/{number}" for number in range(WRITERS)} - absent
    assert not any(map(exists, pids))


async def test_one_that_dies_idle_is_replaced_at_once(open_process: OpenLmdb) -> None:
    log = await open_process()
    await log.append(put("ns/a"))
    before = pid_of(log)
    with trio.fail_after(SECONDS):
        os.kill(before, signal.SIGKILL)
        await until(lambda: pid_of(log) != before and not log._committer.gone)
    assert not exists(before)
    assert (await log.append(put("ns/a"))).revision == 2


async def test_a_batch_of_which_nothing_was_committed_is_committed_anew(open_process: OpenLmdb) -> None:
    log = await open_process()
    published: list[Record] = []
    log.subscribe(published.extend)
    await log.append(put("ns/a"))
    await stop(pid_of(log))
    records: list[Record] = []

    async def write(path: str) -> None:
        records.append(await log.append(put(path, expect=0)))

    with trio.fail_after(SECONDS):
        async with trio.open_nursery() as nursery:
            for path in ("ns/b", "ns/c"):
                nursery.start_soon(write, path)
            await trio.testing.wait_all_tasks_blocked()
            os.kill(pid_of(log), signal.SIGKILL)
    assert sorted(record.revision for record in records) == [2, 3]
    await check(log, published)


@pytest.fixture
def die(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets the next batch's process die, before its transaction or after it."""
    file = tmp_path / "death"
    monkeypatch.setenv("WATCHD_TEST_DEATH", str(file))
    monkeypatch.setattr(committer_process, "_CHILD", "tests.contract.dying_committer")
    return file.write_text


@attrs.define
class Batch:
    """A log with ns/a and ns/b in it, and one batch that waits for `commit`."""

    log: LmdbLog
    nursery: trio.Nursery
    published: list[Record] = attrs.field(factory=list)
    outcomes: dict[str, object] = attrs.field(factory=dict)
    _done: dict[str, trio.Event] = attrs.field(factory=dict)

    async def add(self, name: str, write: Write, *checks: Check) -> None:
        self._done[name] = trio.Event()
        self.nursery.start_soon(self._append, name, write, checks)
        # Each is in the inbox before the next comes.
        await trio.testing.wait_all_tasks_blocked()

    async def _append(self, name: str, write: Write, checks: tuple[Check, ...]) -> None:
        try:
            self.outcomes[name] = (await self.log.append(write, checks=checks)).revision
        except Conflict as conflict:
            self.outcomes[name] = (conflict.expected, conflict.actual)
        except StorageError as error:
            self.outcomes[name] = type(error)
        self._done[name].set()

    async def commit(self) -> dict[str, object]:
        with trio.fail_after(SECONDS):
            await self.nursery.start(self.log.run)
            for done in self._done.values():
                await done.wait()
        return self.outcomes


@pytest.fixture
async def batch(die: Callable[[str], None], open_process: OpenLmdb, nursery: trio.Nursery) -> Batch:
    log = await open_process()
    await log.append(put("ns/a"))
    await log.append(put("ns/b"))
    before = (await log.read(Revision(0), scope=ALL, limit=9, max_bytes=1 << 20)).records
    await log.aclose()
    batch = Batch(await open_process(run=False), nursery, before)
    batch.log.subscribe(batch.published.extend)
    return batch


@pytest.mark.parametrize("death", ["before", "after"])
async def test_a_batch_is_answered_truthfully(batch: Batch, die: Callable[[str], None], death: str) -> None:
    await batch.add("put", put("ns/c", expect=0))
    await batch.add("update", put("ns/a", b'{"v":"","again":1}', expect=1))
    await batch.add("late", put("ns/a", expect=1))
    await batch.add("delete", delete("ns/b", expect=2))
    await batch.add("check", put("ns/d"), Check(key("ns/b"), Revision(2)))
    await batch.add("same", put("ns/e"))
    await batch.add("again", put("ns/e"))
    die(death)
    assert await batch.commit() == {
        "put": 3,
        "update": 4,
        "late": (1, 4),
        "delete": 5,
        "check": (2, 0),
        "same": 6,
        "again": 7,
    }
    await check(batch.log, batch.published)


async def test_like_writes_of_which_one_is_stored_are_told_apart(batch: Batch, die: Callable[[str], None]) -> None:
    await batch.add("one", put("ns/a", expect=1))
    await batch.add("other", put("ns/a"), Check(key("ns/b"), Revision(1)))
    await batch.add("apart", put("ns/c"))
    die("after")
    assert await batch.commit() == {"one": 3, "other": (1, 2), "apart": 4}
    await check(batch.log, batch.published)


async def test_a_batch_that_kills_every_process_is_given_up(
    batch: Batch, die: Callable[[str], None], tmp_path: Path
) -> None:
    await batch.add("one", put("ns/c"))
    die("always")
    assert await batch.commit() == {"one": StorageError}
    (tmp_path / "death").unlink()
    assert (await batch.log.append(put("ns/c"))).revision == 3
    await check(batch.log, batch.published)


@pytest.mark.parametrize("death", ["before", "after"])
async def test_an_allotment_and_a_compaction_are_seen_through(
    batch: Batch, die: Callable[[str], None], death: str
) -> None:
    log = batch.log
    await batch.commit()
    die(death)
    kind = await log.kind("pods")
    assert dict(log.kinds()) == {"pods": kind}
    await log.append(put("ns/a"))
    die(death)
    assert await log.compact(log.head) == log.floor == 3
    assert (await verify(log)).problems == ()
    assert (await log.append(put("ns/a"))).revision == 4


async def test_where_no_other_can_be_started_writes_stop_and_reads_go_on(
    open_process: OpenLmdb, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await open_process()
    await log.append(put("ns/a"))
    monkeypatch.setattr(committer_process, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(committer_process.sys, "executable", "/nonexistent/python")
    with trio.fail_after(SECONDS):
        await stop(pid_of(log))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_refused, log, OutcomeUnknown)
            await trio.testing.wait_all_tasks_blocked()
            os.kill(pid_of(log), signal.SIGKILL)
    assert log.failed is not None
    assert "the process that commits has died" in log.failed
    assert "No such file or directory" in log.failed
    await _refused(log, LogClosed)
    stored = await log.get(key("ns/a"))
    assert stored is not None
    assert stored.revision == log.head == 1


async def _refused(log: LmdbLog, error: type[StorageError]) -> None:
    with pytest.raises(error):
        await log.append(put("ns/b"))


# The process lives -------------------------------------------------------------------------------------------------


async def test_signals_to_the_whole_service_do_not_end_it(open_process: OpenLmdb) -> None:
    log = await open_process()
    pid = pid_of(log)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(pid, number)
    assert (await log.append(put("ns/a"))).revision == 1
    assert pid_of(log) == pid
    assert os.getpgid(pid) != os.getpgid(0)
    await log.aclose()
    assert not exists(pid)


async def test_a_write_too_long_for_a_message_is_refused(
    open_process: OpenLmdb, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await open_process()
    monkeypatch.setattr(committer_wire, "MESSAGE_BYTES", 1 << 20)
    with pytest.raises(LogFull, match="limit"):
        await log.append(put("ns/a", b'{"v":"","p":"%b"}' % (b"x" * (1 << 20))))
    assert (await log.append(put("ns/a"))).revision == 1


async def test_long_messages_arrive_whole(open_process: OpenLmdb) -> None:
    log = await open_process()
    body = b'{"v":"","p":"%b"}' % (b"x" * (5 << 20))
    for _ in range(3):
        await log.append(put("ns/a", body))
    gone = await log.append(delete("ns/a"))
    assert gone.body == body.replace(b'""', b'"4"', 1)


# The log's own process dies ----------------------------------------------------------------------------------------

SERVER = """
import sys, trio
from pathlib import Path
from storage.committer_process import CommitterProcess
from storage.environment import Options
from storage.lmdb_log import LmdbLog
from storage.types import KindId, Op, Write, make_key
from watchd.seams import SystemClock, ThreadRunner

async def main():
    runner = ThreadRunner()
    committer = CommitterProcess.start(Path(sys.argv[1]), Options(cluster_id="c"), runner=runner)
    log = await LmdbLog.attach(committer, token=bytes(16), clock=SystemClock(), runner=runner)
    async with trio.open_nursery() as nursery:
        await nursery.start(log.run)
        while sys.stdin.readline():
            nursery.start_soon(log.append, Write(make_key(KindId(1), "ns/a"), Op.PUT, b"h", b"x" * 1000, 3))
            await trio.sleep(float(sys.argv[2]))
            print(committer.pid, log.head, flush=True)

trio.run(main)
"""


@pytest.fixture
async def server(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[trio.Process]:
    """A process with a log that appends once for each line, and tells its committer and its head."""
    command = [sys.executable, "-c", SERVER, str(tmp_path / "data"), "0.05"]
    process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    yield process
    process.kill()
    await process.wait()


async def ask(server: trio.Process) -> tuple[int, int]:
    """Let the server append once; return its committer and its head."""
    assert server.stdin is not None
    assert server.stdout is not None
    await server.stdin.send_all(b"\n")
    told = b""
    while not told.endswith(b"\n"):
        more = await server.stdout.receive_some()
        assert more, "the server has ended"
        told += more
    pid, head = map(int, told.split())
    return pid, head


async def test_it_ends_with_its_server_and_frees_the_data(
    server: trio.Process, open_process: OpenLmdb, tmp_path: Path
) -> None:
    with trio.fail_after(SECONDS):
        pid, head = await ask(server)
        server.kill()
        await server.wait()
        # It waits for the lock that the committer may still hold.
        log = await open_process()
        await until(lambda: not is_running(pid))
    assert log.head == head == 1


class Spy:
    """Notes what it is asked for, in place of a Writer."""

    def __init__(self) -> None:
        self.done: list[Revision] = []

    def compact(self, upto: Revision) -> State:
        self.done.append(upto)
        return State(NOTHING, NOTHING, 0, 0)

    def allot(self, names: list[str]) -> list[KindId]:
        return [KindId(1)] * 500_000


@pytest.fixture
def service() -> Iterator[tuple[Service, Spy, socket.socket]]:
    """What the process is, what it would write with, and its server's end of CONTROL."""
    server, control = socket.socketpair()
    spy = Spy()
    with control, server, closing(Service(control, spy)) as committing:  # type: ignore[arg-type]
        yield committing, spy, server


def connect(service: Service, server: socket.socket) -> socket.socket:
    """Return the calls' end of a log that the service has come to know."""
    (calls, its_calls), (news, its_news) = socket.socketpair(), socket.socketpair()
    with news, its_calls, its_news:
        socket.send_fds(server, [b"c"], [its_calls.fileno(), its_news.fileno()])
        assert service.serve_once()
    return calls


def test_what_a_dead_server_has_left_in_the_sockets_is_not_begun(service: tuple[Service, Spy, socket.socket]) -> None:
    committing, spy, server = service
    with connect(committing, server) as calls, connect(committing, server) as others:
        calls.sendall(committer_wire.framed(committer_wire.Compact(Revision(1))))
        assert committing.serve_once()
        calls.sendall(committer_wire.framed(committer_wire.Compact(Revision(2))))
        calls.close()
        assert committing.serve_once()
        others.sendall(committer_wire.framed(committer_wire.Compact(Revision(3))))
        server.close()
        assert not committing.serve_once()
    assert spy.done == [1]


def test_a_log_that_does_not_read_its_answer_holds_up_no_other(service: tuple[Service, Spy, socket.socket]) -> None:
    committing, spy, server = service
    with connect(committing, server) as slow, connect(committing, server) as other:
        slow.sendall(committer_wire.framed(committer_wire.Allot(["pods"])))
        assert committing.serve_once()
        other.sendall(committer_wire.framed(committer_wire.Compact(Revision(1))))
        assert committing.serve_once()
        assert spy.done == [1]
        slow.settimeout(SECONDS)
        inflow = committer_wire.Inflow()
        assert any(client.unsent for client in committing._clients.values())
        while (message := inflow.take()) is None:
            inflow.add(slow.recv(1 << 20))
            if any(client.unsent for client in committing._clients.values()):
                assert committing.serve_once()
        assert len(message) > 500_000


async def test_no_server_opens_the_data_while_a_dead_ones_process_could_commit(
    server: trio.Process, open_process: OpenLmdb, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(lock, "ORPHAN_SECONDS", 0.05)
    with trio.fail_after(SECONDS):
        pid, head = await ask(server)
        # Its next transaction waits for this one, which is nobody's.
        with lmdb.open(str(tmp_path / "data"), max_dbs=8) as env, env.begin(write=True):
            assert await ask(server) == (pid, head)
            server.kill()
            await server.wait()
            with pytest.raises(AlreadyOpen, match=f"in use by process {server.pid}"):
                await open_process()
        monkeypatch.undo()
        log = await open_process()
    assert not is_running(pid)
    assert log.head == head + 1
