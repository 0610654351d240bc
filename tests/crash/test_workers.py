"""`watchd serve --workers 2`, as its clients see it: which worker answers makes no difference, nor that one dies."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml

WORKERS = 2
SECONDS = 60.0
"""Far more than anything here takes."""

TRIES = 500
"""Connections made until each worker has one: whichever is awake first takes it."""

IMPATIENT = """
from watchd.commands import heartbeat
heartbeat.BEAT_SECONDS, heartbeat.HANG_SECONDS = 0.2, 4
from watchd.cli import main
main()
"""
"""Serves with workers that are missed sooner."""

MAPS = "/api/v1/namespaces/default/configmaps"
SERVICES = "/api/v1/namespaces/default/services"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


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


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "data") as server:
        yield server


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


def test_which_worker_answers_makes_no_difference(server: Server) -> None:
    one, other = server.one_of_each().values()
    begin = one.ask("GET", MAPS)[1]["metadata"]["resourceVersion"]
    watches = [server.watch(client, begin) for client in server.one_of_each().values()]
    expected = []
    for number in range(40):
        writer, reader = (one, other) if number % 2 else (other, one)
        name = f"map-{number % 4}"
        status, made = writer.ask("PATCH" if number >= 4 else "POST", MAPS + (f"/{name}" if number >= 4 else ""), config_map(name, str(number)))
        assert status in (200, 201), made
        assert reader.ask("GET", f"{MAPS}/{name}") == (200, made)
        revision = made["metadata"]["resourceVersion"]
        listed = reader.ask("GET", MAPS)[1]
        assert int(listed["metadata"]["resourceVersion"]) >= int(revision)
        expected.append(("MODIFIED" if number >= 4 else "ADDED", name, int(revision)))
    # A lost race is a Conflict, whoever has won it.
    assert one.ask("PUT", f"{MAPS}/map-0", {**made, "metadata": {**made["metadata"], "name": "map-0"}})[0] == 409
    wait_until(lambda: all(len([e for e in watch.events if e[1].startswith("map-")]) >= len(expected) for watch in watches))
    for watch in watches:
        assert [event for event in watch.events if event[1].startswith("map-")] == expected


def definition(number: int) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    names = {"plural": f"things{number}", "singular": f"thing{number}", "kind": f"Thing{number}"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    return {"metadata": {"name": f"things{number}.example.com"}, "spec": spec}


def established(answer: tuple[int, Any]) -> bool:
    found = answer[1].get("status", {}).get("conditions") or ()
    return any(one["type"] == "Established" and one["status"] == "True" for one in found)


def test_a_kind_made_through_one_is_served_by_the_other_at_once(server: Server) -> None:
    one, other = server.one_of_each().values()
    for number in range(6):
        maker, user = (one, other) if number % 2 else (other, one)
        assert maker.ask("POST", DEFINITIONS, definition(number))[0] == 201
        wait_until(lambda: established(maker.ask("GET", f"{DEFINITIONS}/things{number}.example.com")))  # noqa: B023 - waited for here
        things = f"/apis/example.com/v1/namespaces/default/things{number}"
        thing = {"apiVersion": "example.com/v1", "kind": f"Thing{number}", "metadata": {"name": "a"}, "x": 1}
        assert user.ask("POST", things, thing)[0] == 201
        assert maker.ask("GET", f"{things}/a")[1]["x"] == 1
        assert maker.ask("DELETE", f"{DEFINITIONS}/things{number}.example.com")[0] == 200
        wait_until(lambda: user.ask("GET", f"{DEFINITIONS}/things{number}.example.com")[0] == 404)  # noqa: B023 - as above
        wait_until(lambda: user.ask("GET", things)[0] == 404)  # noqa: B023 - as above
        # The first worker lets go of a kind a moment after its definition, as a server of one process does.
        wait_until(lambda: maker.ask("GET", things)[0] == 404)  # noqa: B023 - as above


def test_what_one_has_been_told_the_other_knows_though_it_has_slept(server: Server) -> None:
    clients = server.one_of_each()
    # The first worker settles definitions.
    (first,) = (pid for pid in clients if _command(pid).endswith("\x000\x00"))
    (sleeper,) = clients.keys() - {first}
    maker, user = clients[first], clients[sleeper]
    for number in range(8):
        os.kill(sleeper, signal.SIGSTOP)
        assert maker.ask("POST", DEFINITIONS, definition(number))[0] == 201
        wait_until(lambda: established(maker.ask("GET", f"{DEFINITIONS}/things{number}.example.com")))  # noqa: B023 - waited for here
        # It finds the request beside the news of the definition, in no order.
        user.send("GET", f"/apis/example.com/v1/namespaces/default/things{number}")
        os.kill(sleeper, signal.SIGCONT)
        assert user.receive()[0] == 200


def test_addresses_are_given_to_one_service_and_node_ports_to_none(server: Server) -> None:
    one, other = server.one_of_each().values()
    ports = [{"port": 80}]
    given = set()
    for number in range(10):
        status, made = (one if number % 2 else other).ask("POST", SERVICES, {"metadata": {"name": f"s{number}"}, "spec": {"ports": ports}})
        assert status == 201, made
        given.add(made["spec"]["clusterIP"])
    assert len(given) == 10
    address = made["spec"]["clusterIP"]
    wanted = {"metadata": {"name": "same"}, "spec": {"ports": ports, "clusterIP": address}}
    for client in (one, other):
        status, refused = client.ask("POST", SERVICES, wanted)
        assert (status, "already allocated" in refused["message"]) == (422, True), refused
    assert one.ask("DELETE", f"{SERVICES}/s9")[0] == 200
    assert other.ask("POST", SERVICES, wanted)[0] == 201
    for path in (SERVICES, f"{SERVICES}?dryRun=All"):
        for wanted_type in ("NodePort", "LoadBalancer"):
            status, refused = one.ask("POST", path, {"metadata": {"name": "n"}, "spec": {"ports": ports, "type": wanted_type}})
            assert (status, "more than one worker" in refused["message"]) == (422, True), refused


def test_a_worker_that_is_killed_is_replaced_and_its_watches_go_on(server: Server) -> None:
    clients = server.one_of_each()
    for victim in list(clients):
        survivor = next(client for pid, client in clients.items() if pid != victim)
        begin = survivor.ask("GET", MAPS)[1]["metadata"]["resourceVersion"]
        watch = server.watch(clients[victim], begin)
        first = survivor.ask("POST", MAPS, config_map(f"before-{victim}", ""))[1]
        wait_until(lambda: watch.last >= int(first["metadata"]["resourceVersion"]))  # noqa: B023 - waited for here
        os.kill(victim, signal.SIGKILL)
        watch.join(SECONDS)
        assert not watch.is_alive()
        second = survivor.ask("POST", MAPS, config_map(f"after-{victim}", ""))[1]
        resumed = server.watch(server.client(), str(watch.last))
        wait_until(lambda: resumed.last >= int(second["metadata"]["resourceVersion"]))  # noqa: B023 - as above
        names = [name for _, name, _ in [*watch.events, *resumed.events] if name.endswith(str(victim))]
        assert names == [f"before-{victim}", f"after-{victim}"]
        wait_until(lambda: len(server.workers) == WORKERS and victim not in server.workers)  # noqa: B023 - as above
        clients = server.one_of_each()
    # The first worker runs the controllers, and so does the one in its place.
    maker, user = clients.values()
    assert maker.ask("POST", DEFINITIONS, definition(1))[0] == 201
    wait_until(lambda: established(user.ask("GET", f"{DEFINITIONS}/things1.example.com")))


def test_a_worker_that_hangs_is_replaced_and_its_watches_go_on(tmp_path: Path) -> None:
    with serving(tmp_path / "data", ("-c", IMPATIENT)) as server:
        for _ in range(2):
            # Whichever does what is done once, and the other.
            clients = server.one_of_each()
            victim, survivor = clients.keys()
            begin = clients[survivor].ask("GET", MAPS)[1]["metadata"]["resourceVersion"]
            watch = server.watch(clients[victim], begin)
            names = [f"{victim}-{number}" for number in range(6)]
            first = clients[survivor].ask("POST", MAPS, config_map(names[0], ""))[1]
            wait_until(lambda: watch.last >= int(first["metadata"]["resourceVersion"]))  # noqa: B023 - waited for here
            os.kill(victim, signal.SIGSTOP)
            for name in names[1:]:
                assert clients[survivor].ask("POST", MAPS, config_map(name, ""))[0] == 201
            # Its connection breaks, and nothing but its death can have done that.
            watch.join(SECONDS)
            assert not watch.is_alive()
            resumed = server.watch(server.client(), str(watch.last))
            wait_until(lambda: names[-1] in [name for _, name, _ in resumed.events])  # noqa: B023 - as above
            assert [name for _, name, _ in [*watch.events, *resumed.events]] == names
            wait_until(lambda: len(server.workers) == WORKERS and victim not in server.workers)  # noqa: B023 - as above
        maker, user = server.one_of_each().values()
        assert maker.ask("POST", DEFINITIONS, definition(1))[0] == 201
        wait_until(lambda: established(user.ask("GET", f"{DEFINITIONS}/things1.example.com")))


def test_a_committer_that_is_killed_under_load_loses_nothing(server: Server) -> None:
    answered: dict[int, str] = {}
    done = threading.Event()

    def write(client: Client, at: int) -> None:
        number = 0
        while not done.is_set():
            number += 1
            status, made = client.ask("POST", MAPS, config_map(f"m-{at}-{number}", ""))
            assert status == 201, made
            answered[int(made["metadata"]["resourceVersion"])] = made["metadata"]["name"]

    clients = [client for _ in range(3) for client in server.one_of_each().values()]
    threads = [threading.Thread(target=write, args=(client, at)) for at, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    for _ in range(4):
        enough = len(answered) + 50
        wait_until(lambda: len(answered) >= enough)  # noqa: B023 - waited for here
        os.kill(server.committer, signal.SIGKILL)
    enough = len(answered) + 50
    wait_until(lambda: len(answered) >= enough)
    done.set()
    for thread in threads:
        thread.join(SECONDS)
    left = {item["metadata"]["name"] for item in server.client().ask("GET", MAPS)[1]["items"]}
    assert set(answered.values()) == {name for name in left if name.startswith("m-")}
    server.process.terminate()
    assert server.process.wait(SECONDS) == 0
    command = [sys.executable, "-m", "watchd", "verify", "--data-dir", str(server.data)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_all_end_in_order_with_the_first_signal(server: Server) -> None:
    one, other = server.one_of_each().values()
    begin = one.ask("GET", MAPS)[1]["metadata"]["resourceVersion"]
    watches = [server.watch(client, begin) for client in (one, other)]
    pids = [*server.workers, server.committer]
    made = server.client().ask("POST", MAPS, config_map("last", ""))[1]
    server.process.terminate()
    assert server.process.wait(SECONDS) == 0
    for watch in watches:
        watch.join(SECONDS)
        # The last bookmark says how far it came.
        assert watch.last >= int(made["metadata"]["resourceVersion"])
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_all_end_at_once_with_the_supervisor(server: Server) -> None:
    pids = [*server.workers, server.committer]
    server.client().ask("POST", MAPS, config_map("a", ""))
    server.process.kill()
    server.process.wait()
    with serving(server.data) as again:
        assert again.client().ask("GET", f"{MAPS}/a")[0] == 200
        assert not any("watchd" in _command(pid) or "storage" in _command(pid) for pid in pids)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except FileNotFoundError:
        return ""
