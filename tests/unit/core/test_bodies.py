"""Bodies: what is refused in which words, and where large ones are decoded."""

from __future__ import annotations

import json

import pytest

from watchd.api.call import DECODED_IN_LINE
from watchd.seams import InlineRunner

GVK = '"apiVersion":"example.com/v1","kind":"Thing"'

HEAD = "the object provided is unrecognized (must be of type Thing): "
UNREAD = f"{HEAD}couldn't get version/kind; json parse error: "
INTO = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
HANDLED = 'Thing in version "v1" cannot be handled as a Thing: json: cannot unmarshal '

REFUSED = {
    "": f"{UNREAD}unexpected end of JSON input (<empty>)",
    "null": f"{HEAD}Object 'Kind' is missing in 'null' (6e756c6c)",
    "[]": f"{UNREAD}json: cannot unmarshal array into Go value of type {INTO} (5b5d)",
    "1.5": f"{UNREAD}json: cannot unmarshal number into Go value of type {INTO} (312e35)",
    "nul": f"{UNREAD}invalid character ' ' in literal null (expecting 'l') (6e756c)",
    "1e": f"{UNREAD}invalid character ' ' in exponent of numeric literal (3165)",
    '{"a":1,}': f'{UNREAD}invalid character \'}}\' looking for beginning of object key string ({{"a":1,}})',
    '{"kind":1}': f'{UNREAD}json: cannot unmarshal number into Go struct field .kind of type string ({{"kind":1}})',
    '{"apiVersion":"a/b/c"}': f'{HEAD}unexpected GroupVersion string: a/b/c ({{"apiVersion":"a/b/c"}})',
    '{"kind":"Thing","apiVersion":"/"}': (
        "the API version in the data () does not match the expected API version (example.com/v1)"
    ),
    f'{{{GVK},"metadata":1}}': f"{HANDLED}number into Go value of type v1.ObjectMeta",
    f'{{{GVK},"metadata":{{"uid":1}}}}': f"{HANDLED}number into Go struct field ObjectMeta.uid of type types.UID",
    f'{{{GVK},"metadata":{{"labels":{{"a":1}}}}}}': (
        f"{HANDLED}number into Go struct field ObjectMeta.labels of type string"
    ),
    f'{{{GVK},"metadata":{{"name":1,"labels":2}}}}': (
        f"{HANDLED}number into Go struct field ObjectMeta.labels of type map[string]string"
    ),
    f'{{{GVK},"metadata":{{"generation":99999999999999999999}}}}': (
        f"{HANDLED}number 100000000000000000000 into Go struct field ObjectMeta.generation of type int64"
    ),
    f'{{{GVK},"spec":1e400}}': f"{HANDLED}number 1e400 into Go value of type float64",
}
"""Body -> the reference's message, recorded from it."""


@pytest.fixture
async def things(core, samples):
    await core.nursery.start(core.definitions.run)
    await core.define(samples.definition())
    return samples.things


@pytest.mark.parametrize("body", REFUSED)
async def test_refused(core, things, body):
    answer = await core.call("POST", things, body.encode())
    assert (answer.status, answer.json["reason"], answer.json["message"]) == (400, "BadRequest", REFUSED[body])


@pytest.mark.parametrize("padding", [0, DECODED_IN_LINE])
@pytest.mark.parametrize("content_type", ["application/json", "application/yaml"])
async def test_a_large_body_is_decoded_on_the_runner(core, things, monkeypatch, padding, content_type):
    ran = []
    run_sync = InlineRunner.run_sync

    async def run(self, function, *args):
        ran.append(function.__name__)
        return await run_sync(self, function, *args)

    monkeypatch.setattr(InlineRunner, "run_sync", run)
    body = f'{{{GVK},"metadata":{{"name":"a"}},"spec":{{"x":1,"x":2,"y":{json.dumps("y" * padding)}}}}}'
    answer = await core.call("POST", things, body.encode(), headers={"content-type": content_type})
    assert answer.status == 201
    assert answer.json["spec"]["x"] == 2
    assert "warning" in dict(answer.headers)
    assert ran == (["decode_object"] if padding else [])
    refused = await core.call("POST", things, body.encode()[:-1], headers={"content-type": content_type})
    assert refused.status == 400


@pytest.mark.parametrize("path", ["/%", "/apis/example.com/v1/namespaces/default/things/%zz"])
async def test_a_path_with_a_malformed_escape(core, things, path):
    answer = await core.call("GET", path)
    assert (answer.status, answer.body) == (400, b"400 Bad Request")


async def test_owner_references_that_stand_twice_are_dropped(core, things, samples):
    owner = {"apiVersion": "v1", "kind": "A", "name": "n", "uid": "u", "controller": True}
    others = [{**owner, "controller": False}, {**owner, "uid": "w", "controller": False}]
    body = samples.thing()
    body["metadata"]["ownerReferences"] = [owner, others[0], owner, others[1], owner]
    answer = await core.call("POST", things, body)
    assert answer.status == 201
    assert answer.json["metadata"]["ownerReferences"] == [owner, *others]
    assert dict(answer.headers)["warning"].endswith('duplicate UID(s) observed: u, u"')
