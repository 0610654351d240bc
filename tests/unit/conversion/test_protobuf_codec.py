"""The envelope, the frames, the lists, and what a decoder must stand."""

from __future__ import annotations

import struct

import pytest

from conversion.codec import DecodeError
from conversion.errors import Unencodable, UnknownKind
from conversion.protobuf_codec import ProtobufCodec
from conversion.protobuf_messages import MAX_MESSAGES
from conversion.protobuf_wire import BYTES, FIXED32, FIXED64, START_GROUP, VARINT, prefixed, tag, varint

CODEC = ProtobufCodec()
TYPE_META = b"\x0a\x02v1\x12\x09ConfigMap"
EMPTY = b"k8s\0" + b"\x0a" + prefixed(TYPE_META) + b"\x12\x00\x1a\x00\x22\x00"
NAMED = b"\x0a\x03\x0a\x01a"
"""A message whose metadata's name is `a`."""


def body(raw, api_version="v1", kind="ConfigMap"):
    type_meta = b"\x0a" + prefixed(api_version.encode()) + b"\x12" + prefixed(kind.encode())
    return b"k8s\0" + b"\x0a" + prefixed(type_meta) + b"\x12" + prefixed(raw) + b"\x1a\x00\x22\x00"


def decoded(raw, kind="ConfigMap", api_version="v1"):
    value = CODEC.decode(body(raw, api_version, kind)).value
    assert value.pop("apiVersion"), value.pop("kind")
    return {key: held for key, held in value.items() if key != "kind"}


def field(number, payload):
    return tag(number, BYTES) + prefixed(payload)


# The envelope


def test_kubectl_create_namespace():
    # As kubectl 1.32 sends it.
    sent = bytes.fromhex("6b38730a"[:6] + "000a0f0a02763112094e616d65737061636512190a110a01781200 1a0022002a00320038004200 12001a020a00 1a002200".replace(" ", ""))
    assert CODEC.decode(sent).value == {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "x"}, "spec": {}, "status": {}}


def test_envelope():
    assert CODEC.decode(EMPTY).value == {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {}}
    assert CODEC.encode({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}) == body(
        b"\x0a" + prefixed(b"\x0a\x01a\x12\x00\x1a\x00\x22\x00\x2a\x00\x32\x00\x38\x00\x42\x00")
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty data"),
        (b"k8s", "does not appear to be a protobuf message, expected prefix \\[107 56 115 0\\]"),
        (b"{}", "does not appear to be a protobuf message"),
        (b"k8s\x01\x0a\x00", "does not appear to be a protobuf message"),
        (b"k8s\0", "empty body"),
        (b"k8s\0\x12\x00", "'Kind' is missing"),
        (body(b"", kind=""), "'Kind' is missing"),
        (body(b"", "e.com/v1", "Thing"), 'no kind "Thing" is registered for version "e.com/v1"'),
        (body(b"", "v2", "ConfigMap"), 'no kind "ConfigMap" is registered for version "v2"'),
        (EMPTY[:-1], "unexpected EOF"),
        (EMPTY[:10], "unexpected EOF"),
        (b"k8s\0\x08\x00", "wrong wireType = 0 for field TypeMeta"),
        (b"k8s\0\x10\x00", "wrong wireType = 0 for field Raw"),
        (b"k8s\0\x0c", "wiretype end group for non-group"),
        (b"k8s\0\x00\x00", "illegal tag 0"),
    ],
)
def test_what_is_no_object(data, message):
    with pytest.raises(DecodeError, match=message):
        CODEC.decode(data)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (tag(1, VARINT) + b"\x00", "wrong wireType = 0 for field Metadata"),
        (tag(4, BYTES) + b"\x00", "wrong wireType = 2 for field Immutable"),
        (tag(2, FIXED32) + b"\0\0\0\0", "wrong wireType = 5 for field Data"),
        (field(1, b"\x0a\x05a"), "unexpected EOF"),
        (field(1, tag(7, BYTES) + b"\0"), "wrong wireType = 2 for field Generation"),
        (field(1, field(17, field(7, field(1, b"{")))), "unexpected end of JSON input"),
        (field(1, tag(9, BYTES) + prefixed(b"\x08" + varint(2**62))), "not of the years 1 to 9999"),
        (tag(99, 6) + b"\0", "illegal wireType 6"),
        (tag(99, BYTES) + varint(2**63), "negative length"),
        (tag(99, VARINT) + b"\xff" * 10, "integer overflow"),
        (tag(99, START_GROUP) + b"\x08", "unexpected EOF"),
        (varint(2**32 << 3 | VARINT) + b"\0", "illegal tag 0"),
    ],
)
def test_what_is_no_message(raw, message):
    with pytest.raises(DecodeError, match=message):
        CODEC.decode(body(raw))


