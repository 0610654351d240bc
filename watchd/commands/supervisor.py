"""`watchd serve --workers`: the process above the workers. It holds the data's lock and the sockets that listen.

It starts the workers and the process that commits for all of them, puts another in the place of one that dies or hangs, and
hands on the signal to end. It serves nothing itself. When it is gone, all of them end at once.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import attrs
import trio

from storage.committer_process import CommitterProcess, search_path
from storage.errors import StorageError
from watchd.commands.channel import Channel, Failed, Pong, Ready, Renewed, Start, Stop
from watchd.commands.failure import CommandFailed
from watchd.commands.heartbeat import HANG_SECONDS, Heartbeat
from watchd.commands.signals import SIGNALS, announce, obey
from watchd.config import Config
from watchd.credentials import Credentials, prepare
from watchd.groups import sole
from watchd.seams import Runner, SystemClock, ThreadRunner
from watchd.serving.listeners import Listener, ListenError, Tls, bind

_WORKER: Final = "watchd.commands.worker"

AGAIN_SECONDS: Final = (0.1, 0.5, 2.0, 10.0)
"""Before another worker is started in the place of one that died: soon at first, then rarely."""

HEALTHY_SECONDS: Final = 60.0
"""A worker that lived so long has earned a quick successor again."""

END_SECONDS: Final = 5.0
"""How long a worker whose channel has ended may take to end itself; it does so at once unless it hangs."""

logger = logging.getLogger("watchd")


def serve_with_workers(config: Config, committer: CommitterProcess) -> None:
    """Serve until a signal ends it. Raises CommandFailed."""
    try:
        trio.run(_serve_until_signal, config, committer)
    except* (ListenError, StorageError) as group:
        raise CommandFailed(str(sole(group))) from group


async def _serve_until_signal(config: Config, committer: CommitterProcess) -> None:
    runner = ThreadRunner()
    stop = trio.Event()
    with trio.open_signal_receiver(*SIGNALS) as signals:
        async with trio.open_nursery() as nursery:
            supervisor = Supervisor(config, committer, runner)
            nursery.start_soon(obey, signals, stop, supervisor.kill)
            await supervisor.run(stop)
            nursery.cancel_scope.cancel()
    await committer.aclose()


class Supervisor:
    """The workers, the sockets they share, and the process that commits for them."""

    def __init__(self, config: Config, committer: CommitterProcess, runner: Runner) -> None:
        self._config = config
        self._committer = committer
        self._runner = runner
        self._workers: dict[int, _Worker] = {}
        """By index, those that are alive."""
        self._generation = 1
        self._failed: str | None = None
        """Why there is no process that commits any more."""
        self._stopping = False
        self._moved = trio.Event()
        """A worker has ended."""

    async def run(self, stop: trio.Event) -> None:
        """Serve until `stop` is set, then end in order. Raises ListenError, StorageError, CommandFailed."""
        config = self._config
        names = [config.bind.host, *config.tls_san] if not config.bind.wildcard else list(config.tls_san)
        await self._committer.opened()
        assert config.data_dir is not None  # noqa: S101 - refused with --memory
        # Before the workers, who would each make one.
        credentials = await self._runner.run_sync(partial(prepare, config.data_dir, names, clock=SystemClock()))
        doors = await self._bind(credentials)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._look_after_committer)
                ready: dict[int, Ready] = {}

                async def begin(index: int) -> None:
                    ready[index] = await nursery.start(self._keep, index, doors)

                async with trio.open_nursery() as starting:
                    for index in range(config.workers):
                        starting.start_soon(begin, index)
                first = ready[0]
                announce(first.kubeconfig, first.url, first.insecure_url)
                logger.info("ready", extra={"url": first.url, "head": first.head, "floor": first.floor})
                await stop.wait()
                self._stopping = True
                for worker in list(self._workers.values()):
                    await worker.channel.send(Stop())
                await trio.sleep(config.shutdown_delay)
                # The workers take no new connections any more: nor may these, which nobody accepts from.
                _close(doors)
                while self._workers:
                    await self._moved.wait()
                nursery.cancel_scope.cancel()
        finally:
            self.kill()
            _close(doors)

    def kill(self) -> None:
        """End every worker at once: each sees the end of its channel, and is killed besides."""
        for worker in self._workers.values():
            worker.process.kill()

    async def _bind(self, credentials: Credentials) -> list[tuple[str, socket.socket]]:
        """Listen on every address, and return the sockets with their schemes. Raises ListenError."""
        listeners = [Listener(self._config.bind, Tls(credentials.server_file))]
        if self._config.insecure_http is not None:
            listeners.append(Listener(self._config.insecure_http))
        doors: list[tuple[str, socket.socket]] = []
        try:
            for listener in listeners:
                for bound in await bind(listener):
                    # Trio's sockets are made to be accepted from; these are only handed on.
                    doors.append((listener.scheme, socket.socket(fileno=os.dup(bound.socket.fileno()))))
                    bound.socket.close()
        except BaseException:
            _close(doors)
            raise
        return doors

    async def _keep(
        self,
        index: int,
        doors: Sequence[tuple[str, socket.socket]],
        *,
        task_status: trio.TaskStatus[Ready],
    ) -> None:
        """Keep one worker alive. Started with the first that is ready. Raises CommandFailed where that cannot be."""
        failures = 0
        started = False

        def note(ready: Ready) -> None:
            nonlocal started
            if not started:
                started = True
                task_status.started(ready)

        while not self._stopping:
            began = trio.current_time()
            try:
                worker = await self._start(index, doors)
            except StorageError as error:
                if not started:
                    raise
                # Out of processes or memory for a while: the other workers serve on.
                logger.error("worker %d: %s", index, error)  # noqa: TRY400 - the reason is the machine's, not a bug's
                await trio.sleep(AGAIN_SECONDS[-1])
                continue
            try:
                failed = await self._hear(index, worker, note)
            finally:
                with trio.CancelScope(shield=True):
                    status = await worker.end(self._runner)
                    del self._workers[index]
                    self._moved.set()
                    self._moved = trio.Event()
            if failed is not None:
                if not started:
                    raise CommandFailed(failed)
                logger.error("worker %d: %s", index, failed)
            if self._stopping:
                return
            if not started:
                raise CommandFailed(f"worker {index} ended with status {status} before it served")
            logger.error("worker %d ended with status %d: another is started", index, status)
            failures = 0 if trio.current_time() - began > HEALTHY_SECONDS else failures + 1
            await trio.sleep(AGAIN_SECONDS[min(max(failures, 1), len(AGAIN_SECONDS)) - 1])

    async def _hear(self, index: int, worker: _Worker, ready: Callable[[Ready], None]) -> str | None:
        """Listen to a worker until its end, and return why it could not serve where it has said so."""
        failed = None
        async with trio.open_nursery() as nursery:
            while (received := await worker.channel.receive()) is not None:
                match received[0]:
                    case Pong():
                        worker.heartbeat.heard()
                    case Ready() as said:
                        nursery.start_soon(self._end_if_it_hangs, index, worker)
                        ready(said)
                    case Failed(text):
                        failed = text
            nursery.cancel_scope.cancel()
        return failed

    @staticmethod
    async def _end_if_it_hangs(index: int, worker: _Worker) -> None:
        await worker.heartbeat.run()
        logger.error("worker %d has not answered for %d s: it is killed", index, HANG_SECONDS)
        worker.process.kill()

    async def _start(self, index: int, doors: Sequence[tuple[str, socket.socket]]) -> _Worker:
        worker = await self._runner.run_sync(_Worker.spawn, index)
        self._workers[index] = worker
        schemes = tuple(scheme for scheme, _ in doors)
        start = Start(self._config, self._committer.options, schemes, self._generation)
        calls, news = self._committer.connect()
        with calls, news:
            descriptors = [door.fileno() for _, door in doors]
            await worker.channel.send(start, [*descriptors, calls.fileno(), news.fileno()])
        if self._failed is not None:
            await worker.channel.send(Renewed(self._generation, self._failed))
        return worker

    async def _look_after_committer(self) -> None:
        """Put another process that commits in the place of one that dies, and connect the workers to it."""
        while True:
            await self._committer.died()
            try:
                await self._committer.restart()
            except StorageError as error:
                self._failed = str(error)
                for worker in list(self._workers.values()):
                    await worker.channel.send(Renewed(self._generation, self._failed))
                return
            self._generation += 1
            for worker in list(self._workers.values()):
                calls, news = self._committer.connect()
                with calls, news:
                    await worker.channel.send(Renewed(self._generation), [calls.fileno(), news.fileno()])


@attrs.frozen(eq=False)
class _Worker:
    """A process that serves."""

    process: subprocess.Popen[bytes]
    channel: Channel
    heartbeat: Heartbeat

    @classmethod
    def spawn(cls, index: int) -> _Worker:
        """Start one, which waits for its first message. Raises StorageError."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            try:
                process = subprocess.Popen(  # noqa: S603 - this interpreter, and this package's own module
                    [sys.executable, "-s", "-P", "-m", _WORKER, str(its.fileno()), str(index)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[its.fileno()],
                    env={**os.environ, "PYTHONPATH": search_path()},
                    # Ctrl-C goes to the terminal's whole process group.
                    process_group=0,
                )
            except OSError as error:
                ours.close()
                raise StorageError(f"no worker can be started: {error.strerror}") from error
        channel = Channel(ours)
        return cls(process, channel, Heartbeat(channel))

    async def end(self, runner: Runner) -> int:
        """Tell it by the channel's end to end at once, and see that; return its status."""
        self.channel.close()
        return await runner.run_sync(self._reap)

    def _reap(self) -> int:
        try:
            return self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def _close(doors: Sequence[tuple[str, socket.socket]]) -> None:
    for _, door in doors:
        door.close()
