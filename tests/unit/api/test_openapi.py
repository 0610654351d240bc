from __future__ import annotations

import json
from pathlib import Path

import attrs
import msgspec
import pytest
import trio
import trio.testing

from conversion.openapi_media import MEDIA_TYPE_V2, MEDIA_TYPE_V3
from conversion.openapi_protobuf import ENCODER_V2, ENCODER_V3
from tests.builtin import KINDS
from watchd.api.message import Request
from watchd.api.openapi import OpenAPI
from watchd.api.openapi_operations import group_name, operations
from watchd.api.openapi_schemas import meta
from watchd.crd.install import kind_of
from watchd.registry.kind import Kind, Names, Scale, Version
from watchd.seams import InlineRunner
from watchd.status import StatusError

DEEP = 124
"""Levels of a schema: as many as a definition's JSON can hold."""

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
                "inner": {
                    "type": "object",
                    "x-kubernetes-embedded-resource": True,
                    "x-kubernetes-preserve-unknown-fields": True,
                },
                "odd": {"type": "object", "default": {"$ref": "#/components/schemas/nothing"}},
            },
        },
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    },
}
GIZMO = Kind(
    group=GROUP,
    names=Names("gizmos", "Gizmo"),
    versions=(Version("v1", status=True, scale=Scale(".spec.size", ".status.size"), own_schema=SCHEMA),),
    hub="v1",
    custom=True,
)
BARE = Kind(
    group="bare.example.com",
    names=Names("bares", "Bare"),
    versions=(Version("v1"),),
    hub="v1",
    namespaced=False,
    custom=True,
)


@attrs.define
class Installed:
    kinds: list[Kind]
    generation: int = 1

    def replace(self, kind, by):
        self.kinds[self.kinds.index(kind)] = by
        self.generation += 1


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
    changed = msgspec.structs.replace(GIZMO, versions=(msgspec.structs.replace(GIZMO.versions[0], own_schema={"type": "object"}),))
    installed.replace(GIZMO, changed)
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
    assert many["post"]["requestBody"] == {
        "content": {"application/json": reference, "application/yaml": reference},
        "required": True,
    }
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
    assert (
        paths[f"{root}/namespaces/{{namespace}}/gizmos/{{name}}/status"]["get"]["x-kubernetes-group-version-kind"]
        == gvk
    )
    scale = paths[f"{root}/namespaces/{{namespace}}/gizmos/{{name}}/scale"]["put"]
    assert scale["x-kubernetes-group-version-kind"] == gvk
    assert scale["operationId"] == "replaceDiscoveryExampleComV1NamespacedGizmoScale"


