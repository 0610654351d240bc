from __future__ import annotations

import json

import attrs
import pytest

from conversion.codec import CBOR, PROTOBUF, YAML
from watchd.api.discovery import AGGREGATED_TYPE, Discovery, storage_version_hash
from watchd.api.message import Request
from watchd.api.negotiate import TYPED_CODECS
from watchd.registry.kind import ALL_VERBS, Kind, Names, Scale, Subresource, Version
from watchd.status import StatusError

GROUP = "discovery.example.com"
GIZMO = Kind(
    group=GROUP,
    names=Names("gizmos", "Gizmo", short_names=("gz",), categories=("all", "toys")),
    versions=(Version("v1", status=True, scale=Scale(".spec.size", ".status.size")),),
    hub="v1",
    custom=True,
)
NAMESPACE = Kind(
    group="",
    names=Names("namespaces", "Namespace", short_names=("ns",)),
    versions=(Version("v1", status=True),),
    hub="v1",
    namespaced=False,
    verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection"),
    subresources=(Subresource("finalize", ("update",)),),
)
MANY = Kind(
    group="many.example.com",
    names=Names("things", "Thing"),
    versions=tuple(Version(name, served=name != "v3") for name in ("v1alpha1", "v1beta2", "v10", "v2", "other", "v3")),
    hub="v10",
    custom=True,
)
VERBS = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
SUB_VERBS = ["get", "patch", "update"]


@attrs.define
class Installed:
    kinds: list[Kind]
    generation: int = 1


async def no_body(limit):
    raise AssertionError(limit)


def ask(discovery, path, accept="", method="GET", **headers):
    given = {"host": "127.0.0.1:6443", **{name.replace("_", "-"): text for name, text in headers.items()}}
    if accept:
        given["accept"] = accept
    return discovery.answer(Request(method, path, "", given, no_body))


def body(response):
    return json.loads(response.body)


@pytest.fixture
def installed():
    return Installed([NAMESPACE, GIZMO, MANY])


@pytest.fixture
def discovery(installed):
    return Discovery(installed)


def test_groups(discovery):
    version = {"groupVersion": f"{GROUP}/v1", "version": "v1"}
    group = {"name": GROUP, "versions": [version], "preferredVersion": version}
    found = body(ask(discovery, "/apis"))
    assert (found["kind"], found["apiVersion"]) == ("APIGroupList", "v1")
    assert found["groups"][0] == group
    assert [entry["name"] for entry in found["groups"]] == [GROUP, "many.example.com"]
    assert body(ask(discovery, f"/apis/{GROUP}/")) == {"kind": "APIGroup", "apiVersion": "v1", **group}


def test_versions_by_priority(discovery):
    found = body(ask(discovery, "/apis/many.example.com"))
    assert [entry["version"] for entry in found["versions"]] == ["v10", "v2", "v1beta2", "v1alpha1", "other"]
    assert found["preferredVersion"]["version"] == "v10"


def test_resources(discovery):
    scale = {"name": "gizmos/scale", "singularName": "", "namespaced": True, "group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert body(ask(discovery, f"/apis/{GROUP}/v1")) == {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{GROUP}/v1",
        "resources": [
            {
                "name": "gizmos",
                "singularName": "gizmo",
                "namespaced": True,
                "kind": "Gizmo",
                "verbs": VERBS,
                "shortNames": ["gz"],
                "categories": ["all", "toys"],
                "storageVersionHash": "7pYJJtb4paI=",
            },
            {"name": "gizmos/status", "singularName": "", "namespaced": True, "kind": "Gizmo", "verbs": SUB_VERBS},
            {**scale, "verbs": SUB_VERBS},
        ],
    }


def test_core(discovery):
    found = body(ask(discovery, "/api"))
    assert found["versions"] == ["v1"]
    assert found["serverAddressByClientCIDRs"] == [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}]
    resources = {entry["name"]: entry for entry in body(ask(discovery, "/api/v1"))["resources"]}
    assert list(resources) == ["namespaces", "namespaces/finalize", "namespaces/status"]
    assert resources["namespaces"]["verbs"] == ["create", "delete", "get", "list", "patch", "update", "watch"]
    assert resources["namespaces/finalize"]["verbs"] == ["update"]


def test_hash_of_a_core_kind():
    pod = Kind(group="", names=Names("pods", "Pod"), versions=(Version("v1"),), hub="v1")
    assert storage_version_hash(pod) == "xPOwRZ+Yhw8="


@pytest.mark.parametrize(
    "path", ["/apis/nothing.example.org", "/apis/nothing.example.org/v1", f"/apis/{GROUP}/v7", "/api/v2", "/nothing", "/apis//v1", f"/apis/{GROUP}/v1/x"]
)
def test_unknown_paths(discovery, path):
    response = ask(discovery, path)
    assert (response.status, response.body) == (404, b"404 page not found\n")
    assert dict(response.headers)["content-type"] == "text/plain; charset=utf-8"


