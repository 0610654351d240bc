from __future__ import annotations

import pytest

from watchd.api import negotiate
from watchd.api.message import Request
from watchd.status import StatusError

LISTED = "application/json, application/yaml, application/vnd.kubernetes.protobuf, application/cbor"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


async def no_body(limit):
    raise AssertionError(limit)


def request(accept=None, query="", agent="", content_type=None):
    headers = {"user-agent": agent}
    if accept is not None:
        headers["accept"] = accept
    if content_type is not None:
        headers["content-type"] = content_type
    return Request("GET", "/api/v1/pods", query, headers, no_body)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("*", "application/json"),
        ("application/*", "application/json"),
        ("application/yaml", "application/yaml"),
        ("application/cbor", "application/cbor"),
        ("application/json;q=0.1, application/yaml", "application/yaml"),
        ("*/*, application/yaml", "application/yaml"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json"),
        ("application/vnd.kubernetes.protobuf,application/json", "application/json"),
        ("application/vnd.kubernetes.protobuf, */*", "application/json"),
        ("application/json;stream=watch", "application/json"),
        ("application/yaml;stream=watch,application/json", "application/json"),
        ("application/json;profile=nopeer", "application/json"),
        (f"{TABLE},application/yaml", "application/yaml"),
        ("junk,application/yaml", "application/yaml"),
    ],
)
def test_what_is_chosen(accept, content_type):
    accepted = negotiate.accept(request(accept))
    assert accepted.content_type == content_type
    assert accepted.codec.media_type == content_type
    assert accepted.transformation is None


@pytest.mark.parametrize(
    "accept", ["application/xml", "text/plain", "application/vnd.kubernetes.protobuf", TABLE, "application/cbor-seq", "application/json;sv=v1"]
)
def test_not_acceptable(accept):
    with pytest.raises(StatusError) as e:
        negotiate.accept(request(accept))
    assert (e.value.code, e.value.message) == (406, f"only the following media types are accepted: {LISTED}")


def test_watches():
    assert negotiate.accept(request("application/json"), watching=True).content_type == "application/json"
    assert negotiate.accept(request("application/cbor"), watching=True).content_type == "application/cbor-seq"
    assert negotiate.accept(request("application/yaml,application/json"), watching=True).content_type == "application/json"
    with pytest.raises(StatusError, match="application/json;stream=watch"):
        negotiate.accept(request("application/yaml"), watching=True)
    with pytest.raises(StatusError, match=f"{LISTED}$"):
        negotiate.accept(request("application/cbor-seq"), watching=True)


@pytest.mark.parametrize(
    ("accept", "kind", "version"),
    [
        (TABLE, "Table", "v1"),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io", "Table", "v1beta1"),
        (f"application/json;as=Table;v=v9;g=meta.k8s.io,{TABLE}", "Table", "v1"),
        ("application/cbor;as=Table;v=v1;g=meta.k8s.io,application/json", None, None),
        ("application/json;as=Table;v=v1;g=other.io,application/json", None, None),
        ("application/json;as=Chart;v=v1;g=meta.k8s.io,application/json", None, None),
    ],
)
def test_transformations(accept, kind, version):
    found = negotiate.accept(request(accept), transformations={"Table"}).transformation
    assert (found and found.kind, found and found.version) == (kind, version)


@pytest.mark.parametrize(
    ("query", "agent", "pretty"),
    [
        ("", "kubectl/1.37", False),
        ("", "curl/8.0", True),
        ("", "Mozilla/5.0 (X11)", True),
        ("", "Wget/1", True),
        ("pretty=false", "curl/8.0", False),
        ("pretty=true", "kubectl/1.37", True),
        ("pretty=1", "", True),
        ("pretty=yes", "curl/8.0", False),
        ("pretty=", "curl/8.0", True),
    ],
)
def test_pretty(query, agent, pretty):
    accepted = negotiate.accept(request(query=query, agent=agent))
    assert accepted.pretty is pretty
    assert (b"\n  " in accepted.encode({"a": 1})) is pretty


def test_errors_are_answered_even_where_nothing_is_acceptable():
    accepted = negotiate.accept_or_json(request("application/xml"))
    assert (accepted.content_type, accepted.pretty) == ("application/json", True)
    assert negotiate.accept_or_json(request("application/yaml")).content_type == "application/yaml"


@pytest.mark.parametrize(
    ("content_type", "media_type"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("Application/YAML", "application/yaml"),
        ("application/cbor", "application/cbor"),
    ],
)
def test_body_codec(content_type, media_type):
    assert negotiate.content(request(content_type=content_type)).media_type == media_type


@pytest.mark.parametrize("content_type", ["application/xml", "text/plain", "application/vnd.kubernetes.protobuf", "application/cbor-seq"])
def test_unsupported_bodies(content_type):
    with pytest.raises(StatusError) as e:
        negotiate.content(request(content_type=content_type))
    what = "the body of the request was in an unknown format - accepted media types include: "
    assert (e.value.code, e.value.message) == (415, what + LISTED)


def test_decode():
    codec = negotiate.CODECS["application/json"]
    assert negotiate.decode(codec, b'{"a":1}') == {"a": 1}
    with pytest.raises(StatusError) as e:
        negotiate.decode(codec, b"{")
    assert e.value.code == 400


def test_a_long_header_is_not_remembered():
    negotiate._choose.cache_clear()
    assert negotiate.accept(request("application/x," * 400 + "application/yaml")).content_type == "application/yaml"
    assert negotiate._choose.cache_info().currsize == 0


@pytest.mark.parametrize(
    ("content_type", "media_type"),
    [
        ("application/JSON;charset=utf-8", "application/json"),
        (' application/json ; a="b;c"', "application/json"),
        ("application/json;", "application/json"),
        ("application/json;charset", "*"),
        ("application/json ;x", "*"),
        ("application/json;a=b;A=c", "*"),
        ("application/json;;", "*"),
    ],
)
def test_content_types_with_malformed_parameters_are_unknown(content_type, media_type):
    assert negotiate.media_type_of(content_type) == media_type
