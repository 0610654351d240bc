"""Protobuf over HTTP: what typed clients send and are answered, and where only JSON will do."""

from __future__ import annotations

from contextlib import contextmanager

import httpx
import pytest

from conversion.codec import PROTOBUF
from conversion.protobuf_codec import ProtobufCodec
from conversion.protobuf_types import raw_of
from conversion.protobuf_wire import fields
from tests.builtin import KINDS
from watchd.crd import definitions
from watchd.registry.frames import error_frame
from watchd.registry.view import View
from watchd.status import expired
from watchd.testing import serve_in_thread

CODEC = ProtobufCodec()
TYPED = {"Accept": f"{PROTOBUF},application/json"}
ONLY = {"Accept": PROTOBUF}
SENT = {"Content-Type": PROTOBUF}
MAPS = "/api/v1/namespaces/default/configmaps"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
THINGS = "/apis/e.com/v1/namespaces/default/things"
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.e.com"},
    "spec": {
        "group": "e.com",
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}],
    },
}


@pytest.fixture(scope="module")
def client():
    with serve_in_thread() as server, httpx.Client(base_url=server.http_url, headers=server.headers, timeout=20) as client:
        created = client.post(DEFINITIONS, content=CODEC.encode(DEFINITION), headers={**SENT, **ONLY})
        assert (created.status_code, created.headers["content-type"]) == (201, PROTOBUF)
        assert CODEC.decode(created.content).value["spec"]["names"]["listKind"] == "ThingList"
        yield client


def config_map(name, **fields):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **fields}


def create(client, name, **fields):
    return client.post(MAPS, json=config_map(name, **fields)).json()


def decoded(response, status):
    assert response.status_code == status, response.content
    assert response.headers["content-type"] == PROTOBUF
    return CODEC.decode(response.content).value


def test_there_and_back_as_json(client):
    value = config_map("there", data={"a": "b"}, binaryData={"c": "AP8B"}, immutable=False)
    created = decoded(client.post(MAPS, content=CODEC.encode(value), headers={**SENT, **TYPED}), 201)
    shown = client.get(f"{MAPS}/there").json()
    assert created == shown
    assert {key: shown[key] for key in ("data", "binaryData", "immutable")} == {key: value[key] for key in ("data", "binaryData", "immutable")}
    assert decoded(client.get(f"{MAPS}/there", headers=ONLY), 200) == shown
    shown["data"]["a"] = "c"
    updated = decoded(client.put(f"{MAPS}/there", content=CODEC.encode(shown), headers={**SENT, **TYPED}), 200)
    assert updated == client.get(f"{MAPS}/there").json()
    patched = client.patch(f"{MAPS}/there", json={"data": {"a": "d"}}, headers={"Content-Type": "application/merge-patch+json", **TYPED})
    assert decoded(patched, 200)["data"] == {"a": "d"}


def test_delete_options(client):
    uid = create(client, "gone")["metadata"]["uid"]

    def delete(uid):
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        return client.request("DELETE", f"{MAPS}/gone", content=CODEC.encode(options), headers={**SENT, **TYPED})

    assert decoded(delete("other"), 409)["reason"] == "Conflict"
    assert decoded(delete(uid), 200) == {**decoded_success("gone", "configmaps", uid)}
    # The options have a message whatever they delete, the reference's internal version of them.
    client.post(THINGS, json={"apiVersion": "e.com/v1", "kind": "Thing", "metadata": {"name": "gone"}})
    options = CODEC.encode({"apiVersion": "e.com/v1", "kind": "DeleteOptions", "propagationPolicy": "Background"})
    assert client.request("DELETE", f"{THINGS}/gone", content=options, headers=SENT).status_code == 200
    assert client.get(f"{THINGS}/gone").status_code == 404


def decoded_success(name, kind, uid):
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": {"name": name, "kind": kind, "uid": uid}}


