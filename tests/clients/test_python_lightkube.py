"""lightkube: typed and generic resources, watches, pages."""

from __future__ import annotations

import pytest

from tests.clients.conftest import TOO_BIG


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


def test_apply(lightkube, client, config_map):
    kind = lightkube.resources.core_v1.ConfigMap
    applied = client.apply(config_map("one", a="1", b="1"))
    assert [(entry.manager, entry.operation) for entry in applied.metadata.managedFields] == [("lightkube-test", "Apply")]
    assert client.apply(config_map("one", a="1")).data == {"a": "1"}
    with pytest.raises(lightkube.ApiError) as refused:
        client.apply(config_map("one", a="2"), field_manager="other")
    assert (refused.value.status.code, refused.value.status.reason) == (409, "Conflict")
    assert [cause.field for cause in refused.value.status.details.causes] == [".data.a"]
    assert client.apply(config_map("one", a="2"), field_manager="other", force=True, dry_run=True).data == {"a": "2"}
    assert client.get(kind, "one").data == {"a": "1"}
    assert client.apply(config_map("one", a="2"), field_manager="other", force=True).data == {"a": "2"}


def test_generic(lightkube, client, rich):
    """A generic resource: apply of it and of its status, and its scale."""
    generic = lightkube.generic_resource
    widget = generic.create_namespaced_resource(rich.group, rich.version, rich.kind, rich.plural)

    def body(**fields):
        return widget(apiVersion=rich.api_version, kind=rich.kind, metadata={"name": "one"}, **fields)

    made = client.apply(body(spec={"parts": [{"name": "lid"}]}))
    assert made.spec == {"size": 1, "color": "grey", "parts": [{"name": "lid", "count": 1}]}
    with pytest.raises(lightkube.ApiError) as refused:
        client.apply(body(spec={"size": 12, "color": "red"}))
    assert refused.value.status.code == 422
    assert TOO_BIG in refused.value.status.message
    status = widget.Status(
        apiVersion=rich.api_version, kind=rich.kind, metadata={"name": "one"}, status={"size": 1, "selector": "a=b"}
    )
    assert client.apply(status, "one").status == {"size": 1, "selector": "a=b"}
    scale = client.get(widget.Scale, "one")
    assert (scale.spec.replicas, scale.status.replicas, scale.status.selector) == (1, 1, "a=b")
    scale.spec.replicas = 3
    assert client.replace(scale, "one").spec.replicas == 3
    assert client.get(widget, "one").spec["size"] == 3


def test_wait(lightkube, client, custom):
    """`Client.wait` watches for a condition of an object."""
    generic = lightkube.generic_resource
    widget = generic.create_namespaced_resource(custom.group, custom.version, custom.kind, custom.plural)
    client.create(widget(metadata={"name": "one"}, spec={"size": 1}))
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    client.patch(widget.Status, "one", {"status": status}, patch_type=lightkube.types.PatchType.MERGE)
    assert client.wait(widget, "one", for_conditions=["Ready"]).status == status
