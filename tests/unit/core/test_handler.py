"""From a request's line to its answer: what is not there, what is not allowed, in which format it is said, and what is kept quiet."""

from __future__ import annotations

import logging

import pytest

from conversion.cbor_codec import CborCodec
from conversion.errors import ConversionFailed
from conversion.gvk import GroupVersionKind
from conversion.yaml_codec import YamlCodec

PAGE = b"404 page not found\n"


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/apis/nowhere.example.com/v1/things",
        "/apis/coordination.k8s.io/v99/leases",
        "/api/v1/namespaces/default/namespaces/x",
        "/apis/coordination.k8s.io/v1/namespaces/default/leases/l/status/extra",
    ],
)
async def test_paths_that_nobody_serves(core, path):
    answer = await core.call("GET", path)
    assert answer.status == 404
    if answer.header("content-type") == "application/json":
        # A group that is built in is answered in words.
        assert answer.json["message"] == "the server could not find the requested resource"
        assert path.startswith(("/api/v1", "/apis/coordination.k8s.io/v1/"))
    else:
        assert answer.body == PAGE
        assert answer.header("x-content-type-options") == "nosniff"


async def test_unknown_resource_of_a_built_in_group_is_a_status(core):
    answer = await core.call("GET", "/api/v1/namespaces/default/unicorns")
    assert (answer.status, answer.json["reason"]) == (404, "NotFound")
    assert answer.json["message"] == "the server could not find the requested resource"


async def test_missing_object_and_missing_subresource(core, samples):
    answer = await core.call("GET", f"{samples.config_maps}/nope")
    assert answer.json == {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": 'configmaps "nope" not found',
        "reason": "NotFound", "details": {"name": "nope", "kind": "configmaps"}, "code": 404,
    }
    await core.config_map("a")
    assert (await core.call("GET", f"{samples.config_maps}/a/status")).status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("HEAD", "/api/v1/namespaces/default"),
        ("DELETE", "/api/v1/namespaces"),
        ("OPTIONS", "/api/v1/namespaces/default/configmaps"),
        ("PUT", "/api/v1/namespaces/default/configmaps"),
        ("PATCH", "/api/v1/namespaces/default/configmaps"),
        ("POST", "/api/v1/namespaces/default/configmaps/a"),
        ("POST", "/api/v1/configmaps"),
        ("DELETE", "/api/v1/configmaps"),
        ("POST", "/api/v1/namespaces/default/status"),
        ("GET", "/api/v1/namespaces/default/finalize"),
        ("DELETE", "/api/v1/namespaces/default/finalize"),
    ],
)
async def test_methods_that_a_path_does_not_take(core, samples, method, path):
    head = core.log.head
    answer = await core.call(
        method, path, samples.config_map("a"), headers={"content-type": "application/merge-patch+json"} if method == "PATCH" else {}
    )
    assert (answer.status, answer.json["reason"]) == (405, "MethodNotAllowed")
    assert answer.json["message"] == "the server does not allow this method on the requested resource"
    assert answer.json["details"] == {}
    assert core.log.head == head


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "BREW"])
async def test_custom_kinds_have_no_verb_for_other_methods(core, samples, method):
    await core.nursery.start(core.definitions.run)
    await core.define(samples.definition(versions=[samples.version(status=True)]))
    for path in (samples.things, f"{samples.things}/a", f"{samples.things}/a/status"):
        answer = await core.call(method, path)
        assert (answer.status, answer.json["details"]) == (405, {"group": "example.com", "kind": "things"})
        assert answer.json["message"] == ' is not supported on resources of kind "things.example.com"'
    answer = await core.call(method, f"{samples.things}/a/none")
    assert (answer.status, answer.json["message"]) == (404, 'things.example.com "a" not found')
    # A path that misses the scope is nobody's.
    assert (await core.call(method, "/apis/example.com/v1/things")).body == PAGE


async def test_paths_that_go_on_behind_the_subresource(core, samples):
    await core.nursery.start(core.definitions.run)
    await core.define(samples.definition(versions=[samples.version(status=True)]))
    created = (await core.call("POST", samples.things, samples.thing())).json
    assert (await core.call("GET", f"{samples.things}/a/status/x/y")).json == created
    assert (await core.call("GET", f"{samples.things}/a/none/x")).json["message"] == 'things.example.com "a" not found'
    answer = await core.call("GET", f"{samples.definitions}/things.example.com/status/x")
    assert (answer.status, answer.json["details"]) == (404, {})


