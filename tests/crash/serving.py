"""A server with several workers, its processes, and clients of which each has one worker."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import yaml

WORKERS = 2
SECONDS = 60.0
"""Far more than anything here takes."""

TRIES = 500
"""Connections made until each worker has one: whichever is awake first takes it."""

MAPS = "/api/v1/namespaces/default/configmaps"


class Client:
    """One connection, and so one worker."""

    def __init__(self, port: int, token: str) -> None:
        self._token = token
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        # It is somebody's once it has been answered.
        self.ask("GET", "/readyz")

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._connection.sock.getsockname()
        return host, port

    def send(self, method: str, path: str, body: Any = None) -> None:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": kind}
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)

    def open(self, method: str, path: str, body: Any = None) -> http.client.HTTPResponse:
        self.send(method, path, body)
        return self._connection.getresponse()

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        self.send(method, path, body)
        return self.receive()

    def receive(self) -> tuple[int, Any]:
        response = self._connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text.startswith(b"{") else text.decode()

    def close(self) -> None:
        self._connection.close()


@attrs.define
class Server:
    """The supervisor and all below it."""

    data: Path
    process: subprocess.Popen[str]
    port: int = 0
    clients: list[Client] = attrs.field(factory=list)
    watches: list[Watch] = attrs.field(factory=list)

    @property
    def token(self) -> str:
        return yaml.safe_load((self.data / "kubeconfig").read_text())["users"][0]["user"]["token"]

    def client(self) -> Client:
        self.clients.append(Client(self.port, self.token))
        return self.clients[-1]

    def watch(self, client: Client, after: str) -> Watch:
        self.watches.append(Watch(client, after))
        return self.watches[-1]

    def children(self, what: str) -> list[int]:
        """Return the ids of the processes that run a module."""
        found = []
        for file in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            for pid in file.read_text().split():
                with contextlib.suppress(FileNotFoundError):
                    if what in Path(f"/proc/{pid}/cmdline").read_text():
                        found.append(int(pid))
        return found

    @property
    def workers(self) -> list[int]:
        return self.children("watchd.commands.worker")

    @property
    def committer(self) -> int:
        (pid,) = self.children("storage.committer_child")
        return pid

    def one_of_each(self) -> dict[int, Client]:
        """Return a client of each worker, by the worker's id."""
        found: dict[int, Client] = {}
        for _ in range(TRIES):
            client = self.client()
            found.setdefault(self._worker_of(client), client)
            if len(found) == WORKERS:
                return found
        raise AssertionError(f"{TRIES} connections, all of them to {found.keys()}")

    def _worker_of(self, client: Client) -> int:
        """Return who holds the other end of a connection."""
        port = client.address[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[1].split(":")[1], 16) == self.port and int(fields[2].split(":")[1], 16) == port:
                wanted = f"socket:[{fields[9]}]"
                for pid in self.workers:
                    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                        with contextlib.suppress(FileNotFoundError):
                            if str(descriptor.readlink()) == wanted:
                                return pid
        raise AssertionError("nobody holds the connection")


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.005)


@contextlib.contextmanager
def serving(data: Path, program: Sequence[str] = ("-m", "watchd")) -> Iterator[Server]:
    command = ["serve", "--workers", str(WORKERS), "--data-dir", str(data), "--bind", "127.0.0.1:0"]
    with (data.parent / "server.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, *program, *command, "--insecure-http", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    server = Server(data, process)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if match := re.search(r"http://127.0.0.1:(\d+)", line):
                server.port = int(match[1])
                break
        assert server.port, (data.parent / "server.log").read_text()[-4000:]
        yield server
    finally:
        process.kill()
        process.communicate()
        for watch in server.watches:
            watch.join(SECONDS)
        for client in server.clients:
            client.close()
        print((data.parent / "server.log").read_text()[-4000:])


def config_map(name: str, value: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": {"value": value}}


class Watch(threading.Thread):
    """Follows ConfigMaps on a connection of its own until that ends."""

    def __init__(self, client: Client, after: str) -> None:
        super().__init__(daemon=True)
        self.events: list[tuple[str, str, int]] = []
        self.last = int(after)
        self._response = client.open("GET", f"{MAPS}?watch=true&allowWatchBookmarks=true&resourceVersion={after}")
        assert self._response.status == 200
        self.start()

    def run(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            for line in self._response:
                event = json.loads(line)
                metadata = event["object"]["metadata"]
                self.last = int(metadata["resourceVersion"])
                if event["type"] != "BOOKMARK":
                    self.events.append((event["type"], metadata["name"], self.last))


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except FileNotFoundError:
        return ""