async def test_schemas(openapi):
    schemas = body(await ask(openapi, f"/openapi/v3/apis/{GROUP}/v1"))["components"]["schemas"]
    own = schemas[GIZMO_V3]
    assert own["x-kubernetes-group-version-kind"] == [{"group": GROUP, "kind": "Gizmo", "version": "v1"}]
    assert own["properties"]["metadata"]["allOf"] == [
        {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
    ]
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
    known |= {f"#/parameters/{name}" for name in document["parameters"]}
    assert set(references(document)) <= known
    ids = [
        op["operationId"] for path in document["paths"].values() for name, op in path.items() if name != "parameters"
    ]
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
    for path, other in (("/openapi/v2", MEDIA_TYPE_V3), (f"/openapi/v3/apis/{GROUP}/v1", MEDIA_TYPE_V2)):
        refused = await ask(openapi, path, accept=f"{other}, text/html, application/yaml")
        assert (refused.status, refused.headers) == (406, [("vary", "Accept")])
        assert (await ask(openapi, path, accept=f"{other},*/*")).status == 200
    with pytest.raises(StatusError, match="does not allow this method"):
        await ask(openapi, "/openapi/v3", method="POST")


PROTOBUF = [
    ("/openapi/v2", MEDIA_TYPE_V2, "spec.v2@v1.0", ENCODER_V2),
    (f"/openapi/v3/apis/{GROUP}/v1", MEDIA_TYPE_V3, "spec.v3@v1.0", ENCODER_V3),
    ("/openapi/v3/api/v1", MEDIA_TYPE_V3, "spec.v3@v1.0", ENCODER_V3),
]


@pytest.mark.parametrize(("path", "media_type", "old", "encoder"), PROTOBUF)
async def test_protobuf_is_what_the_json_says(openapi, path, media_type, old, encoder):
    plain = await ask(openapi, path)
    for asked in (media_type, f"application/com.github.proto-openapi.{old}+protobuf"):
        response = await ask(openapi, path, accept=asked)
        headers = dict(response.headers)
        assert (response.status, headers["content-type"], headers["vary"]) == (200, media_type, "Accept")
        # One hash for both, as in the reference.
        assert headers["etag"] == dict(plain.headers)["etag"]
        assert response.body == encoder.encode("Document", body(plain))
        again = await ask(openapi, path, accept=asked, if_none_match=headers["etag"])
        assert (again.status, again.body, dict(again.headers)["vary"]) == (304, b"", "Accept")
    # Each form is kept.
    assert (await ask(openapi, path, accept=media_type)).body is response.body
    assert (await ask(openapi, path)).body is plain.body


@pytest.mark.parametrize(
    ("accept", "found"),
    [
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        (f"{MEDIA_TYPE_V2}, application/json", MEDIA_TYPE_V2),
        (f"application/json, {MEDIA_TYPE_V2}", "application/json"),
        (f"application/json;q=0.9, {MEDIA_TYPE_V2}", MEDIA_TYPE_V2),
        (f"*/*, {MEDIA_TYPE_V2}", MEDIA_TYPE_V2),
        (f"{MEDIA_TYPE_V3}, application/json", "application/json"),
        ("application/com.github.proto-openapi.spec.v2@v1.0+protobuf", MEDIA_TYPE_V2),
    ],
)
async def test_the_best_form_that_the_client_takes(openapi, accept, found):
    response = await ask(openapi, "/openapi/v2", accept=accept)
    assert dict(response.headers)["content-type"] == found


async def test_protobuf_by_its_hash(openapi):
    path = f"/openapi/v3/apis/{GROUP}/v1"
    url = body(await ask(openapi, "/openapi/v3"))["paths"][path.removeprefix("/openapi/v3/")]["serverRelativeURL"]
    response = await ask(openapi, *url.split("?"), accept=MEDIA_TYPE_V3)
    headers = dict(response.headers)
    assert (headers["cache-control"], headers["content-type"]) == ("public, immutable", MEDIA_TYPE_V3)
    moved = await ask(openapi, path, "hash=0123", accept=MEDIA_TYPE_V3)
    assert moved.status == 301
    assert dict(moved.headers) == {
        "location": url,
        "content-type": MEDIA_TYPE_V3,
        "etag": headers["etag"],
        "vary": "Accept",
    }


async def test_documents_are_kept_within_a_bound(openapi, monkeypatch):
    path = f"/openapi/v3/apis/{GROUP}/v1"
    first = (await ask(openapi, path)).body
    assert (await ask(openapi, path)).body is first
    monkeypatch.setattr("watchd.api.openapi.CACHE_BYTES", len(first))
    await ask(openapi, "/openapi/v3/apis/bare.example.com/v1")
    assert sum(map(len, openapi._documents.values())) <= len(first)
    assert (await ask(openapi, path)).body == first


async def test_what_was_asked_for_last_is_kept(openapi, monkeypatch):
    path = f"/openapi/v3/apis/{GROUP}/v1"
    first = (await ask(openapi, path)).body
    second = (await ask(openapi, "/openapi/v3/apis/coordination.k8s.io/v1")).body
    await ask(openapi, path)
    monkeypatch.setattr("watchd.api.openapi.CACHE_BYTES", len(first) + len(second))
    await ask(openapi, "/openapi/v3/apis/bare.example.com/v1")
    assert (await ask(openapi, path)).body is first
    assert second not in openapi._documents.values()


async def test_documents_of_changed_kinds_are_dropped(openapi, installed):
    path, other = f"/openapi/v3/apis/{GROUP}/v1", "/openapi/v3/apis/bare.example.com/v1"
    for each in (path, other, "/openapi/v2"):
        await ask(openapi, each)
    kept = (await ask(openapi, other)).body
    installed.replace(GIZMO, msgspec.structs.replace(GIZMO, namespaced=False))
    await ask(openapi, "/openapi/v3")
    assert list(openapi._documents.values()) == [kept]
    assert (await ask(openapi, other)).body is kept


async def test_clients_that_come_at_once_get_one_document(installed, nursery):
    built = []

    class Thread(InlineRunner):
        async def run_sync(self, function, *args):
            built.append(getattr(function, "__name__", "a document"))
            await trio.testing.wait_all_tasks_blocked()
            return function(*args)

    openapi, answers = OpenAPI(installed, clock=FixedClock(), runner=Thread()), []

    async def client():
        answers.append((await ask(openapi, "/openapi/v2")).body)

    async with trio.open_nursery() as clients:
        for _ in range(3):
            clients.start_soon(client)
    assert built == ["_catalogued", "a document"]
    assert answers[0] is answers[1] is answers[2]


# As the reference has them: openapi_reference.json holds a definition and what apiextensions-apiserver published of it,
# without the shared schemas.

REFERENCE = json.loads(Path(__file__).with_name("openapi_reference.json").read_text())


@pytest.fixture
def as_reference(installed):
    kind = kind_of(REFERENCE["definition"])
    return OpenAPI(attrs.evolve(installed, kinds=[kind]), clock=FixedClock(), runner=InlineRunner())


def differences(expected, found, path=""):
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in sorted(expected.keys() | found.keys()):
            yield from differences(expected.get(name), found.get(name), f"{path}/{name}")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, pair in enumerate(zip(expected, found, strict=True)):
            yield from differences(*pair, f"{path}/{index}")
    elif expected != found:
        yield path, expected, found


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_version_3_is_the_references(as_reference, version):
    found = body(await ask(as_reference, f"/openapi/v3/apis/openapi.example.com/{version}"))
    expected = REFERENCE["v3"][version]
    shared = meta()["schemas"]
    found["components"]["schemas"] = {
        name: schema for name, schema in found["components"]["schemas"].items() if name not in shared
    }
    assert list(differences(expected, {name: found[name] for name in expected})) == []


async def test_version_2_is_the_references(as_reference):
    found = body(await ask(as_reference, "/openapi/v2"))
    expected = REFERENCE["v2"]
    own = {name: schema for name, schema in found["definitions"].items() if name in expected["definitions"]}
    paths = {path: item for path, item in found["paths"].items() if path in expected["paths"]}
    assert list(differences(expected["definitions"], own)) == []
    assert list(differences(expected["paths"], paths)) == []
    assert list(differences(expected["parameters"], found["parameters"])) == []


@pytest.mark.parametrize(
    ("kind", "create", "delete"),
    [
        ("Area", "create an Area", "delete an Area"),
        ("use", "create an use", "delete an use"),
        ("Links", "create Links", "delete Links"),
        ("Boss", "create a Boss", "delete a Boss"),
    ],
)
def test_articles(kind, create, delete):
    made = msgspec.structs.replace(GIZMO, names=Names("things", kind))
    said = [operation.description for operation in operations(made, made.versions[0])]
    assert {create, delete} <= set(said)


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("example.com", "ExampleCom"),
        ("", "Core"),
        ("gateway.networking.k8s.io", "GatewayNetworking"),
        ("2nd.x-y.io", "NdXYIo"),
    ],
)
def test_group_names(group, name):
    assert group_name(group) == name


async def test_a_deep_schema_is_published(installed):
    schema = {"type": "object"}
    for _ in range(DEEP):
        schema = {"type": "object", "properties": {"a": schema}}
    deep = msgspec.structs.replace(GIZMO, versions=(Version("v1", own_schema=schema),))
    openapi = OpenAPI(attrs.evolve(installed, kinds=[deep]), clock=FixedClock(), runner=InlineRunner())
    for path, protobuf in ((f"/openapi/v3/apis/{GROUP}/v1", MEDIA_TYPE_V3), ("/openapi/v2", MEDIA_TYPE_V2)):
        assert (await ask(openapi, path)).status == 200
        assert (await ask(openapi, path, accept=protobuf)).status == 200