async def test_custom_kinds_say_it_in_their_own_words(core, samples):
    await core.nursery.start(core.definitions.run)
    await core.define(samples.definition())
    await core.define(samples.definition("globals", "Global", scope="Cluster"))
    # A path that misses the scope is nobody's.
    for path in ("/apis/example.com/v1/things/a", "/apis/example.com/v1/namespaces/default/globals/a"):
        assert (await core.call("GET", path)).body == PAGE
    assert (await core.call("GET", "/apis/example.com/v1/things")).status == 200
    assert (await core.call("POST", "/apis/example.com/v1/globals", samples.thing(kind="Global"))).status == 201
    assert (await core.call("POST", f"{samples.things}/other", samples.thing("made"))).status == 201
    assert await core.exists(f"{samples.things}/made")
    nameless = await core.patch(samples.things, {"spec": {}})
    assert (nameless.status, nameless.json["message"]) == (400, "name must be provided")
    assert (await core.call("PUT", samples.things, samples.thing())).status == 400


# Formats


@pytest.mark.parametrize(("media", "codec"), [("application/yaml", YamlCodec()), ("application/cbor", CborCodec())])
async def test_refusals_come_in_the_format_that_was_asked_for(core, samples, media, codec):
    plain = (await core.call("GET", f"{samples.config_maps}/nope")).json
    answer = await core.call("GET", f"{samples.config_maps}/nope", headers={"accept": media})
    assert (answer.status, answer.header("content-type")) == (404, media)
    assert codec.decode(answer.body).value == plain


async def test_formats_that_are_not_known(core, samples):
    answer = await core.call("GET", samples.config_maps, headers={"accept": "text/html"})
    assert (answer.status, answer.json["reason"]) == (406, "NotAcceptable")
    formats = "application/json, application/yaml, application/vnd.kubernetes.protobuf, application/cbor"
    streams = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch, application/cbor-seq"
    # Built-in kinds are routed by formats, and lists may be watched.
    assert answer.json["message"] == f"406: Not Acceptable\n\nAvailable representations: {formats}, {streams}"
    assert answer.json["details"] == {}
    answer = await core.call("GET", f"{samples.config_maps}/a", headers={"accept": "text/html"})
    assert answer.json["message"] == f"406: Not Acceptable\n\nAvailable representations: {formats}"
    answer = await core.call("GET", f"{samples.config_maps}/a", headers={"accept": "application/json;as=Other;g=a;v=v1"})
    assert answer.json["message"] == f"only the following media types are accepted: {formats}"
    answer = await core.call("POST", samples.config_maps, samples.config_map("a"), headers={"content-type": "text/html"})
    assert (answer.status, answer.json["reason"]) == (415, "UnsupportedMediaType")


async def test_objects_go_in_and_out_in_any_format(core, samples):
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: 'yes'}\n"
    made = await core.call("POST", samples.config_maps, body, headers={"content-type": "application/yaml"})
    assert (made.status, made.json["data"]) == (201, {"x": "yes"})
    read = await core.call("GET", f"{samples.config_maps}/a", headers={"accept": "application/cbor"})
    assert CborCodec().decode(read.body).value == made.json


async def test_watch_in_a_format_that_cannot_stream(core, samples):
    answer = await core.call("GET", samples.config_maps, query="watch=1", headers={"accept": "application/yaml"})
    assert answer.status == 406


# Who


async def test_request_without_a_credential(core, start, samples):
    answer = await core.call("GET", samples.config_maps, token="")
    assert (answer.status, answer.json["reason"]) == (403, "Forbidden")
    assert answer.json["message"] == (
        'configmaps is forbidden: User "system:anonymous" cannot list resource "configmaps" in API group "" in the namespace "default"'
    )
    closed = await start(anonymous=False)
    answer = await closed.call("GET", samples.config_maps, token="")
    assert (answer.status, answer.json["reason"], answer.json["message"]) == (401, "Unauthorized", "Unauthorized")


async def test_bad_credential_says_nothing_and_does_nothing(core, samples):
    head = core.log.head
    answer = await core.call("POST", samples.config_maps, samples.config_map("a"), token="guessed")
    assert (answer.status, answer.json["message"]) == (401, "Unauthorized")
    assert b"guessed" not in answer.body
    assert core.log.head == head


