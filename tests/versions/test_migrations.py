"""StorageVersionMigrations and `watchd migrate`: what is stored moves to the version that is the hub now."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest

from tests.versions.test_webhook_conversion import DEFINITIONS, NAME, V1, V2, definition, thing, wait
from watchd.testing import serve_in_thread

MIGRATIONS = "/apis/storagemigration.k8s.io/v1/storageversionmigrations"


@pytest.fixture
def server(data):
    with serve_in_thread(memory=False, data_dir=data) as started:
        yield started


@pytest.fixture
def client(server):
    with httpx.Client(base_url=server.http_url, headers=server.headers, timeout=30) as client:
        yield client


def move_storage(client, conversion):
    """Store things at v2 from now on."""
    current = client.get(f"{DEFINITIONS}/{NAME}").json()
    current["spec"] = definition(conversion, storage="v2")["spec"]
    assert client.put(f"{DEFINITIONS}/{NAME}", json=current).status_code == 200
    wait(client, lambda: client.get(f"{DEFINITIONS}/{NAME}").json()["status"]["storedVersions"] == ["v1", "v2"])


def migrate(client, name="move"):
    wanted = {
        "apiVersion": "storagemigration.k8s.io/v1",
        "kind": "StorageVersionMigration",
        "metadata": {"name": name},
        "spec": {"resource": {"group": "versions.example.com", "resource": "things"}},
    }
    assert client.post(MIGRATIONS, json=wanted).status_code == 201
    found = {}

    def ended():
        found.update(client.get(f"{MIGRATIONS}/{name}").json())
        return any(c["type"] in {"Succeeded", "Failed"} for c in found.get("status", {}).get("conditions", ()))

    wait(client, ended)
    return {condition["type"]: condition for condition in found["status"]["conditions"]}


@pytest.mark.parametrize("by_webhook", [False, True], ids=["None", "Webhook"])
def test_a_migration_rewrites_what_is_stored_at_an_earlier_version(client, hook, by_webhook):
    conversion = hook.conversion() if by_webhook else {"strategy": "None"}
    assert client.post(DEFINITIONS, json=definition(conversion)).status_code == 201
    wait(client, lambda: client.get(V1).status_code == 200)
    for index in range(5):
        assert client.post(V1, json=thing(f"t{index}", hostPort="h:1")).status_code == 201
    move_storage(client, conversion)
    before = client.get(V1).json()["items"]
    assert [item["spec"] for item in before] == [{"hostPort": "h:1"}] * 5
    assert client.post(V2, json=thing("new", "v2", host="n", port="2")).status_code == 201
    conditions = migrate(client)
    assert conditions["Succeeded"]["status"] == "True"
    assert conditions["Running"]["message"] == "The migration is running, 6 objects verified migrated"
    after = client.get(V1).json()["items"]
    assert [item["metadata"]["name"] for item in after] == ["new", "t0", "t1", "t2", "t3", "t4"]
    old = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in before}
    moved = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in after}
    assert all(int(moved[name]) > int(old[name]) for name in old)
    trimmed = client.get(f"{DEFINITIONS}/{NAME}").json()
    trimmed["status"]["storedVersions"] = ["v2"]
    assert client.put(f"{DEFINITIONS}/{NAME}/status", json=trimmed).status_code == 200
    # What is stored as it is to be is left alone.
    assert migrate(client, "again")["Succeeded"]["status"] == "True"
    assert {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in client.get(V1).json()["items"]} == moved


def test_the_command_migrates_what_it_is_told_to(client, data):
    assert client.post(DEFINITIONS, json=definition({"strategy": "None"})).status_code == 201
    wait(client, lambda: client.get(V1).status_code == 200)
    assert client.post(V1, json=thing("a", hostPort="h:1")).status_code == 201
    move_storage(client, {"strategy": "None"})
    command = [sys.executable, "-m", "watchd", "migrate", "--data-dir", str(data)]
    one = subprocess.run([*command, "things.versions.example.com"], capture_output=True, text=True, timeout=60, check=True)
    assert one.stdout == "things.versions.example.com: Migration completed\n"
    every = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "configmaps: Migration completed" in every.stdout.splitlines()
    assert "things.versions.example.com: Migration completed" in every.stdout.splitlines()
    assert client.get(MIGRATIONS).json()["items"] == []