def test_lists(client):
    for i in range(25):
        create(client, f"list-{i:02}", data={"n": str(i)})
    for query in ("", "?limit=10", "?pretty=true"):
        plain = client.get(MAPS + query.replace("pretty=true", "")).json()
        listed = decoded(client.get(MAPS + query, headers=TYPED), 200)
        assert listed["items"] == plain["items"]
        assert listed["metadata"].keys() == plain["metadata"].keys()
        assert [item["data"]["n"] for item in listed["items"] if item["metadata"]["name"].startswith("list-0")][:3] == ["0", "1", "2"]
    assert listed["kind"] == "ConfigMapList"
    second = decoded(client.get(MAPS, params={"limit": "10", "continue": client.get(f"{MAPS}?limit=10").json()["metadata"]["continue"]}, headers=ONLY), 200)
    assert len(second["items"]) == 10
    # Without items Go's decoder, too, shows null.
    assert decoded(client.get(f"{MAPS}?labelSelector=none%3Dsuch", headers=ONLY), 200)["items"] is None
    removed = decoded(client.request("DELETE", f"{MAPS}?labelSelector=none%3Dsuch", headers=ONLY), 200)
    assert (removed["kind"], removed["items"]) == ("ConfigMapList", None)


def test_a_list_of_several_scans(client):
    for i in range(520):  # more than one scan reads
        create(client, f"many-{i:03}")
    listed = decoded(client.get(MAPS, headers=ONLY), 200)
    assert listed["items"] == client.get(MAPS).json()["items"]
    assert len(listed["items"]) > 520


@contextmanager
def watching(client, path, headers, **params):
    with client.stream("GET", path, params={"watch": "1", "timeoutSeconds": "20", **params}, headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"] == f"{PROTOBUF};stream=watch"
        yield cut(response.iter_raw())


def cut(chunks):
    """Cut a stream into events: a length of four bytes, then {type = 1, object = 2 {raw = 1}}."""
    data = b""
    for chunk in chunks:
        data += chunk
        while len(data) >= 4 and len(data) >= (end := 4 + int.from_bytes(data[:4], "big")):
            event = {number: value for number, _, value in fields(data[4:end], "WatchEvent")}
            yield event[1].decode(), CODEC.decode(raw_of(event[2])).value
            data = data[end:]
    assert data == b""


def test_watch(client):
    before = client.get(f"{MAPS}?limit=1").json()["metadata"]["resourceVersion"]
    path = {"path": MAPS, "resourceVersion": before, "fieldSelector": "metadata.name=seen", "allowWatchBookmarks": "true"}
    with watching(client, headers=TYPED, **path) as stream:
        created = create(client, "seen", data={"a": "b"})
        assert next(stream) == ("ADDED", created)
        changed = client.put(f"{MAPS}/seen", json={**created, "data": {}}).json()
        assert next(stream) == ("MODIFIED", changed)
        client.request("DELETE", f"{MAPS}/seen")
        kind, last = next(stream)
        assert (kind, last["metadata"]["name"]) == ("DELETED", "seen")
    with watching(client, MAPS, {"Accept": f"{PROTOBUF};stream=watch"}, resourceVersion="", sendInitialEvents="true", resourceVersionMatch="NotOlderThan", allowWatchBookmarks="true", fieldSelector="metadata.name=none") as stream:
        kind, bookmark = next(stream)
        assert kind == "BOOKMARK"
        assert bookmark["kind"] == "ConfigMap"
        assert bookmark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_what_ends_a_watch_is_a_status():
    view = View(definitions.KIND, "v1", CODEC)
    [(kind, status)] = cut([error_frame(view, expired("too old").to_object())])
    assert (kind, status["kind"], status["apiVersion"], status["code"]) == ("ERROR", "Status", "v1", 410)


def test_refusals(client):
    missing = decoded(client.get(f"{MAPS}/missing", headers=TYPED), 404)
    assert missing == client.get(f"{MAPS}/missing").json()
    invalid = decoded(client.post(MAPS, content=CODEC.encode(config_map("No!")), headers={**SENT, **TYPED}), 422)
    assert [cause["field"] for cause in invalid["details"]["causes"]] == ["metadata.name"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{}", "does not appear to be a protobuf message"),
        (b"k8s\0", "empty body"),
        (CODEC.encode(config_map("cut"))[:-9], "unexpected EOF"),
        (CODEC.encode({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}), "Secret in version"),
        (CODEC.encode({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}}), "unknown conversion"),
    ],
)
def test_bodies_that_are_none(client, body, says):
    before = client.get(f"{MAPS}?limit=1").json()["metadata"]["resourceVersion"]
    refused = decoded(client.post(MAPS, content=body, headers={**SENT, **TYPED}), 400)
    assert says in refused["message"]
    assert client.get(f"{MAPS}?limit=1").json()["metadata"]["resourceVersion"] == before


