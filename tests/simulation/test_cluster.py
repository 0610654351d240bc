"""Several workers keep every promise of one server, whoever dies, and the validators that say so catch the faults they are for.

To look into a seed: `pytest tests/simulation/test_cluster.py -k promise` prints it with what it broke.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import attrs
import msgspec
import pytest
import trio
import trio.testing
from trio._core import _run as trio_scheduler

from storage import committer
from storage.bus import WatchBus
from storage.committer import Append
from storage.committer_child import Client as CommitterClient
from storage.environment import Environment
from storage.lmdb_log import LmdbLog
from storage.process_committer import ProcessCommitter
from storage.receipt import Asked, stored_by
from storage.types import Batch, Revision
from tests.simulation.clients import Client
from tests.simulation.cluster import Cluster
from tests.simulation.committer import OPTIONS, SharedEnvironment
from tests.simulation.conftest import LivelockError, Watchdog, leaves
from tests.simulation.fault import Fault, Patch
from tests.simulation.history import Expired, History
from tests.simulation.promises import violations
from tests.simulation.worker import serve
from watchd.api.continuation import INCONSISTENT, Continuation
from watchd.credentials import Credentials, prepare
from watchd.seams import SystemClock
from watchd.share import Freshness

SEEDS = range(24)

FAULT_SEEDS = range(25)
"""A fault that none of these finds is one the clients no longer meet."""

WORKERS = 3

WORK_SECONDS = 3.0
"""How long clients write and read, in simulated time."""

SETTLE_SECONDS = 5.0
"""How long watchers have to catch up after that: longer than any request, message and restart together."""

BOOKMARK_SECONDS = 0.2
"""Between two bookmarks: some in each watch."""

SHARED_SECONDS = 0.6
"""How long commits are kept for other workers: longer than the latest message of a simulated worker."""


@attrs.frozen
class Outcome:
    """A run and what it broke."""

    cluster: Cluster
    history: History
    violations: list[str]


Simulate = Callable[[int], Outcome]


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    return prepare(tmp_path_factory.mktemp("credentials"), [], clock=SystemClock())


@pytest.fixture
def simulate(monkeypatch: pytest.MonkeyPatch, credentials: Credentials) -> Simulate:
    """Run the clients and the troubles of a seed to their end; the same seed gives the same run."""
    monkeypatch.setattr(trio_scheduler, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    monkeypatch.setattr("watchd.server.serve", serve)
    monkeypatch.setattr("watchd.server.prepare", lambda *_args, **_settings: credentials)
    monkeypatch.setattr("watchd.serving.groups.perf_counter", trio.current_time)
    monkeypatch.setattr("watchd.serving.watch.BOOKMARK_SECONDS", BOOKMARK_SECONDS)
    monkeypatch.setattr("storage.committer.time", SimpleNamespace(monotonic=trio.current_time))
    monkeypatch.setattr("storage.lmdb_log.SHARED_SECONDS", SHARED_SECONDS)

    async def run(seed: int) -> Outcome:
        with tempfile.TemporaryDirectory() as directory:
            environment = Environment(Path(directory), OPTIONS)

            async def share(*_args: object) -> SharedEnvironment:
                await trio.lowlevel.checkpoint()
                return SharedEnvironment(environment)

            monkeypatch.setattr("storage.lmdb_log._open_to_read", share)
            try:
                with trio.CancelScope() as scope:
                    watchdog = Watchdog(scope)
                    trio.lowlevel.add_instrument(watchdog)
                    return await _run_on(environment, Path(directory), credentials, seed)
                raise LivelockError(f"{watchdog.steps} steps and no end")
            finally:
                environment.close()

    def simulate_(seed: int) -> Outcome:
        trio_scheduler._r.seed(seed)
        return trio.run(run, seed, clock=trio.testing.MockClock(autojump_threshold=0))

    # Workers that die say so, by the hundred.
    logging.disable(logging.CRITICAL)
    try:
        yield simulate_
    finally:
        logging.disable(logging.NOTSET)


async def _run_on(environment: Environment, directory: Path, credentials: Credentials, seed: int) -> Outcome:
    history = History()
    found: list[str] = []
    try:
        async with trio.open_nursery() as nursery:
            cluster = Cluster(environment, directory, credentials, seed, nursery)
            try:
                await cluster.start(WORKERS)
                await _traffic(cluster, history, nursery)
            finally:
                cluster.end()
    except* Exception as errors:  # noqa: BLE001 - the boundary of a run: what a fault raises anywhere is what it broke
        found += [f"whole: {error!r}" for error in leaves(errors)]
    return Outcome(cluster, history, found + cluster.problems + violations(history, cluster.truth))


async def _traffic(cluster: Cluster, history: History, nursery: trio.Nursery) -> None:
    clients = [Client(cluster, history, number) for number in range(13)]
    nursery.start_soon(cluster.trouble)
    async with trio.open_nursery() as watching:
        for client in clients[:4]:
            watching.start_soon(client.keep_watching)
        with trio.move_on_after(WORK_SECONDS):
            async with trio.open_nursery() as working:
                for client in clients[4:8]:
                    working.start_soon(client.keep_writing)
                working.start_soon(clients[8].keep_reading)
                working.start_soon(clients[9].keep_compacting)
                working.start_soon(clients[10].keep_defining)
                working.start_soon(clients[11].keep_serving)
                working.start_soon(clients[12].keep_ending)
        cluster.calm = True
        await trio.sleep(SETTLE_SECONDS)
        # By now all watch and nobody asks: only the committer's word brings this to the other workers.
        await clients[4].write_last()
        await trio.sleep(SETTLE_SECONDS)
        for session in history.sessions:
            session.settled = not any(isinstance(told, Expired) for told in session.told)
        watching.cancel_scope.cancel()


def test_several_workers_keep_every_promise(simulate: Simulate) -> None:
    broken: dict[int, list[str]] = {}
    unknown = refused = expired = definitions = namespaces = 0
    for seed in SEEDS:
        outcome = simulate(seed)
        if outcome.violations:
            broken[seed] = outcome.violations
        unknown += sum(wrote.unknown for wrote in outcome.history.writes)
        refused += sum(wrote.given_up for wrote in outcome.history.writes)
        told = [told for session in outcome.history.sessions for told in session.told]
        expired += len(outcome.history.expired) + sum(isinstance(one, Expired) for one in told)
        definitions += outcome.history.definitions
        namespaces += outcome.history.namespaces
    for seed, found in broken.items():
        print(f"seed {seed}:", *found[:5], sep="\n  ")
    assert broken == {}
    # What the clients must have met, so that the above says anything.
    print(f"{unknown} writes without an answer, {refused} without room, {expired} revisions gone")
    print(f"{definitions} kinds, {namespaces} namespaces")
    assert min(unknown, refused, expired, definitions, namespaces) > 0


def test_a_seed_repeats_its_run(simulate: Simulate) -> None:
    runs = [simulate(7) for _ in range(2)]
    first, second = ([(record.revision, record.key) for record in run.cluster.truth.committed] for run in runs)
    assert first == second
    assert runs[0].history.writes == runs[1].history.writes


# Faults ------------------------------------------------------------------------------------------------------------


def skip_what_another_committed(patch: Patch) -> None:
    read_on = LmdbLog._read_on

    def faulty(log, after, head):
        for batch in read_on(log, after, head):
            yield Batch(batch.records[1:], batch.upto) if len(batch.records) > 1 else batch

    patch(LmdbLog, "_read_on", faulty)


def refuse_what_has_not_come_yet(patch: Patch) -> None:
    take_over_nothing_before_a_request(patch)

    async def faulty(bus, revision, timeout_seconds):
        await trio.lowlevel.checkpoint()
        return bus.head >= revision

    patch(WatchBus, "wait_for", faulty)


def tell_nobody(patch: Patch) -> None:
    patch(CommitterClient, "tell", lambda client: None)


def publish_the_own_alone(patch: Patch) -> None:
    def faulty(log, records):
        if records and records[-1].revision > log._head:
            log._head = records[-1].revision
            log._publish(records)

    patch(LmdbLog, "_apply", faulty)


def wait_for_no_definition(patch: Patch) -> None:
    async def faulty(freshness):
        freshness._log.refresh()
        await trio.lowlevel.checkpoint()

    patch(Freshness, "wait", faulty)


def take_over_nothing_before_a_request(patch: Patch) -> None:
    patch(LmdbLog, "refresh", lambda log: None)


def read_what_is_published(patch: Patch) -> None:
    take_over_nothing_before_a_request(patch)
    get = LmdbLog.get

    async def faulty(log, key, at=None):
        return await get(log, key, max(log._head, log._env.ask(lambda s: s.state.floor)) if at is None else at)

    patch(LmdbLog, "get", faulty)


def commit_anew_without_a_look(patch: Patch) -> None:
    patch("storage.lmdb_log", "aftermath", lambda snapshot, asked, count: [None] * count)


def believe_an_old_receipt(patch: Patch) -> None:
    def faulty(row, asked, count):
        return stored_by(row, asked if row is None else Asked(asked.slot, row[:16], int.from_bytes(row[16:24], "big")), count)

    patch("storage.aftermath", "stored_by", faulty)


def go_on_at_the_newest_state(patch: Patch) -> None:
    decode = Continuation.decode.__func__

    def faulty(cls, token):
        return msgspec.structs.replace(decode(cls, token), revision=INCONSISTENT)

    patch(Continuation, "decode", classmethod(faulty))


def name_the_next_revision_in_bookmarks(patch: Patch) -> None:
    from watchd.serving import watch  # noqa: PLC0415 - what is patched

    frame = watch.bookmark_frame

    def faulty(view, revision, **options):
        return frame(view, Revision(revision + 2), **options)

    patch("watchd.serving.watch", "bookmark_frame", faulty)


def expect_nothing(patch: Patch) -> None:
    patch("storage.committer", "_conflict", lambda append, values: None)


def check_nothing(patch: Patch) -> None:
    write = committer.write_appends

    def faulty(txn, tables, appends, now_ms):
        return write(txn, tables, [Append(append.write) for append in appends], now_ms)

    patch("storage.committer", "write_appends", faulty)


def keep_nothing_for_others(patch: Patch) -> None:
    patch("storage.lmdb_log", "SHARED_SECONDS", 0.0)


def stay_with_a_dead_committer(patch: Patch) -> None:
    async def faulty(committer):
        await trio.sleep_forever()

    patch(ProcessCommitter, "news", faulty)


FAULTS = [
    Fault("a worker skips what another committed", "reliable", skip_what_another_committed),
    Fault("a worker refuses a revision that it has not heard of", "answers", refuse_what_has_not_come_yet),
    Fault("the committer tells nobody", "live", tell_nobody),
    Fault("a worker publishes its own commits alone", "reliable", publish_the_own_alone),
    Fault("a request does not wait for definitions", "answers", wait_for_no_definition),
    Fault("a request finds what its worker has heard of", "answers", take_over_nothing_before_a_request),
    Fault("a worker reads at its own head", "linearizable", read_what_is_published),
    Fault("what a dead committer left is not looked at", "honest", commit_anew_without_a_look),
    Fault("a worker believes a receipt of another request", "durable", believe_an_old_receipt),
    Fault("pages go on at the newest state", "snapshot", go_on_at_the_newest_state),
    Fault("bookmarks are ahead of events", "bookmarkable", name_the_next_revision_in_bookmarks),
    Fault("the committer compares nothing", "compare-and-swap", expect_nothing),
    Fault("a namespace is not looked at when something is created in it", "namespaces", check_nothing),
    Fault("compaction waits for no worker", "whole", keep_nothing_for_others),
    Fault("an idle worker does not hear of the others", "live", stay_with_a_dead_committer),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_validators_find(simulate: Simulate, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    def patch(target: object, name: str, value: object) -> None:
        if isinstance(target, str):
            monkeypatch.setattr(f"{target}.{name}", value)
        else:
            monkeypatch.setattr(target, name, value)

    fault.put_in(patch)
    found: list[str] = []
    for seed in FAULT_SEEDS:
        found = simulate(seed).violations
        if any(violation.startswith(fault.breaks) for violation in found):
            print(f"{fault.name}: found by seed {seed}:", next(v for v in found if v.startswith(fault.breaks)))
            return
    pytest.fail(f"{fault.name}: not found by any seed of {FAULT_SEEDS}; the last one says {found[:3]}")
