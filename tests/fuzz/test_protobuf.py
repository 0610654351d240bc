"""The protobuf decoder raises DecodeError and nothing else, whatever the bytes; what it accepts can be written again."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conversion.codec import DecodeError
from conversion.json_codec import JsonCodec
from conversion.protobuf_codec import ProtobufCodec
from conversion.protobuf_wire import prefixed, tag, varint

BOUNDED = settings(max_examples=500, derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
CODEC = ProtobufCodec()
OBJECTS = [
    {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "a", "labels": {"x": "é"}, "creationTimestamp": "2026-01-02T03:04:05Z", "managedFields": [{"fieldsV1": {"f:x": {}}}]},
        "eventTime": "2026-01-02T03:04:05.000006Z",
        "count": -1,
        "series": {"count": 2},
    },
    {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "a"},
        "spec": {"versions": [{"schema": {"openAPIV3Schema": {"properties": {"a": {"items": [{}], "additionalProperties": {"not": {}}, "minimum": 1.5, "default": [1]}}}}}]},
    },
    {"apiVersion": "v1", "kind": "Pod", "spec": {"volumes": [{"emptyDir": {"sizeLimit": "1Gi"}}], "securityContext": {"supplementalGroups": [1, -1]}}},
    {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"targetPort": "http"}, {"targetPort": 1}]}},
    {"apiVersion": "v1", "kind": "List", "items": [{"kind": "Thing"}]},
]
ENCODED = [CODEC.encode(value) for value in OBJECTS]
FIELDS = st.builds(lambda number, kind, value: tag(number, kind) + value, st.integers(0, 20) | st.integers(0, 2**33), st.integers(0, 7), st.integers(0, 2**64 - 1).map(varint) | st.binary(max_size=8) | st.binary(max_size=8).map(prefixed))


@st.composite
def mangled(draw):
    """An encoded object with bytes changed, cut out and put in."""
    data = bytearray(draw(st.sampled_from(ENCODED)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(4, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3) | FIELDS)
    return bytes(data)


@st.composite
def enveloped(draw):
    """Any fields in the envelope of a kind."""
    value = draw(st.sampled_from(OBJECTS))
    type_meta = b"\x0a" + prefixed(value["apiVersion"].encode()) + b"\x12" + prefixed(value["kind"].encode())
    raw = draw(st.recursive(st.lists(FIELDS, max_size=4).map(b"".join), lambda held: st.builds(lambda n, m: tag(n, 2) + prefixed(m), st.integers(1, 20), held), max_leaves=3))
    return b"k8s\0\x0a" + prefixed(type_meta) + b"\x12" + prefixed(raw)


@BOUNDED
@given(mangled() | enveloped() | st.binary(max_size=64).map(lambda data: b"k8s\0" + data))
def test_only_decode_errors(body):
    try:
        value = CODEC.decode(body).value
    except DecodeError:
        return
    assert json.loads(json.dumps(value)) == value
    JsonCodec().encode(value)
    # Go writes its times and its numbers from int64, JSON from text: what was read can always be written.
    again = CODEC.encode(value)
    assert CODEC.encode(CODEC.decode(again).value) == again
