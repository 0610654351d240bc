"""The Python client's processes, spoken to in lines of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.asking import Endpoint
from benchmarks.clients.client import GRACE_SECONDS, LIMIT_SECONDS
from benchmarks.errors import ClientFailed

WORKER, WATCHERS = "benchmarks.clients.worker", "benchmarks.clients.watchers"
"""The two programs: one that asks, one that watches."""


class Process:
    """A process with one job."""

    def __init__(self, module: str, job: dict[str, Any], endpoint: Endpoint) -> None:
        """Start it and hand it its job."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        self._name = job.get("job", "watchers")
        given = {"url": endpoint.url, "token": endpoint.token, "ca": endpoint.ca, "limit_seconds": LIMIT_SECONDS + GRACE_SECONDS}
        # On its stdin, since a command line can be read by everybody.
        self.tell(**job, **given)

    def tell(self, **words: Any) -> None:
        """Say a line. Raises ClientFailed."""
        pipe = self._process.stdin
        assert pipe is not None  # given to Popen
        try:
            pipe.write(json.dumps(words) + "\n")
            pipe.flush()
        except BrokenPipeError as error:
            raise ClientFailed(f"the client's {self._name} ended") from error

    def hear(self) -> dict[str, Any]:
        """Wait for a line. Raises ClientFailed when the process has failed, or ends without one."""
        pipe = self._process.stdout
        assert pipe is not None  # given to Popen
        line = pipe.readline()
        if not line:
            raise ClientFailed(f"the client's {self._name} ended without a result")
        heard: dict[str, Any] = json.loads(line)
        if "failed" in heard:
            raise ClientFailed(f"the client's {self._name}: {heard['failed']}")
        return heard

    def stop(self) -> None:
        """End it. The end of its input is the word for it."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None  # given to Popen
            # What could not be said is still in the buffer.
            with suppress(BrokenPipeError):
                pipe.close()
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def working(module: str, job: dict[str, Any], endpoint: Endpoint) -> Iterator[Process]:
    """Lend a process that is ready for a word, and ended at the end."""
    process = Process(module, job, endpoint)
    try:
        process.hear()
        yield process
    finally:
        process.stop()