def test_aggregated(discovery):
    response = ask(discovery, "/apis", AGGREGATED_TYPE)
    headers = dict(response.headers)
    assert headers["content-type"] == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    assert headers["vary"] == "Accept"
    found = body(response)
    assert (found["kind"], found["apiVersion"]) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2")
    own = {"group": GROUP, "version": "v1", "kind": "Gizmo"}
    scale = {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert found["items"][0] == {
        "metadata": {"name": GROUP},
        "versions": [
            {
                "version": "v1",
                "resources": [
                    {
                        "resource": "gizmos",
                        "responseKind": own,
                        "scope": "Namespaced",
                        "singularResource": "gizmo",
                        "verbs": VERBS,
                        "shortNames": ["gz"],
                        "categories": ["all", "toys"],
                        "subresources": [
                            {"subresource": "status", "responseKind": own, "verbs": SUB_VERBS},
                            {"subresource": "scale", "responseKind": scale, "verbs": SUB_VERBS},
                        ],
                    }
                ],
                "freshness": "Current",
            }
        ],
    }
    core = body(ask(discovery, "/api", AGGREGATED_TYPE))
    assert [item["metadata"] for item in core["items"]] == [{}]
    assert core["items"][0]["versions"][0]["resources"][0]["scope"] == "Cluster"


def test_etag(discovery, installed):
    etag = dict(ask(discovery, "/apis", AGGREGATED_TYPE).headers)["etag"]
    assert len(etag) == 130
    assert etag == etag.upper()
    again = ask(discovery, "/apis", AGGREGATED_TYPE, if_none_match=f'"x", {etag}')
    assert (again.status, again.body) == (304, b"")
    assert ask(discovery, "/apis", AGGREGATED_TYPE, if_none_match='"nonsense"').status == 200
    installed.kinds.pop()
    installed.generation += 1
    assert ask(discovery, "/apis", AGGREGATED_TYPE, if_none_match=etag).status == 200


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (f"{AGGREGATED_TYPE},{AGGREGATED_TYPE.replace('v2', 'v2beta1')},application/json", "APIGroupDiscoveryList"),
        (f"{AGGREGATED_TYPE};profile=nopeer,application/json", "APIGroupDiscoveryList"),
        (f"{AGGREGATED_TYPE.replace('v2', 'v2beta1')},application/json", "APIGroupList"),
        ("application/json", "APIGroupList"),
        ("application/vnd.unknown,*/*", "APIGroupList"),
    ],
)
def test_forms(discovery, accept, kind):
    assert body(ask(discovery, "/apis", accept))["kind"] == kind


PARAMETERS = AGGREGATED_TYPE.removeprefix("application/json")


@pytest.mark.parametrize(
    ("media_type", "path"),
    [
        *((media_type, path) for media_type in (YAML, PROTOBUF) for path in ("/apis", f"/apis/{GROUP}", f"/apis/{GROUP}/v1", "/api")),
        *((f"{media_type}{PARAMETERS}", "/apis") for media_type in (YAML, PROTOBUF, CBOR)),
    ],
)
def test_formats(discovery, media_type, path):
    response = ask(discovery, path, media_type)
    assert dict(response.headers)["content-type"] == media_type
    read = TYPED_CODECS[media_type.partition(";")[0]].decode(response.body).value
    plain = body(ask(discovery, path, f"application/json{PARAMETERS}" if ";" in media_type else "application/json"))
    assert without_empty(read) == without_empty({"apiVersion": read.get("apiVersion"), **plain})


def without_empty(node):
    """Protobuf writes empty fields or leaves them out by rules of its own."""
    if isinstance(node, list):
        return [without_empty(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {name: without_empty(value) for name, value in node.items() if value not in ("", [], {}, None, False)}


def test_plain_lists_are_not_written_in_cbor(discovery):
    with pytest.raises(StatusError, match=r"accepted: application/json, application/yaml, application/vnd\.kubernetes\.protobuf$"):
        ask(discovery, f"/apis/{GROUP}", CBOR)


def test_refusals(discovery):
    with pytest.raises(StatusError) as e:
        ask(discovery, "/apis", AGGREGATED_TYPE.replace("v2", "v2beta1"))
    assert e.value.code == 406


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS"])
def test_methods_matter_to_built_in_groups_alone(discovery, method):
    for path in ("/", "/apis", f"/apis/{GROUP}", f"/apis/{GROUP}/v1"):
        assert ask(discovery, path, method=method).status == 200
    for path in ("/api", "/api/v1"):
        with pytest.raises(StatusError) as e:
            ask(discovery, path, method=method)
        assert (e.value.code, e.value.to_object()["details"]) == (405, {})


def test_kept_until_the_kinds_change(discovery, installed):
    first = ask(discovery, f"/apis/{GROUP}").body
    assert ask(discovery, f"/apis/{GROUP}").body is first
    installed.kinds.remove(GIZMO)
    installed.generation += 1
    assert ask(discovery, f"/apis/{GROUP}").status == 404
    assert ask(discovery, f"/apis/{GROUP}/v1").status == 404


def test_root(discovery):
    paths = body(ask(discovery, "/"))["paths"]
    assert {"/api", "/api/v1", "/apis", f"/apis/{GROUP}", f"/apis/{GROUP}/v1", "/version", "/readyz"} <= set(paths)
    assert paths == sorted(paths)


async def test_yaml(discovery):
    response = await discovery.handle(Request("GET", f"/apis/{GROUP}", "", {"accept": "application/yaml"}, no_body))
    assert b"kind: APIGroup\n" in response.body
