"""An in-process server for tests: the real one, over a log in memory, on a free port.

From a Trio test, in its nursery:

    async with watchd.testing.start(nursery) as server:
        ...

From any other test, in a thread of its own:

    with watchd.testing.serve_in_thread() as server:
        ...

The pytest fixture `watchd_server` is the latter, anew for each test that asks for it.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio

from watchd import server as composition
from watchd.config import Config
from watchd.groups import sole
from watchd.seams import Clock, Entropy, Runner, SystemClock, SystemEntropy, ThreadRunner
from watchd.values import Address

ANY_PORT = Address("127.0.0.1", 0)
"""A free port of the loopback interface."""

JOIN_SECONDS = 30.0
"""How long the server's thread may take to end: more than the grace of its shutdown."""

GRACE_SECONDS = 1.0
"""How long requests under way may keep a test from ending."""


@attrs.frozen
class Server:
    """A server that is ready."""

    url: str
    """With TLS."""
    http_url: str
    """Without TLS: no certificate to hand to the client. Tokens are asked for all the same."""
    token: str = attrs.field(repr=False)
    """A bearer token that may do everything."""
    ca_file: Path
    """Certificate that vouches for `url`, PEM."""
    kubeconfig: Path
    """For `url`, as kubectl and client libraries read it."""

    @property
    def headers(self) -> dict[str, str]:
        """The Authorization header."""
        return {"Authorization": f"Bearer {self.token}"}


def memory_config(**settings: Any) -> Config:
    """Return a configuration for tests: memory only, free ports; `settings` are fields of watchd.config.Config."""
    defaults = {"memory": True, "bind": ANY_PORT, "insecure_http": ANY_PORT, "shutdown_grace": GRACE_SECONDS}
    return Config(**{**defaults, **settings})


@asynccontextmanager
async def start(
    nursery: trio.Nursery,
    *,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
    runner: Runner | None = None,
    **settings: Any,
) -> AsyncIterator[Server]:
    """Give a server that runs in the caller's nursery and ends in order with the block.

    Args:
        nursery: where its tasks run.
        clock: the time of day; tests of expiry bring their own.
        entropy: uids and generated names; a seeded one makes them the same in each run.
        runner: where blocking work is done: InlineRunner under Trio's autojump clock.
        settings: fields of watchd.config.Config.

    """
    stop, ended = trio.Event(), trio.Event()

    async def run(*, task_status: trio.TaskStatus[composition.Running]) -> None:
        try:
            await composition.run(
                memory_config(**settings),
                clock=clock or SystemClock(),
                entropy=entropy or SystemEntropy(),
                runner=runner or ThreadRunner(),
                stop=stop,
                task_status=task_status,
            )
        finally:
            ended.set()

    running: composition.Running = await nursery.start(run)
    try:
        yield _server(running)
    finally:
        stop.set()
        await ended.wait()


@contextmanager
def serve_in_thread(**settings: Any) -> Iterator[Server]:
    """Give a server that runs in a thread, for tests that are synchronous or run another event loop.

    Ends it in order with the block, and raises what it failed with.
    """
    ready: Future[tuple[composition.Running, trio.lowlevel.TrioToken, trio.Event]] = Future()
    failures: list[BaseException] = []
    config = memory_config(**settings)

    def work() -> None:
        try:
            trio.run(partial(_run_in_thread, config, ready))
        except BaseException as error:  # noqa: BLE001 - handed to the test, in whichever thread waits for it
            if ready.done():
                failures.append(sole(error))
            else:
                ready.set_exception(sole(error))

    # A daemon: a server that hangs fails its test, and must not keep the test run from ending.
    thread = threading.Thread(target=work, name="watchd", daemon=True)
    thread.start()
    running, token, stop = ready.result()
    try:
        yield _server(running)
    finally:
        token.run_sync_soon(stop.set)
        thread.join(JOIN_SECONDS)
        if thread.is_alive():
            raise TimeoutError(f"the server did not end within {JOIN_SECONDS} seconds")
    if failures:
        raise failures[0]


async def _run_in_thread(
    config: Config, ready: Future[tuple[composition.Running, trio.lowlevel.TrioToken, trio.Event]]
) -> None:
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        run = partial(
            composition.run, config, clock=SystemClock(), entropy=SystemEntropy(), runner=ThreadRunner(), stop=stop
        )
        running: composition.Running = await nursery.start(run)
        ready.set_result((running, trio.lowlevel.current_trio_token(), stop))


def _server(running: composition.Running) -> Server:
    return Server(
        url=running.url,
        http_url=running.insecure_url or "",
        token=running.credentials.admin_token,
        ca_file=running.credentials.ca_file,
        kubeconfig=running.credentials.kubeconfig,
    )
