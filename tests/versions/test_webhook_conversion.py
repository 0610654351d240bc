"""Versions of a custom kind that a webhook converts: every way in and out, and every fault of the webhook."""

from __future__ import annotations

import base64
import json

import httpx
import pytest

from watchd.testing import serve_in_thread

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
NAME = "things.versions.example.com"
V1, V2 = (f"/apis/versions.example.com/{version}/namespaces/default/things" for version in ("v1", "v2"))
STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}


def version(name, *, storage):
    schema = {"type": "object", "properties": {"spec": STRINGS, "status": STRINGS}}
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema},
    }


def definition(conversion, storage="v1"):
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {
            "group": "versions.example.com",
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing", "listKind": "ThingList", "singular": "thing"},
            "versions": [version(name, storage=name == storage) for name in ("v1", "v2")],
            "conversion": conversion,
        },
    }


def thing(name, at="v1", **spec):
    return {"apiVersion": f"versions.example.com/{at}", "kind": "Thing", "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="module")
def server():
    with serve_in_thread() as started:
        yield started


@pytest.fixture
def client(server, hook):
    with httpx.Client(base_url=server.http_url, headers=server.headers, timeout=30) as client:
        created = client.post(DEFINITIONS, json=definition(hook.conversion()))
        assert created.status_code == 201, created.text
        wait(client, lambda: client.get(V1).status_code == 200)
        yield client
        hook.fault, _ = "", hook.release.set()
        assert client.delete(f"{DEFINITIONS}/{NAME}").status_code == 200
        wait(client, lambda: client.get(f"{DEFINITIONS}/{NAME}").status_code == 404)


def wait(client, condition):
    """Poll the server, which answers each time: no sleep is needed."""
    for _ in range(5_000):
        if condition():
            return
        client.get("/readyz")
    raise AssertionError("it has not come")


def put_in(client, name="a", host="h1", port="80"):
    created = client.post(V1, json=thing(name, hostPort=f"{host}:{port}"))
    assert created.status_code == 201, created.text
    return created.json()


def test_every_way_in_and_out(client):
    put_in(client)
    shown = client.get(f"{V2}/a").json()
    assert shown["apiVersion"] == "versions.example.com/v2"
    assert shown["spec"] == {"host": "h1", "port": "80"}
    created = client.post(V2, json=thing("b", "v2", host="h2", port="81"))
    assert (created.status_code, created.json()["spec"]) == (201, {"host": "h2", "port": "81"})
    assert client.get(f"{V1}/b").json()["spec"] == {"hostPort": "h2:81"}
    assert [item["spec"]["host"] for item in client.get(V2).json()["items"]] == ["h1", "h2"]
    shown["spec"]["port"] = "8080"
    assert client.put(f"{V2}/a", json=shown).json()["spec"] == {"host": "h1", "port": "8080"}
    patched = client.patch(f"{V2}/a", json={"spec": {"host": "h3"}}, headers={"Content-Type": "application/merge-patch+json"})
    assert patched.json()["spec"] == {"host": "h3", "port": "8080"}
    status = client.patch(f"{V2}/a/status", json={"status": {"x": "y"}}, headers={"Content-Type": "application/merge-patch+json"})
    assert status.status_code == 200
    assert client.get(f"{V1}/a").json()["spec"] == {"hostPort": "h3:8080"}
    assert client.delete(f"{V2}/a").status_code == 200
    assert client.get(f"{V1}/a").status_code == 404


def test_a_dry_run_and_a_name_that_is_taken(client):
    put_in(client)
    dry = client.post(V2, params={"dryRun": "All"}, json=thing("b", "v2", host="h2", port="81"))
    assert (dry.status_code, dry.json()["spec"]) == (201, {"host": "h2", "port": "81"})
    patched = client.patch(
        f"{V2}/a", params={"dryRun": "All"}, json={"spec": {"port": "9"}}, headers={"Content-Type": "application/merge-patch+json"}
    )
    assert (patched.status_code, patched.json()["spec"]) == (200, {"host": "h1", "port": "9"})
    taken = client.post(V2, json=thing("a", "v2", host="h3"))
    assert (taken.status_code, taken.json()["reason"]) == (409, "AlreadyExists")
    assert client.get(f"{V1}/a").json()["spec"] == {"hostPort": "h1:80"}
    assert client.get(f"{V1}/b").status_code == 404


def test_apply_at_one_version_over_owners_at_another(client):
    headers = {"Content-Type": "application/apply-patch+yaml"}
    one = client.patch(f"{V1}/a", params={"fieldManager": "one"}, headers=headers, json=thing("a", hostPort="h1:80"))
    assert one.status_code == 201, one.text
    conflict = client.patch(f"{V2}/a", params={"fieldManager": "two"}, headers=headers, json=thing("a", "v2", host="h9"))
    assert conflict.status_code in {200, 409}
    forced = client.patch(f"{V2}/a", params={"fieldManager": "two", "force": "true"}, headers=headers, json=thing("a", "v2", host="h9"))
    assert forced.status_code == 200, forced.text
    assert client.get(f"{V1}/a").json()["spec"]["hostPort"].startswith("h9:")


def test_tables_and_yaml_of_the_other_version(client):
    put_in(client)
    table = client.get(V2, headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}).json()
    assert [row["cells"][0] for row in table["rows"]] == ["a"]
    assert "host: h1" in client.get(f"{V2}/a", headers={"Accept": "application/yaml"}).text
    assert "host: h1" in client.get(V2, headers={"Accept": "application/yaml"}).text


