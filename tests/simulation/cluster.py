"""`watchd serve --workers` in one process and in simulated time: whole workers over one committer, and what may befall them.

Real are the server (watchd.server.run, all but its door), the logs and their side of the committer, what the committer does
with requests (its Service and Writer over LMDB), how a worker takes over another connection, and every byte between them.
Simulated are time, names, and faults: messages come late, in order on each channel alone; workers and the committer die
at any moment, the committer also between its transaction and the answer, and others take their places.
"""

from __future__ import annotations

import random  # noqa: TID251 - drawn from a seed that each failure names
from pathlib import Path

import trio

from storage.environment import Environment
from tests.simulation.committer import SimulatedCommitter, Truth
from tests.simulation.worker import SimulatedWorker
from watchd.config import Config
from watchd.credentials import Credentials
from watchd.seams import NAME_ALPHABET
from watchd.values import Address


class SeededEntropy:
    """The same uids and names for the same seed."""

    def __init__(self, draw: random.Random) -> None:
        self._random = draw

    def uid(self) -> str:
        text = f"{self._random.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def suffix(self) -> str:
        return "".join(self._random.choices(NAME_ALPHABET, k=5))

    def fraction(self) -> float:
        return self._random.random()


class Cluster:
    """The workers, and who kills them."""

    def __init__(
        self, environment: Environment, directory: Path, credentials: Credentials, seed: int, nursery: trio.Nursery
    ) -> None:
        self.random = random.Random(seed)
        self.entropy = SeededEntropy(random.Random(seed + 1))
        self.environment = environment
        self.nursery = nursery
        self.truth = Truth()
        self.problems: list[str] = []
        self.config = Config(data_dir=directory, workers=2, bind=Address("127.0.0.1", 0))
        self.credentials = credentials
        self.generation = 1
        self.committer = SimulatedCommitter(environment, self.truth, self.random)
        self.workers: dict[int, SimulatedWorker] = {}
        self.opened = trio.Event()
        self.calm = False
        """No more deaths: what is under way shall come to its end."""

    def delay(self) -> float:
        """Draw how long a message is on its way."""
        return self.random.choice((0, 0, 0.001, 0.001, 0.005, 0.02, 0.2)) * self.random.random()

    async def start(self, workers: int) -> None:
        """Start it all, and wait until each worker serves."""
        self.nursery.start_soon(self._keep_committer)
        for index in range(workers):
            self.nursery.start_soon(self._keep_worker, index)
        while sum(worker.serves for worker in self.workers.values()) < workers:
            self.opened = trio.Event()
            await self.opened.wait()

    async def _keep_committer(self) -> None:
        while True:
            await self.committer.run(lambda: self.random.choice((0, 0.0005, 0.002)))
            await trio.sleep(0.02 + self.random.random() * 0.1)
            self.committer = SimulatedCommitter(self.environment, self.truth, self.random)
            self.generation += 1
            for worker in list(self.workers.values()):
                self.nursery.start_soon(worker.renew)

    async def _keep_worker(self, index: int) -> None:
        while True:
            worker = self.workers[index] = SimulatedWorker(self, index)
            await worker.run()
            await trio.sleep(0.02 + self.random.random() * 0.2)

    def end(self) -> None:
        """Kill all, so that nobody waits for anybody any more, and stop."""
        for worker in self.workers.values():
            worker.kill()
        self.nursery.cancel_scope.cancel()

    async def trouble(self) -> None:
        """Kill somebody now and then, or let the disk be full for a while."""
        while not self.calm:
            await trio.sleep(0.05 + self.random.random() * 0.3)
            self.truth.full = self.random.random() < 0.2
            if self.truth.full:
                continue
            if self.random.random() < 0.5:
                self.committer.writer.death = self.random.choice(("before", "after", "after"))
            else:
                self.random.choice(list(self.workers.values())).kill()
        self.truth.full = False
