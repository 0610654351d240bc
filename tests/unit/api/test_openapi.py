from __future__ import annotations

import json

import attrs
import pytest

from watchd.api.message import Request
from watchd.api.openapi import OpenAPI
from watchd.registry.builtin import KINDS
from watchd.registry.kind import Kind, Names, Scale, Version
from watchd.seams import InlineRunner
from watchd.status import StatusError

GROUP = "discovery.example.com"
GIZMO_V3 = "com.example.discovery.v1.Gizmo"
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "description": "what is wanted",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "description": "how big", "minimum": 1},
                "mode": {"type": "string", "enum": ["a", "b"], "default": "a"},
                "maybe": {"type": "array", "items": {"type": "string"}, "nullable": True},
                "either": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
                "inner": {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
                "odd": {"type": "object", "default": {"$ref": "#/components/schemas/nothing"}},
            },
        },
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}
GIZMO = Kind(
    group=GROUP,
    names=Names("gizmos", "Gizmo"),
    versions=(Version("v1", status=True, scale=Scale(".spec.size", ".status.size"), schema=SCHEMA),),
    hub="v1",
    custom=True,
)
BARE = Kind(
    group="bare.example.com", names=Names("bares", "Bare"), versions=(Version("v1"),), hub="v1", namespaced=False, custom=True
)


@attrs.define
class Installed:
    kinds: list[Kind]
    generation: int = 1


class FixedClock:
    def now_ms(self):
        return 1_700_000_000_000


async def no_body(limit):
    raise AssertionError(limit)


@pytest.fixture
def installed():
    return Installed([*KINDS, GIZMO, BARE])


@pytest.fixture
def openapi(installed):
    return OpenAPI(installed, clock=FixedClock(), runner=InlineRunner())


async def ask(openapi, path, query="", method="GET", **headers):
    given = {name.replace("_", "-"): text for name, text in headers.items()}
    return await openapi.handle(Request(method, path, query, given, no_body))


def body(response):
    assert response.status == 200
    return json.loads(response.body)


async def test_index_and_hashes(openapi):
    response = await ask(openapi, "/openapi/v3")
    paths = body(response)["paths"]
    assert {"api/v1", "apis/coordination.k8s.io/v1", f"apis/{GROUP}/v1"} <= set(paths)
    assert not openapi._documents
    url = paths[f"apis/{GROUP}/v1"]["serverRelativeURL"]
    path, _, query = url.partition("?")
    document = await ask(openapi, path, query)
    headers = dict(document.headers)
    assert headers["etag"] == f'"{query.removeprefix("hash=")}"'
    assert headers["expires"] == "Wed, 13 Nov 2024 22:13:20 GMT"
    assert headers["cache-control"] == "public, immutable"
    assert len(headers["etag"]) == 130


async def test_conditional_and_moved(openapi):
    path = f"/openapi/v3/apis/{GROUP}/v1"
    etag = dict((await ask(openapi, path)).headers)["etag"]
    again = await ask(openapi, path, if_none_match=etag)
    assert (again.status, again.body, dict(again.headers)["etag"]) == (304, b"", etag)
    moved = await ask(openapi, path, "hash=0123")
    assert (moved.status, dict(moved.headers)["location"]) == (301, f"{path}?hash={etag.strip(chr(34))}")


async def test_a_changed_kind_changes_its_hash_alone(openapi, installed):
    before = body(await ask(openapi, "/openapi/v3"))["paths"]
    changed = attrs.evolve(GIZMO, versions=(attrs.evolve(GIZMO.versions[0], schema={"type": "object"}),))
    installed.kinds[installed.kinds.index(GIZMO)] = changed
    after = body(await ask(openapi, "/openapi/v3"))["paths"]
    assert {name for name in before if before[name] != after[name]} == {f"apis/{GROUP}/v1"}
    document = body(await ask(openapi, f"/openapi/v3/apis/{GROUP}/v1"))
    assert "spec" not in document["components"]["schemas"][GIZMO_V3]["properties"]