def test_a_list_is_converted_in_batches_and_kept(client, hook):
    for index in range(30):
        put_in(client, f"t{index}")
    hook.sizes.clear()
    first = client.get(V2).json()
    assert len(first["items"]) == 30
    assert hook.sizes == [30]
    assert client.get(V2).json()["items"] == first["items"]
    assert client.get(f"{V2}/t7").json() in first["items"]
    assert hook.sizes == [30]
    put_in(client, "t30")
    pages = client.get(V2, params={"limit": 10}).json()
    assert len(pages["items"]) == 10
    assert sum(hook.sizes) == 30
    assert len(client.get(V2).json()["items"]) == 31
    assert sum(hook.sizes) == 31


def test_a_watch_converts_an_event_once_for_all_watchers(server, client, hook):
    revision = put_in(client)["metadata"]["resourceVersion"]
    query = {"watch": "1", "resourceVersion": revision, "timeoutSeconds": "20"}
    hook.sizes.clear()
    with client.stream("GET", V2, params=query) as one, client.stream("GET", V2, params=query) as two:
        client.patch(f"{V1}/a", json={"spec": {"hostPort": "h1:81"}}, headers={"Content-Type": "application/merge-patch+json"})
        client.delete(f"{V1}/a")
        for stream in (one, two):
            lines = stream.iter_lines()
            events = [json.loads(next(lines)) for _ in range(2)]
            assert [(event["type"], event["object"]["spec"]) for event in events] == [
                ("MODIFIED", {"host": "h1", "port": "81"}),
                ("DELETED", {"host": "h1", "port": "81"}),
            ]
    assert sum(hook.sizes) == 2


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("count", "returned 0 objects, expected 1"),
        ("uid", 'expected response.uid="'),
        ("refusal", "failed: not today"),
        ("silence", "no response provided"),
        ("kind", "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got apiextensions.k8s.io/v1, Kind=Other"),
        ("name", "returned invalid object: must have the same name: a != other"),
        ("version", "invalid groupVersion (expected versions.example.com/v2, received versions.example.com/v3)"),
        ("500", "an error on the server"),
        ("no JSON", "the answer is no JSON"),
    ],
)
def test_a_fault_of_the_webhook_is_an_error_of_the_request(client, hook, fault, why):
    before = put_in(client)
    hook.fault = fault
    read = client.get(f"{V2}/a")
    assert read.status_code == 500
    assert why in read.json()["message"]
    assert "conversion webhook for versions.example.com/v1, Kind=Thing" in read.json()["message"]
    listed = client.get(V2)
    assert (listed.status_code, listed.json()["reason"]) == (500, "StorageReadError")
    watched = client.get(V2, params={"watch": "1", "timeoutSeconds": "2"})
    assert json.loads(watched.text.splitlines()[0])["type"] == "ERROR"
    patch = client.patch(f"{V2}/a", json={"spec": {"port": "1"}}, headers={"Content-Type": "application/merge-patch+json"})
    assert patch.status_code == 500
    if fault != "version":
        # That fault is one of the way to v2 alone.
        assert client.post(V2, json=thing("b", "v2", host="h")).status_code == 500
    hook.fault = ""
    assert client.get(f"{V1}/a").json() == before
    assert client.get(f"{V1}/b").status_code == 404


def test_labels_are_the_webhooks_and_other_metadata_is_not(client, hook):
    put_in(client)
    hook.fault = "labels"
    assert client.get(f"{V2}/a").json()["metadata"]["labels"] == {"converted": "yes"}
    put_in(client, "b")
    hook.fault = "finalizers"
    assert "finalizers" not in client.get(f"{V2}/b").json()["metadata"]


def test_a_connection_that_breaks_is_tried_once_more(client, hook):
    put_in(client)
    hook.fault = "drops"
    assert client.get(f"{V2}/a").status_code == 200


def test_a_webhook_that_nobody_vouches_for_is_not_believed(client, hook):
    put_in(client)
    other = base64.b64encode(hook.ca).decode()
    for config, why in (
        ({"caBundle": None}, "certificate verify failed"),
        ({"url": "https://127.0.0.1:1/convert", "caBundle": other}, "Connection refused"),
    ):
        current = client.get(f"{DEFINITIONS}/{NAME}").json()
        current["spec"]["conversion"] = hook.conversion(**config)
        assert client.put(f"{DEFINITIONS}/{NAME}", json=current).status_code == 200

        def told(why: str = why) -> bool:
            read = client.get(f"{V2}/a")
            return read.status_code == 500 and why in read.json()["message"]

        wait(client, told)
        assert client.get(f"{V1}/a").status_code == 200


def test_a_webhook_that_hangs_holds_nobody_else(client, hook):
    put_in(client)
    hook.fault = "hangs"
    with pytest.raises(httpx.ReadTimeout):
        client.get(f"{V2}/a", timeout=0.5)
    assert client.get(f"{V1}/a").status_code == 200
    hook.fault, _ = "", hook.release.set()
    assert client.get(f"{V2}/a").status_code == 200
