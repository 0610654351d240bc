from __future__ import annotations

import pytest

from watchd.api.requestinfo import RequestInfo, flag


def parse(method, path, **query):
    return RequestInfo.parse(method, path, {name: [value] for name, value in query.items()})


@pytest.mark.parametrize(
    ("method", "path", "verb", "group", "version", "namespace", "resource", "name", "subresource"),
    [
        ("GET", "/api/v1/namespaces/ns/pods", "list", "", "v1", "ns", "pods", "", ""),
        ("GET", "/api/v1/pods", "list", "", "v1", "", "pods", "", ""),
        ("GET", "/api/v1/namespaces", "list", "", "v1", "", "namespaces", "", ""),
        ("GET", "/api/v1/namespaces/ns", "get", "", "v1", "ns", "namespaces", "ns", ""),
        ("PUT", "/api/v1/namespaces/ns/finalize", "update", "", "v1", "ns", "namespaces", "ns", "finalize"),
        ("PATCH", "/api/v1/namespaces/ns/status", "patch", "", "v1", "ns", "namespaces", "ns", "status"),
        ("POST", "/apis/apps/v1/namespaces/ns/deployments", "create", "apps", "v1", "ns", "deployments", "", ""),
        ("HEAD", "/apis/apps/v1/namespaces/ns/deployments/d", "get", "apps", "v1", "ns", "deployments", "d", ""),
        ("PATCH", "/apis/apps/v1/namespaces/ns/deployments/d/scale", "patch", "apps", "v1", "ns", "deployments", "d", "scale"),
        ("DELETE", "/apis/apps/v1/namespaces/ns/deployments/d", "delete", "apps", "v1", "ns", "deployments", "d", ""),
        ("DELETE", "/apis/apps/v1/namespaces/ns/deployments", "deletecollection", "apps", "v1", "ns", "deployments", "", ""),
        ("GET", "/apis/g/v1/things/a%20b/", "get", "g", "v1", "", "things", "a b", ""),
        ("OPTIONS", "/api/v1/pods", "", "", "v1", "", "pods", "", ""),
        ("GET", "/api/v1/watch/namespaces/ns/pods/p", "watch", "", "v1", "ns", "pods", "p", ""),
        ("GET", "/apis/g/v1/watch/things", "watch", "g", "v1", "", "things", "", ""),
        ("POST", "/apis/g/v1/watch/things", "", "g", "v1", "", "things", "", ""),
    ],
)
def test_resource_paths(method, path, verb, group, version, namespace, resource, name, subresource):
    info = parse(method, path)
    assert info.is_resource
    assert (info.verb, info.group, info.version) == (verb, group, version)
    assert (info.namespace, info.resource, info.name, info.subresource) == (namespace, resource, name, subresource)
    assert info.legacy_watch == ("/watch/" in path)


@pytest.mark.parametrize(
    "path", ["/", "", "/api", "/api/v1", "/apis", "/apis/g", "/apis/g/v1", "/healthz", "/version", "/apix/v1/pods", "/api/v1/watch"]
)
def test_other_paths(path):
    info = parse("GET", path)
    assert not info.is_resource
    assert (info.verb, info.path) == ("get", path)


@pytest.mark.parametrize(
    "path",
    ["/apis/g/v1/things/other%2Fname", "/apis/g/v1/things/..", "/apis/g/v1/namespaces//things", "/apis/g/v1/things/%2e%2E"],
)
def test_no_segment_reaches_over_its_place(path):
    assert not parse("GET", path).is_resource


def test_what_follows_the_subresource_is_kept():
    assert parse("GET", "/api/v1/namespaces/ns/pods/p/proxy/a/b").extra == ("a", "b")


@pytest.mark.parametrize(("value", "verb"), [("1", "watch"), ("notabool", "watch"), ("", "watch"), ("0", "list"), ("False", "list")])
def test_watch_parameter(value, verb):
    assert parse("GET", "/api/v1/pods", watch=value).verb == verb
    assert parse("GET", "/api/v1/namespaces/ns/pods/p", watch=value).verb == "get"


@pytest.mark.parametrize(
    ("selector", "name"),
    [("metadata.name=a", "a"), ("spec.x=1,metadata.name==a", "a"), ("metadata.name!=a", ""), ("metadata.name", ""), ("metadata.name=a/b", "")],
)
def test_name_from_the_field_selector(selector, name):
    for verb in ("list", "watch"):
        info = parse("GET", "/api/v1/pods", fieldSelector=selector, watch=str(verb == "watch").lower())
        assert (info.verb, info.name) == (verb, name)
    assert parse("DELETE", "/api/v1/pods", fieldSelector=selector).name == ""


def test_flag():
    assert not flag(None)
    assert not flag([])
    assert flag(["yes"])