async def test_paths(openapi):
    document = body(await ask(openapi, f"/openapi/v3/apis/{GROUP}/v1"))
    root = f"/apis/{GROUP}/v1"
    paths = document["paths"]
    assert document["openapi"] == "3.0.0"
    one = paths[f"{root}/namespaces/{{namespace}}/gizmos/{{name}}"]
    many = paths[f"{root}/namespaces/{{namespace}}/gizmos"]
    assert many["get"]["operationId"] == "listDiscoveryExampleComV1NamespacedGizmo"
    assert many["delete"]["operationId"] == "deleteDiscoveryExampleComV1CollectionNamespacedGizmo"
    assert paths[f"{root}/gizmos"]["get"]["operationId"] == "listDiscoveryExampleComV1GizmoForAllNamespaces"
    reference = {"schema": {"$ref": f"#/components/schemas/{GIZMO_V3}"}}
    assert many["post"]["requestBody"] == {"content": {"application/json": reference, "application/yaml": reference}, "required": True}
    assert one["patch"]["x-kubernetes-action"] == "patch"
    assert set(one["patch"]["requestBody"]["content"]) == {
        "application/apply-patch+yaml",
        "application/json-patch+json",
        "application/merge-patch+json",
    }
    # kubectl asks here whether the server knows these.
    assert {"dryRun", "fieldValidation"} <= {parameter["name"] for parameter in one["patch"]["parameters"]}
    assert [parameter["name"] for parameter in one["parameters"]] == ["name", "namespace", "pretty"]
    gvk = {"group": GROUP, "version": "v1", "kind": "Gizmo"}
    assert paths[f"{root}/namespaces/{{namespace}}/gizmos/{{name}}/status"]["get"]["x-kubernetes-group-version-kind"] == gvk
    scale = paths[f"{root}/namespaces/{{namespace}}/gizmos/{{name}}/scale"]["put"]
    assert scale["x-kubernetes-group-version-kind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}
    assert scale["operationId"] == "replaceDiscoveryExampleComV1NamespacedGizmoScale"


async def test_schemas(openapi):
    schemas = body(await ask(openapi, f"/openapi/v3/apis/{GROUP}/v1"))["components"]["schemas"]
    own = schemas[GIZMO_V3]
    assert own["x-kubernetes-group-version-kind"] == [{"group": GROUP, "kind": "Gizmo", "version": "v1"}]
    assert own["properties"]["metadata"]["allOf"] == [{"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}]
    spec = own["properties"]["spec"]["properties"]
    assert spec["mode"] == {"type": "string", "default": "a", "enum": ["a", "b"]}
    assert set(spec["inner"]["properties"]) == {"apiVersion", "kind", "metadata"}
    listed = schemas[f"{GIZMO_V3}List"]
    assert listed["required"] == ["items"]
    assert listed["properties"]["items"] == {
        "description": "List of gizmos. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md",
        "type": "array",
        "items": {"$ref": f"#/components/schemas/{GIZMO_V3}"},
    }


def references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


async def test_every_reference_leads_somewhere(openapi, installed):
    for name in body(await ask(openapi, "/openapi/v3"))["paths"]:
        document = body(await ask(openapi, f"/openapi/v3/{name}"))
        known = {f"#/components/schemas/{schema}" for schema in document["components"]["schemas"]}
        assert set(references(document)) - known <= {"#/components/schemas/nothing"}
    document = body(await ask(openapi, "/openapi/v2"))
    known = {f"#/definitions/{schema}" for schema in document["definitions"]}
    assert set(references(document)) <= known
    ids = [op["operationId"] for path in document["paths"].values() for name, op in path.items() if name != "parameters"]
    assert len(ids) == len(set(ids))


async def test_version_2(openapi):
    document = body(await ask(openapi, "/openapi/v2"))
    assert document["swagger"] == "2.0"
    own = document["definitions"][GIZMO_V3]["properties"]
    assert own["metadata"] == {
        "description": "Standard object's metadata. More info: "
        "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
        "$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
    }
    assert own["status"] == {"x-kubernetes-preserve-unknown-fields": True}
    spec = own["spec"]["properties"]
    assert spec["mode"] == {"type": "string", "enum": ["a", "b"]}
    assert spec["maybe"] == {}
    assert spec["either"] == {"x-kubernetes-int-or-string": True}
    path = f"/apis/{GROUP}/v1/namespaces/{{namespace}}/gizmos/{{name}}"
    assert document["paths"][path]["get"]["operationId"] == "readDiscoveryExampleComV1NamespacedGizmo"
    assert document["definitions"]["com.example.bare.v1.Bare"]["type"] == "object"


async def test_built_in_kinds(openapi):
    document = body(await ask(openapi, "/openapi/v3/api/v1"))
    assert "io.k8s.api.core.v1.ConfigMap" in document["components"]["schemas"]
    paths = document["paths"]
    assert paths["/api/v1/namespaces/{namespace}/configmaps"]["get"]["operationId"] == "listCoreV1NamespacedConfigMap"
    assert paths["/api/v1/namespaces/{name}/finalize"]["put"]["operationId"] == "replaceCoreV1NamespaceFinalize"
    assert "delete" not in paths["/api/v1/namespaces"]
    assert "x-go-" not in json.dumps(document)


async def test_refusals(openapi):
    assert (await ask(openapi, "/openapi/v3/apis/nothing/v1")).status == 404
    assert (await ask(openapi, "/openapi/v4")).status == 404
    assert (await ask(openapi, "/openapi/v2", accept="application/com.github.proto-openapi.spec.v2.v1.0+protobuf")).status == 406
    assert (await ask(openapi, "/openapi/v2", accept="application/com.github.proto-openapi.spec.v2@v1.0+protobuf,*/*")).status == 200
    with pytest.raises(StatusError, match="does not allow this method"):
        await ask(openapi, "/openapi/v3", method="POST")


async def test_documents_are_kept_within_a_bound(openapi, monkeypatch):
    path = f"/openapi/v3/apis/{GROUP}/v1"
    first = (await ask(openapi, path)).body
    assert (await ask(openapi, path)).body is first
    monkeypatch.setattr("watchd.api.openapi.CACHE_BYTES", len(first))
    await ask(openapi, "/openapi/v3/apis/bare.example.com/v1")
    assert sum(map(len, openapi._documents.values())) <= len(first)
    assert (await ask(openapi, path)).body == first
