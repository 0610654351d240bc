"""kubectl as a tool of the tests: commands run to their end, or followed line by line."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import attrs
import pytest

KUBECTL_DEADLINE = 30
"""Seconds that one command may take."""

EVENT_DEADLINE = 10
"""Seconds in which a line of `kubectl get -w` must come."""


@attrs.frozen
class Kubectl:
    program: str
    kubeconfig: Path
    home: Path
    namespace: str = "default"

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "KUBECONFIG": str(self.kubeconfig)}

    def command(self, *arguments: str) -> list[str]:
        return [self.program, "--namespace", self.namespace, *arguments]

    def run(self, *arguments: str, stdin: Any = None) -> subprocess.CompletedProcess[str]:
        text = stdin if isinstance(stdin, str) or stdin is None else json.dumps(stdin)
        return subprocess.run(
            self.command(*arguments),
            input=text,
            capture_output=True,
            text=True,
            timeout=KUBECTL_DEADLINE,
            check=False,
            env=self.environment(),
        )

    def __call__(self, *arguments: str, stdin: Any = None) -> str:
        """Run a command that must succeed and return what it printed."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "-o", "json"))

    def config_map(self, name: str, **data: str) -> None:
        """Create a ConfigMap from JSON; `kubectl create configmap` would send protobuf, which has a test of its own."""
        self("create", "-f", "-", stdin=config_map(name, data))

    def refused(self, *arguments: str, stdin: Any = None) -> str:
        """Run a command that must fail and return its complaint."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 1, f"kubectl {' '.join(arguments)} succeeded: {done.stdout}{done.stderr}"
        return done.stderr

    @contextmanager
    def following(self, *arguments: str) -> Iterator[Queue[str]]:
        """Run a command that goes on and queue its lines as they come."""
        lines: Queue[str] = Queue()
        with subprocess.Popen(
            self.command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
            env=self.environment(),
        ) as process:
            assert process.stdout is not None
            reader = threading.Thread(target=lambda: [lines.put(line.rstrip("\n")) for line in process.stdout])
            reader.start()
            try:
                yield lines
            finally:
                process.kill()
                reader.join()


def line(lines: Queue[str]) -> str:
    try:
        return lines.get(timeout=EVENT_DEADLINE)
    except Empty:
        pytest.fail(f"kubectl printed no line within {EVENT_DEADLINE} s")


def config_map(name: str, data: dict[str, str], **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": data}