async def test_nobody_learns_what_exists_without_a_credential(core, samples):
    await core.config_map("a")
    found = [(await core.call("GET", f"{samples.config_maps}/{name}", token="")).json["message"] for name in ("a", "b")]
    assert found[0].replace('"a"', '"b"') == found[1]
    assert (await core.call("GET", "/apis/nowhere/v1/x", token="")).status == 403


# Faults of ours


@pytest.mark.parametrize(
    "fault",
    [
        KeyError("s3cret"),
        RuntimeError("s3cret"),
        ZeroDivisionError("s3cret"),
        UnicodeDecodeError("utf-8", b"s3cret", 0, 1, "s3cret"),
        ConversionFailed(GroupVersionKind("", "v1", "A"), GroupVersionKind("", "v2", "A"), "s3cret"),
    ],
)
async def test_fault_of_ours_is_a_status_without_secrets(core, samples, caplog, monkeypatch, fault):
    async def fail(*_):
        raise fault

    monkeypatch.setattr(core.store, "get", fail)
    with caplog.at_level(logging.ERROR):
        answer = await core.call("GET", f"{samples.config_maps}/a", query="token=in-the-query", headers={"x-secret": "in-a-header"})
    assert (answer.status, answer.json["reason"]) == (500, "InternalError")
    assert b"s3cret" not in answer.body
    (record,) = caplog.records
    assert record.exc_info is not None
    said = caplog.text
    assert f"{samples.config_maps}/a" in said
    for secret in ("the-admin-token", "Bearer", "in-the-query", "in-a-header"):
        assert secret not in said


async def test_fault_is_counted_and_the_next_request_is_answered(core, samples, monkeypatch, caplog):
    async def fail(*_):
        raise KeyError("x")

    with monkeypatch.context() as patched:
        patched.setattr(core.store, "get", fail)
        assert (await core.call("GET", f"{samples.config_maps}/a")).status == 500
    assert (await core.call("GET", f"{samples.config_maps}/a")).status == 404


# Warnings and validation


async def test_unknown_fields_are_warned_of_refused_or_passed_over(core, samples):
    obj = {**samples.config_map("a"), "bogus": 1}
    warned = await core.call("POST", samples.config_maps, obj, "dryRun=All")
    assert (warned.status, warned.warnings) == (201, ['299 - "unknown field \\"bogus\\""'])
    strict = await core.call("POST", samples.config_maps, obj, "dryRun=All&fieldValidation=Strict")
    assert (strict.status, strict.json["reason"]) == (400, "BadRequest")
    assert 'strict decoding error: unknown field "bogus"' in strict.json["message"]
    quiet = await core.call("POST", samples.config_maps, obj, "dryRun=All&fieldValidation=Ignore")
    assert (quiet.status, quiet.warnings) == (201, [])
    await core.config_map("a")
    patched = await core.patch(f"{samples.config_maps}/a", {"bogus": 1})
    assert (patched.status, patched.warnings) == (200, ['299 - "unknown field \\"bogus\\""'])


async def test_warnings_of_a_patch_are_said_once_however_often_it_is_tried(core, samples):
    await core.config_map("a")
    path, count = f"{samples.config_maps}/a", 0

    async def interfere():
        nonlocal count
        count += 1
        await core.patch(path, {"data": {"n": str(count)}})

    core.log.race(interfere, times=3, only=b"/a")
    assert (await core.patch(path, {"bogus": 1, "data": {"x": "y"}})).warnings == ['299 - "unknown field \\"bogus\\""']


@pytest.mark.parametrize("name", ["x" * 600, "a%00b", "%ff", "..%2f..", "a%2fb"])
async def test_strange_names_are_not_found(core, samples, name):
    assert (await core.call("GET", f"{samples.config_maps}/{name}")).status == 404
    assert (await core.call("DELETE", f"{samples.config_maps}/{name}")).status == 404


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b'"x"', b"\xff\xfe", b'{"metadata":[]}', b'{"metadata":{"name":7}}', b"[" * 100_000])
async def test_bodies_that_are_no_objects(core, samples, body):
    head = core.log.head
    answer = await core.call("POST", samples.config_maps, body)
    assert answer.status in (400, 422), answer.body
    assert answer.json["kind"] == "Status"
    await core.config_map("a")
    for kind in ("merge", "json"):
        answer = await core.patch(f"{samples.config_maps}/a", body, kind=kind)
        assert answer.status in (200, 400, 422), answer.body
    assert core.log.head == head + 1


async def test_no_page_opens_a_tunnel(core):
    assert (await core.call("CONNECT", "/apis")).status == 405
