"""What OpenAPI documents say of subresources and of kinds that are stored nowhere; the facts are kube-apiserver 1.37's documents."""

from __future__ import annotations

import orjson
import pytest

from tests.builtin import KINDS
from watchd.api.openapi_build import document_v2, document_v3

POD = "/api/v1/namespaces/{namespace}/pods/{name}"
KIND_OF_GVK = "x-kubernetes-group-version-kind"


def served(group):
    return [(kind, version) for kind in KINDS if kind.group == group for version in kind.versions]


@pytest.fixture(scope="module")
def core():
    return orjson.loads(document_v3(served("")))


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        (f"{POD}/binding", {"post": ("createCoreV1NamespacedPodBinding", "", "Binding")}),
        (f"{POD}/eviction", {"post": ("createCoreV1NamespacedPodEviction", "policy", "Eviction")}),
        (f"{POD}/log", {"get": ("readCoreV1NamespacedPodLog", "", "Pod")}),
        (
            f"{POD}/exec",
            {
                "get": ("connectCoreV1GetNamespacedPodExec", "", "PodExecOptions"),
                "post": ("connectCoreV1PostNamespacedPodExec", "", "PodExecOptions"),
            },
        ),
        (
            "/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
            {"post": ("createCoreV1NamespacedServiceAccountToken", "authentication.k8s.io", "TokenRequest")},
        ),
        (
            "/api/v1/nodes/{name}/proxy/{path}",
            {
                method: (f"connectCoreV1{method.capitalize()}NodeProxyWithPath", "", "NodeProxyOptions")
                for method in ("delete", "get", "head", "options", "patch", "post", "put")
            },
        ),
    ],
)
def test_operations(core, path, methods):
    item = core["paths"][path]
    found = {method: told for method, told in item.items() if method != "parameters"}
    assert {
        method: (told["operationId"], told[KIND_OF_GVK]["group"], told[KIND_OF_GVK]["kind"]) for method, told in found.items()
    } == methods


def test_parameters(core):
    def named(path):
        return [(told["name"], told["in"]) for told in core["paths"][path]["parameters"]]

    assert named(f"{POD}/exec") == [
        ("command", "query"),
        ("container", "query"),
        ("name", "path"),
        ("namespace", "path"),
        ("stderr", "query"),
        ("stdin", "query"),
        ("stdout", "query"),
        ("tty", "query"),
    ]
    assert sorted(named(f"{POD}/proxy/{{path}}")) == [("name", "path"), ("namespace", "path"), ("path", "path"), ("path", "query")]
    assert ("dryRun", "query") in named(f"{POD}/eviction")


def test_bodies_of_other_groups_are_told(core):
    schemas = core["components"]["schemas"]
    assert {"io.k8s.api.policy.v1.Eviction", "io.k8s.api.authentication.v1.TokenRequest"} <= schemas.keys()
    answer = core["paths"][f"{POD}/exec"]["get"]["responses"]["200"]["content"]
    assert answer == {"*/*": {"schema": {"type": "string"}}}


@pytest.mark.parametrize("group", ["authentication.k8s.io", "authorization.k8s.io"])
def test_what_is_never_listed_has_no_list(group):
    document = orjson.loads(document_v3(served(group)))
    assert [name for name in document["components"]["schemas"] if name.endswith("ReviewList")] == []
    assert all(item.keys() == {"post", "parameters"} for item in document["paths"].values())


def test_version_2_shares_parameters_under_the_same_names():
    document = orjson.loads(document_v2(served("")))
    parameters = [told.get("$ref", "") for told in document["paths"][f"{POD}/exec"]["parameters"]]
    assert "#/parameters/command-Py3eQybp" in parameters
    assert document["paths"][f"{POD}/exec"]["get"]["responses"]["200"]["schema"] == {"type": "string"}