def test_a_truncated_message_is_never_an_object():
    value = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "labels": {"a": "b"}}, "data": {"k": "AP8B"}}
    whole = CODEC.encode(value)
    for length in range(len(whole) - 4):  # the last four are two fields of their own, which may be missing
        try:
            found = CODEC.decode(whole[:length]).value
        except DecodeError:
            continue
        # Cut between two fields of the envelope.
        assert found == {"kind": "Secret", "apiVersion": "v1", "metadata": {}}


def test_schemas_in_schemas():
    def crd(depth):
        schema = b""
        for _ in range(depth):
            schema = field(28, schema)  # not
        return body(field(2, field(7, field(1, b"v1") + field(4, field(1, schema)))), "apiextensions.k8s.io/v1", "CustomResourceDefinition")

    CODEC.decode(crd(MAX_MESSAGES - 10))
    for depth in (MAX_MESSAGES, 5000):
        with pytest.raises(DecodeError, match="exceeded max depth"):
            CODEC.decode(crd(depth))


def test_json_in_a_message_counts_for_the_depth():
    managed = field(1, field(17, field(7, field(1, b'{"a":' * 251 + b"{}" + b"}" * 251))))
    with pytest.raises(DecodeError, match="exceeded max depth"):
        CODEC.decode(body(managed))


def test_a_schema_of_all_levels_that_json_allows_can_be_written():
    for key in ("not", "additionalProperties", "items"):
        schema = {}
        for _ in range(240):
            schema = {key: schema}
        versions = [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]
        assert CODEC.encode({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": {"versions": versions}})


# What other encoders may write


def test_unknown_fields_are_passed_over():
    group = tag(90, START_GROUP) + tag(1, VARINT) + b"\1" + tag(2, START_GROUP) + tag(2, 4) + tag(3, FIXED64) + b"\0" * 8 + field(4, b"x") + tag(90, 4)
    more = tag(91, VARINT) + varint(-1) + tag(92, FIXED64) + b"\0" * 8 + tag(93, FIXED32) + b"\0" * 4 + field(94, b"x")
    entry = field(1, b"k") + field(3, b"new") + field(2, b"v")
    assert decoded(group + NAMED + more + field(2, entry)) == {"metadata": {"name": "a"}, "data": {"k": "v"}}


def test_fields_that_stand_twice():
    first, second = field(1, field(1, b"a") + field(3, b"n")), field(1, field(1, b"b") + field(14, b"f"))
    assert decoded(first + second) == {"metadata": {"name": "b", "namespace": "n", "finalizers": ["f"]}}
    assert decoded(tag(4, VARINT) + b"\1" + tag(4, VARINT) + b"\0") == {"metadata": {}, "immutable": False}
    assert decoded(field(2, field(1, b"k") + field(2, b"1")) + field(2, field(1, b"k") + field(2, b"2")))["data"] == {"k": "2"}
    # A time has an Unmarshal of its own, which begins anew.
    times = field(1, field(8, b"\x08\x05\x10\x07") + field(8, b"\x10\x07"))
    assert decoded(times)["metadata"] == {"creationTimestamp": "1970-01-01T00:00:00Z"}


def test_entries_of_maps():
    assert decoded(field(2, b"") + field(3, field(1, b"b"))) == {"metadata": {}, "data": {"": ""}, "binaryData": {"b": ""}}
    assert decoded(field(2, field(2, b"v") + field(1, b"k")))["data"] == {"k": "v"}
    with pytest.raises(DecodeError, match="wrong wireType = 0 for field Mapvalue"):
        decoded(field(2, tag(2, VARINT) + b"\0"))


def test_numbers_may_be_packed():
    groups = field(4, varint(1) + varint(-1) + varint(300)) + tag(4, VARINT) + varint(7)
    pod = decoded(field(2, field(14, groups)), "Pod")
    assert pod["spec"]["securityContext"]["supplementalGroups"] == [1, -1, 300, 7]
    with pytest.raises(DecodeError, match="unexpected EOF"):
        decoded(field(2, field(14, field(4, b"\xff"))), "Pod")


def test_integers_are_cut_to_their_type():
    event = decoded(tag(8, VARINT) + varint(2**32 + 5), "Event")
    assert event["count"] == 5
    assert decoded(tag(8, VARINT) + varint(2**31), "Event")["count"] == -(2**31)
    assert decoded(field(1, tag(7, VARINT) + varint(2**64 - 1)))["metadata"]["generation"] == -1
    assert decoded(tag(4, VARINT) + varint(2**40))["immutable"] is True


def test_bytes_that_are_no_text_are_replaced():
    assert decoded(field(1, field(1, b"a\xff\xe2\x82")))["metadata"]["name"] == "a\ufffd\ufffd\ufffd"


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_numbers_that_json_does_not_know(number):
    schema = tag(9, FIXED64) + struct.pack("<d", number)
    with pytest.raises(DecodeError, match="unsupported value"):
        decoded(field(2, field(7, field(4, field(1, schema)))), "CustomResourceDefinition", "apiextensions.k8s.io/v1")


def test_an_object_in_an_object():
    inner = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    raw = field(2, field(1, CODEC.encode(inner))) + field(2, field(1, b'{"kind":"Thing"}')) + field(2, b"")
    assert decoded(raw, "List")["items"] == [inner, {"kind": "Thing"}, None]
    nested = CODEC.encode({"apiVersion": "v1", "kind": "List"})
    for _ in range(300):
        nested = body(field(2, field(1, nested)), "v1", "List")
    with pytest.raises(DecodeError, match="exceeded max depth"):
        CODEC.decode(nested)


# Writing


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"data": {"k": 1}}, "data.k must be a string, not int"),
        ({"data": []}, "data must be an object, not list"),
        ({"binaryData": {"k": "%"}}, "binaryData.k must be base64, not str"),
        ({"immutable": "true"}, "immutable must be a boolean, not str"),
        ({"metadata": "x"}, "metadata must be an object, not str"),
        ({"metadata": {"generation": 2**63}}, "metadata.generation must be an int64, not int"),
        ({"metadata": {"generation": True}}, "metadata.generation must be an int64, not bool"),
        ({"metadata": {"creationTimestamp": "yesterday"}}, "metadata.creationTimestamp must be a time, not str"),
        ({"metadata": {"creationTimestamp": "2026-02-30T00:00:00Z"}}, "metadata.creationTimestamp must be a time, not str"),
        ({"metadata": {"creationTimestamp": 1}}, "metadata.creationTimestamp must be a time, not int"),
        ({"metadata": {"finalizers": "x"}}, "metadata.finalizers must be a list, not str"),
        ({"metadata": {"name": "\ud800"}}, "metadata.name must be UTF-8, not str"),
    ],
)
def test_what_a_field_cannot_hold(value, says):
    with pytest.raises(Unencodable) as caught:
        CODEC.encode({"apiVersion": "v1", "kind": "ConfigMap", **value})
    assert str(caught.value) == says


