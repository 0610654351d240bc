from __future__ import annotations

import ssl
from functools import partial

import attrs
import httpx
import pytest
import trio

from storage.compact import Retention
from storage.errors import AlreadyOpen
from storage.lmdb_log import LmdbLog
from storage.memory_log import MemoryLog
from watchd import server as composition
from watchd.config import Config
from watchd.seams import SystemClock, SystemEntropy, ThreadRunner
from watchd.server import Running, StartError
from watchd.serving.listeners import ListenError
from watchd.values import Address

ANY = Address("127.0.0.1", 0)
SEAMS = {"clock": SystemClock(), "entropy": SystemEntropy(), "runner": ThreadRunner()}


@attrs.define
class Started:
    running: Running
    stop: trio.Event
    ended: trio.Event

    async def end(self) -> None:
        self.stop.set()
        await self.ended.wait()

    def client(self) -> httpx.AsyncClient:
        tls = ssl.create_default_context(cadata=self.running.credentials.ca_certificate)
        headers = {"Authorization": f"Bearer {self.running.credentials.admin_token}"}
        return httpx.AsyncClient(base_url=self.running.url, verify=tls, headers=headers, timeout=20)


async def begin(nursery: trio.Nursery, config: Config) -> Started:
    stop, ended = trio.Event(), trio.Event()

    async def run(task_status):
        try:
            await composition.run(config, **SEAMS, stop=stop, task_status=task_status)
        finally:
            ended.set()

    return Started(await nursery.start(run), stop, ended)


async def test_a_durable_server_ends_and_starts_again_where_it_was(nursery, tmp_path):
    config = Config(data_dir=tmp_path / "data", bind=ANY)
    first = await begin(nursery, config)
    head = first.running.log.head
    assert head > 0
    await first.end()
    # At the same port: the kubernetes Service tells it.
    port = int(first.running.url.rpartition(":")[2])
    second = await begin(nursery, Config(data_dir=tmp_path / "data", bind=Address("127.0.0.1", port)))
    assert second.running.log.head == head
    async with second.client() as client:
        names = {item["metadata"]["name"] for item in (await client.get("/api/v1/namespaces")).json()["items"]}
    assert {"default", "kube-system"} <= names
    await second.end()


async def test_a_wildcard_address_is_reached_on_loopback(nursery, tmp_path):
    started = await begin(nursery, Config(data_dir=tmp_path, memory=True, bind=Address("0.0.0.0", 0)))
    assert started.running.url.startswith("https://127.0.0.1:")
    async with started.client() as client:
        assert (await client.get("/readyz")).text == "ok"
    await started.end()


@pytest.mark.parametrize("memory", [True, False])
async def test_a_failed_start_lets_go_of_everything(nursery, tmp_path, memory):
    data = tmp_path / "data"
    with pytest.RaisesGroup(ListenError, flatten_subgroups=True, allow_unwrapped=True):
        await composition.run(Config(data_dir=data, memory=memory, bind=Address("192.0.2.1", 0)), **SEAMS)
    # The lock is free and the log closed: another server can start here.
    started = await begin(nursery, Config(data_dir=data, memory=memory, bind=ANY))
    with pytest.raises(AlreadyOpen):
        await composition.run(Config(data_dir=data, memory=memory, bind=ANY), **SEAMS)
    await started.end()


async def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="cannot be used"):
        await composition.run(Config(data_dir=tmp_path / "file" / "data", memory=True, bind=ANY), **SEAMS)


async def test_a_cancelled_server_closes_its_log(tmp_path):
    config = Config(data_dir=tmp_path / "data", bind=ANY)
    async with trio.open_nursery() as nursery:
        started = await begin(nursery, config)
        nursery.cancel_scope.cancel()
    log = await LmdbLog.open(tmp_path / "data", clock=SystemClock(), runner=ThreadRunner())
    assert log.head == started.running.log.head
    await log.aclose()


async def test_the_server_outlives_a_log_that_takes_no_more_writes(nursery):
    log = MemoryLog(clock=SystemClock())
    await nursery.start(log.run)
    await log.aclose()
    with trio.fail_after(5):
        await composition._compact(log, Retention(), SystemClock())


async def test_stop_before_the_start_is_over_still_ends_in_order(tmp_path):
    stop = trio.Event()
    stop.set()
    with trio.fail_after(20):
        await partial(composition.run, Config(memory=True, bind=ANY), **SEAMS, stop=stop)()
