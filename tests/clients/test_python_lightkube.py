"""lightkube: typed and generic resources, watches, pages."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def lightkube(need):
    for part in ("generic_resource", "resources.core_v1", "models.core_v1", "models.meta_v1", "types", "codecs"):
        need.module(f"lightkube.{part}")
    return need.module("lightkube")


@pytest.fixture
def client(lightkube, server, namespace):
    config = lightkube.KubeConfig.from_file(str(server.kubeconfig))
    with lightkube.Client(config=config, namespace=namespace, field_manager="lightkube-test") as client:
        yield client


@pytest.fixture
def config_map(lightkube):
    def make(name, **data):
        metadata = lightkube.models.meta_v1.ObjectMeta(name=name, labels={"mine": "yes"})
        return lightkube.resources.core_v1.ConfigMap(metadata=metadata, data=data)

    return make


def test_objects(lightkube, client, config_map):
    kind = lightkube.resources.core_v1.ConfigMap
    made = client.create(config_map("one", k="1"))
    assert made.metadata.uid
    with pytest.raises(lightkube.ApiError) as refused:
        client.create(config_map("one"))
    assert refused.value.status.reason == "AlreadyExists"
    made.data = {"k": "2"}
    assert client.replace(made).data == {"k": "2"}
    with pytest.raises(lightkube.ApiError) as refused:
        client.replace(made)
    assert (refused.value.status.code, refused.value.status.reason) == (409, "Conflict")
    assert client.patch(kind, "one", {"data": {"l": "3"}}).data == {"k": "2", "l": "3"}  # a strategic merge patch
    assert client.patch(kind, "one", {"data": {"k": None}}, patch_type=lightkube.types.PatchType.MERGE).data == {"l": "3"}
    for number in range(5):
        client.create(config_map(f"c{number}"))
    listed = client.list(kind, labels={"mine": "yes"}, chunk_size=2)
    assert [item.metadata.name for item in listed] == ["c0", "c1", "c2", "c3", "c4", "one"]
    client.deletecollection(kind)
    assert [item.metadata.name for item in client.list(kind, labels={"mine": "yes"})] == []


def test_custom_and_watch(lightkube, client, custom):
    generic = lightkube.generic_resource
    widget = generic.create_namespaced_resource(custom.group, custom.version, custom.kind, custom.plural)
    begin = client.list(widget)
    list(begin)
    made = client.create(widget(metadata={"name": "one"}, spec={"size": 1}))
    assert made.spec == {"size": 1}
    made["status"] = {"phase": "Good"}
    assert client.replace(made).status is None  # only the subresource takes a status
    patched = client.patch(widget.Status, "one", {"status": {"phase": "Good"}}, patch_type=lightkube.types.PatchType.MERGE)
    assert patched.status == {"phase": "Good"}
    client.delete(widget, "one")
    got = []
    for verb, seen in client.watch(widget, resource_version=begin.resourceVersion, server_timeout=15):
        got.append((verb, seen.status))
        if verb == "DELETED":
            break
    assert got == [("ADDED", None), ("MODIFIED", {"phase": "Good"}), ("DELETED", {"phase": "Good"})]


def test_wait(lightkube, client, custom):
    """`Client.wait` watches for a condition of an object."""
    generic = lightkube.generic_resource
    widget = generic.create_namespaced_resource(custom.group, custom.version, custom.kind, custom.plural)
    client.create(widget(metadata={"name": "one"}, spec={"size": 1}))
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    client.patch(widget.Status, "one", {"status": status}, patch_type=lightkube.types.PatchType.MERGE)
    assert client.wait(widget, "one", for_conditions=["Ready"]).status == status
