"""`watchd serve --workers 2`, as its clients see it: which worker answers makes no difference, nor that one dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.serving import MAPS, SECONDS, WORKERS, Client, Server, command_of, config_map, serving, wait_until

IMPATIENT = """
from watchd.commands import heartbeat
heartbeat.BEAT_SECONDS, heartbeat.HANG_SECONDS = 0.2, 4
from watchd.cli import main
main()
"""
"""Serves with workers that are missed sooner."""

SERVICES = "/api/v1/namespaces/default/services"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "data") as server:
        yield server


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
    (first,) = (pid for pid in clients if command_of(pid).endswith("\x000\x00"))
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
        assert not any("watchd" in command_of(pid) or "storage" in command_of(pid) for pid in pids)