def test_custom_kinds_are_json(client):
    value = {"apiVersion": "e.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "x": 1}
    created = client.post(THINGS, json=value, headers=TYPED)
    assert (created.status_code, created.headers["content-type"]) == (201, "application/json")
    for path in (THINGS, f"{THINGS}/a"):
        assert client.get(path, headers=TYPED).headers["content-type"] == "application/json"
        refused = decoded(client.get(path, headers=ONLY), 406)
        assert refused["message"] == "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf, application/cbor"
    assert client.get(THINGS, params={"watch": "1"}, headers=ONLY).status_code == 406
    for method, path in (("POST", THINGS), ("PUT", f"{THINGS}/a")):
        refused = client.request(method, path, content=CODEC.encode(config_map("a")), headers=SENT)
        assert (refused.status_code, refused.json()["reason"]) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
@pytest.mark.parametrize("path", [MAPS, THINGS])
def test_metadata_alone_has_a_message_whatever_the_kind(client, path, version):
    # As client-go's metadata client asks, for every kind there is.
    def asking(kind):
        return ",".join(f"{media_type};as={kind};g=meta.k8s.io;v={version}" for media_type in (PROTOBUF, "application/json"))

    api_version, kind = ("v1", "ConfigMap") if path == MAPS else ("e.com/v1", "Thing")
    name = f"meta-{version}"
    client.post(path, json={"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "labels": {"only": name}}, "data": {}})
    metadata = client.get(f"{path}/{name}").json()["metadata"]
    alone = {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}"}
    assert decoded(client.get(f"{path}/{name}", headers={"Accept": asking("PartialObjectMetadata")}), 200) == {**alone, "metadata": metadata}
    selected = {"labelSelector": f"only={name}"}
    listed = decoded(client.get(path, params=selected, headers={"Accept": asking("PartialObjectMetadataList")}), 200)
    assert (listed["kind"], listed["apiVersion"], listed["items"]) == ("PartialObjectMetadataList", f"meta.k8s.io/{version}", [{"metadata": metadata}])
    initial = {"resourceVersion": "", "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
    with watching(client, path, {"Accept": asking("PartialObjectMetadata")}, **selected, **initial) as stream:
        assert next(stream) == ("ADDED", {**alone, "metadata": metadata})
        kind, bookmark = next(stream)
        assert (kind, bookmark["kind"], bookmark["apiVersion"]) == ("BOOKMARK", "PartialObjectMetadata", f"meta.k8s.io/{version}")


@pytest.mark.parametrize("path", [MAPS, THINGS])
def test_tables_are_json(client, path):
    table = "as=Table;v=v1;g=meta.k8s.io"
    assert client.get(path, headers={"Accept": f"{PROTOBUF};{table},application/json;{table}"}).json()["kind"] == "Table"
    refused = client.get(path, headers={"Accept": f"{PROTOBUF};{table}"})
    assert (refused.status_code, refused.json()["reason"]) == (406, "NotAcceptable")


def test_discovery_is_protobuf_where_that_is_asked(client):
    for path in ("/api", "/apis", "/api/v1", "/apis/e.com/v1"):
        answer = client.get(path, headers=TYPED)
        assert (answer.headers["content-type"], answer.content[:4]) == (PROTOBUF, b"k8s\0")
        assert client.get(path).headers["content-type"] == "application/json"


def test_every_built_in_kind_has_a_message():
    kinds = [
        (kind.api_version(version.name), name)
        for kind in (*KINDS, definitions.KIND)
        for version in kind.versions
        for name in (kind.names.kind, *([kind.names.list_kind] if "list" in kind.verbs else []))
    ]
    assert len(kinds) >= 16
    assert [kind for kind in kinds if not CODEC.knows(*kind)] == []