@pytest.mark.parametrize("value", [None, [], "x", {}, {"apiVersion": "v1"}, {"apiVersion": 1, "kind": "ConfigMap"}])
def test_what_does_not_say_its_kind(value):
    with pytest.raises(Unencodable):
        CODEC.encode(value)


def test_kinds_without_a_message():
    assert CODEC.knows("v1", "ConfigMap")
    assert CODEC.knows("apiextensions.k8s.io/v1", "CustomResourceDefinitionList")
    assert not CODEC.knows("e.com/v1", "ConfigMap")
    assert not CODEC.knows("meta.k8s.io/v1", "Table")
    with pytest.raises(UnknownKind):
        CODEC.encode({"apiVersion": "e.com/v1", "kind": "Thing"})
    with pytest.raises(UnknownKind):
        CODEC.list_parts("e.com/v1", "ThingList", {}, 0, 0)


def test_options_belong_to_every_group():
    options = {"kind": "DeleteOptions", "apiVersion": "e.com/v1", "propagationPolicy": "Background"}
    assert CODEC.decode(CODEC.encode(options)).value == options


# Lists and watches


@pytest.mark.parametrize("api_version", ["v1", "meta.k8s.io/v1", "meta.k8s.io/v1beta1"])
def test_a_list_is_put_together_as_it_is_written_whole(api_version):
    kind = "ConfigMap" if api_version == "v1" else "PartialObjectMetadata"
    objects = [{"apiVersion": api_version, "kind": kind, "metadata": {"name": f"n{i}" * 90}} for i in range(3)]
    metadata = {"resourceVersion": "7", "remainingItemCount": 2}
    items = [CODEC.item(value, named=False) for value in objects]
    before, between, after = CODEC.list_parts(api_version, f"{kind}List", metadata, 3, sum(map(len, items)))
    whole = {"apiVersion": api_version, "kind": f"{kind}List", "metadata": metadata, "items": objects}
    assert before + between.join(items) + after == CODEC.encode(whole)


def test_a_list_needs_its_size():
    with pytest.raises(ValueError, match="begins with its length"):
        CODEC.list_parts("v1", "ConfigMapList", {}, 3)


def test_an_event_is_a_frame():
    inner = CODEC.encode({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a" * 300}})
    frame = CODEC.event("ADDED", inner)
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    assert frame[4:] == field(1, b"ADDED") + field(2, field(1, inner))
