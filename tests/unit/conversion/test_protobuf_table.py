"""Every kind of the table against what Go's own serializer writes, and every message there and back.

reference/protobuf.json is recorded by running this file, with Go at hand: `python test_protobuf_table.py`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from importlib.resources import files
from itertools import count
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conversion.protobuf_codec import ProtobufCodec, messages
from conversion.protobuf_messages import Message
from watchd.registry.builtin.table import load

CODEC = ProtobufCodec()
TABLE = orjson.loads(files("conversion").joinpath("protobuf_fields.json").read_bytes())
REFERENCE = Path(__file__).parent / "reference" / "protobuf.json"
GENERATOR = Path(__file__).parents[3] / "conversion" / "protobuf_fields"
DEPTH = 5
"""Levels of messages in a drawn value."""

KINDS = [
    (version, kind)
    for version, kinds in sorted(TABLE["kinds"].items())
    for kind in sorted(kinds)
    if kind != "WatchEvent"  # it has neither apiVersion nor kind
]
META = {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "42", "creationTimestamp": "2026-01-02T03:04:05Z"}
SAMPLES = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x", "creationTimestamp": None}, "spec": {}, "status": {}},
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}},
    {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            **META,
            "labels": {"b": "2", "a": "1", "Z": "", "é": "ü", "\U0001f600": "\uffff"},
            "annotations": {},
            "finalizers": [],
            "generation": 2**62,
            "deletionGracePeriodSeconds": 0,
            "deletionTimestamp": "1969-12-31T23:59:59.5Z",
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "o", "uid": "u", "controller": False}],
            "managedFields": [
                {"manager": "m", "operation": "Update", "apiVersion": "v1", "time": "2026-01-02T05:04:05+02:00", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {".": {}, "f:a": {}}}},
                {"manager": "n", "fieldsV1": {}, "subresource": "status"},
                {"manager": "o", "fieldsV1": None},
            ],
        },
        "immutable": False,
        "data": {"k": "", "null": None, "a": "b" * 200},
        "binaryData": {"x": "AP8B", "empty": "", "null": None},
    },
    {"apiVersion": "v1", "kind": "Secret", "metadata": META, "type": "Opaque", "data": {"p": "cQ==", "lines": "cXFx\ncXFx"}, "stringData": {"s": "t"}, "immutable": True},
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": META, "secrets": [{"name": "s"}], "imagePullSecrets": [{}], "automountServiceAccountToken": False},
    {"apiVersion": "v1", "kind": "Event", "metadata": META, "involvedObject": {}, "count": -1, "eventTime": "2026-01-02T03:04:05.123456Z", "firstTimestamp": None, "series": {"count": 2, "lastObservedTime": "2026-01-02T03:04:05.000001+00:00"}},
    {"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": META, "eventTime": "2026-01-02T03:04:05.100000Z", "regarding": {"fieldPath": "x"}, "note": "n"},
    {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": META, "spec": {"holderIdentity": "", "leaseDurationSeconds": 15, "acquireTime": "0999-01-02T03:04:05.000000Z", "renewTime": None}},
    {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "z", "deletionTimestamp": "0001-01-01T00:00:00Z"}},
    {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.e.com"},
        "spec": {
            "group": "e.com",
            "names": {"plural": "things", "kind": "Thing", "shortNames": ["t"]},
            "scope": "Namespaced",
            "conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"caBundle": "", "service": {"namespace": "a", "name": "b", "port": 443}}, "conversionReviewVersions": ["v1"]}},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": False,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "required": ["spec"],
                            "properties": {
                                "z": {"type": "number", "minimum": 0, "maximum": 1.5, "multipleOf": 0.1, "default": 1.0, "exclusiveMinimum": True},
                                "a": {"type": "string", "enum": ["x", None, 1], "default": "", "example": [], "pattern": "^a$", "maxLength": 0},
                                "i": {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
                                "l": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "default": None},
                                "m": {"type": "object", "additionalProperties": {"type": "string"}, "items": [{}, {"type": "null"}]},
                                "f": {"type": "object", "additionalProperties": False, "additionalItems": True, "items": []},
                                "d": {"not": {"$ref": "#/x"}, "dependencies": {"q": ["r", "s"], "p": {"nullable": True}, "o": []}, "definitions": {"x": {}}},
                                "n": {"x-kubernetes-preserve-unknown-fields": False, "x-kubernetes-validations": [{"rule": "self", "optionalOldSelf": True, "reason": "FieldValueInvalid"}]},
                            },
                        }
                    },
                    "subresources": {"status": {}, "scale": {"specReplicasPath": ".a", "statusReplicasPath": ".b"}},
                    "additionalPrinterColumns": [{"name": "A", "type": "date", "jsonPath": ".x", "priority": -5}],
                    "selectableFields": [{"jsonPath": ".spec.a"}],
                }
            ],
        },
        "status": {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": []},
    },
    {"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "message": "no", "reason": "NotFound", "code": 404, "details": {"name": "a", "causes": [{"reason": "r", "message": "m", "field": "f"}], "retryAfterSeconds": 1}},
    {"apiVersion": "v1", "kind": "Status", "status": "Success"},
    {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": {"uid": "u", "resourceVersion": ""}, "propagationPolicy": "Orphan", "dryRun": ["All"]},
    {"apiVersion": "v1", "kind": "ConfigMapList", "metadata": {"resourceVersion": "7", "continue": "c", "remainingItemCount": 0}, "items": [{"metadata": META, "data": {"a": "b"}}, {}]},
    {"apiVersion": "v1", "kind": "SecretList", "metadata": {}, "items": []},
    {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": META},
    {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList", "metadata": {"resourceVersion": "7"}, "items": [{"metadata": META}]},
    {"apiVersion": "v1", "kind": "APIResourceList", "groupVersion": "v1", "resources": [{"name": "a", "verbs": None}, {"name": "b", "verbs": []}, {"name": "c", "verbs": ["get", ""], "shortNames": ["x"]}]},
    {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {}, "spec": {}, "status": {"user": {"extra": {"b": ["1", "2"], "a": [], "n": None}}}},
    {"apiVersion": "v1", "kind": "Service", "metadata": META, "spec": {"ports": [{"port": 80, "targetPort": "http"}, {"port": -1, "targetPort": -2147483648}, {"port": 2, "targetPort": None}]}},
    {"apiVersion": "v1", "kind": "Pod", "metadata": META, "spec": {"containers": [{"name": "c", "resources": {"limits": {"memory": "1Gi", "cpu": "500m"}}, "env": None}], "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1e3"}}], "securityContext": {"supplementalGroups": [1, -1, 0]}}},
    {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": META, "data": {"b": 1, "a": [None, True, 1.5, "x"]}, "revision": 3},
    {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": META, "data": None, "revision": 0},
    {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": [{"apiVersion": "e.com/v1", "kind": "Thing", "spec": {"x": 1}}]},
    {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": META, "rules": None},
    {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": META, "spec": {"request": None, "signerName": "s"}},
]


def filled(name, numbers, within=()):
    """Return a value of a type of the table with every field set, each to another value; messages in themselves stay empty."""
    n = next(numbers)
    simple = {
        "string": f"text {n}",
        "bytes": base64.b64encode(b"%d" % n).decode(),
        "bool": True,
        "int32": n,
        "int64": -n,
        "double": n + 0.5,
    }
    if name in simple:
        return simple[name]
    form = TABLE["messages"][name]
    special = {
        "Time": f"2026-01-02T03:04:{n % 60:02}Z",
        "MicroTime": f"2026-01-02T03:04:05.{n:06}Z",
        "Quantity": f"{n}Ki" if n % 1024 else "1",
        "IntOrString": n if n % 2 else f"{n}%",
        "Raw": {"f:x": {}, "n": n},
        "RawExtension": {"n": [n]},
        "SchemaOrBool": True,
        "SchemaOrArray": [{"type": f"t{n}"}] if n % 2 else {"type": f"t{n}"},
        "SchemaOrStringArray": [f"t{n}"],
    }
    if isinstance(form, str):
        return [filled(form[2:], numbers)] if form.startswith("[]") else special[form]
    found = {}
    for key, _, of, *_ in form:
        base = of.lstrip("*[]{}")
        if base in within:
            continue
        value = filled(base, numbers, (*within, name))
        # Two of what is small: a message twice at every level is more than a test needs.
        another = filled(base, numbers) if base in simple else None
        if not key:
            found |= value
        elif of.startswith("[]"):
            found[key] = [value, another] if base in simple else [value]
        elif of.startswith("{}"):
            found[key] = {f"k{n}": value, "a": another} if base in simple else {"k": value}
        else:
            found[key] = value
    return found


def whole(api_version, kind):
    return {"kind": kind, "apiVersion": api_version, **filled(TABLE["kinds"][api_version][kind], count(1))}


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def digests(api_version, kind):
    """Return what is held against the record: the filled object's bytes, the empty one's, and its JSON."""
    empty = CODEC.encode({"apiVersion": api_version, "kind": kind})
    shown = orjson.dumps(CODEC.decode(empty).value, option=orjson.OPT_SORT_KEYS)
    return [digest(CODEC.encode(whole(api_version, kind))), digest(empty), digest(shown)]


def recorded():
    return json.loads(REFERENCE.read_text())


@pytest.mark.parametrize("number", range(len(SAMPLES)), ids=lambda n: f"{SAMPLES[n]['kind']}-{n}")
def test_samples_as_go_writes_them(number):
    entry = recorded()["samples"][number]
    assert entry["object"] == SAMPLES[number], "record it again"
    expected = base64.b64decode(entry["protobuf"])
    assert CODEC.encode(SAMPLES[number]) == expected
    assert CODEC.decode(expected).value == entry["json"]


def test_every_kind_as_go_writes_it():
    kinds = recorded()["kinds"]
    assert set(kinds) == {f"{version} {kind}" for version, kind in KINDS}
    assert len(KINDS) > 250
    different = [f"{version} {kind}" for version, kind in KINDS if digests(version, kind) != kinds[f"{version} {kind}"]]
    assert different == []


def test_every_kind_there_and_back():
    for version, kind in KINDS:
        value = whole(version, kind)
        assert CODEC.decode(CODEC.encode(value)).value == value


def test_every_served_kind_is_a_message():
    for kind in load():
        assert all(kind.names.kind in TABLE["kinds"][kind.api_version(version.name)] for version in kind.versions)
    assert len(load()) > 60


def test_what_the_codec_takes_for_granted():
    # A list is its metadata and its items.
    lists = [(version, kind) for version, kind in KINDS if kind.endswith("List") and not kind.startswith("API")]
    assert len(lists) > 100
    for version, kind in lists:
        fields = {entry[0]: entry for entry in TABLE["messages"][TABLE["kinds"][version][kind]]}
        assert sorted(fields) == ["items", "metadata"]
        assert fields["metadata"][2] == "meta.v1.ListMeta"
        assert fields["items"][2].startswith("[]")
        item = TABLE["kinds"][version].get(kind.removesuffix("List"))
        assert kind == "List" or fields["items"][2] == f"[]{item}"


VALUES = {
    "string": st.text(max_size=6),
    "bytes": st.binary(max_size=4).map(lambda raw: base64.b64encode(raw).decode()),
    "bool": st.booleans(),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False, allow_infinity=False),
}
JSON = st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=4), lambda held: st.lists(held, max_size=2) | st.dictionaries(st.text(max_size=4), held, max_size=2), max_leaves=4)
SPECIAL_VALUES = {
    "Time": st.none() | st.datetimes().map(lambda time: f"{time.isoformat(timespec='seconds')}Z"),
    "MicroTime": st.none() | st.datetimes().map(lambda time: f"{time.isoformat(timespec='microseconds')}Z"),
    "Quantity": st.from_regex(r"[+-]?[0-9]{1,3}(\.[0-9]{1,2})?(Ki|m|e-3|E)?", fullmatch=True),
    "IntOrString": VALUES["int32"] | VALUES["string"],
    "Raw": JSON,
    "RawExtension": JSON,
}


@st.composite
def values(draw, name, depth=0):
    """Any value of a type, null and absent fields included."""
    if name in VALUES:
        return draw(VALUES[name])
    form = TABLE["messages"][name]
    if isinstance(form, list):
        found = {}
        for entry in draw(st.lists(st.sampled_from(form), max_size=6, unique_by=lambda entry: entry[1])) if form and depth < DEPTH else ():
            found |= draw(field_values(entry, depth))
        return found
    if form.startswith("[]"):
        return draw(st.lists(values(form[2:]), max_size=2))
    if form.startswith("Schema"):
        schema = values(f"{name.rpartition('.')[0]}.JSONSchemaProps", depth + 1)
        others = {"SchemaOrBool": st.booleans(), "SchemaOrArray": st.lists(schema, max_size=2), "SchemaOrStringArray": st.lists(st.text(max_size=3), max_size=2)}
        return draw(schema | others[form])
    return draw(SPECIAL_VALUES[form])


@st.composite
def field_values(draw, entry, depth):
    key, _, of, *flags = entry
    # Empty bytes are in protobuf and, where they may be left out, not in JSON.
    of_one = values(of.lstrip("*[]{}"), depth + 1) if of != "bytes" or not flags else VALUES["bytes"].filter(bool)
    if not key:
        return draw(of_one)
    if of.startswith("[]"):
        of_one = st.lists(of_one, max_size=2)
    elif of.startswith("{}"):
        of_one = st.dictionaries(st.text(max_size=4), of_one, max_size=2)
    return {key: draw(st.none() | of_one)}


MESSAGES = sorted(name for name in TABLE["messages"] if isinstance(messages().type(name), Message))


@settings(max_examples=400, derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_any_message_there_and_back(data):
    name = data.draw(st.sampled_from(MESSAGES))
    message = messages().type(name)
    value = data.draw(values(name))
    packed = message.pack(value)
    shown = message.unpack(packed, 0)
    # What it shows is what it was, but for nulls, empty ones and zeros: the bytes say the same.
    assert message.pack(shown) == packed
    assert message.unpack(message.pack(shown), 0) == shown


def go_encodes(objects):
    """Run Go's serializer over objects."""
    lines = b"\n".join(orjson.dumps(value) for value in objects)
    done = subprocess.run(["go", "run", ".", "encode"], cwd=GENERATOR, input=lines, stdout=subprocess.PIPE, check=True)
    return [orjson.loads(line) for line in done.stdout.splitlines()]


def record():
    wholes = [whole(version, kind) for version, kind in KINDS]
    empty = [{"apiVersion": version, "kind": kind} for version, kind in KINDS]
    encoded = iter(go_encodes([*SAMPLES, *wholes, *empty]))
    samples = [{"object": value, **next(encoded)} for value in SAMPLES]
    of_wholes, of_empty = [next(encoded) for _ in KINDS], [next(encoded) for _ in KINDS]
    kinds = {}
    for i, (version, kind) in enumerate(KINDS):
        if of_wholes[i]["json"] != wholes[i]:
            raise ValueError(f"Go shows {version} {kind} otherwise than it was filled")
        shown = orjson.dumps(of_empty[i]["json"], option=orjson.OPT_SORT_KEYS)
        protobuf = [base64.b64decode(entry["protobuf"]) for entry in (of_wholes[i], of_empty[i])]
        kinds[f"{version} {kind}"] = [*map(digest, protobuf), digest(shown)]
    REFERENCE.write_text(json.dumps({"source": TABLE["source"], "samples": samples, "kinds": kinds}, indent=1) + "\n")


if __name__ == "__main__":
    record()
