"""Decoding by type, as Go's decoder and encoder do it."""

from __future__ import annotations

import base64
import copy
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clients.drawn_objects import Drawing
from watchd.registry.builtin.table import load
from watchd.registry.schemas import whole
from watchd.schema import typed
from watchd.schema.fitting import Unfit, fitting
from watchd.schema.goscalars import TypeMismatch, canonical_base64, canonical_time, spelled
from watchd.schema.typed import prune_and_check

CONFIG_MAP = whole("io.k8s.api.core.v1.ConfigMap")
LEASE = whole("io.k8s.api.coordination.v1.Lease")
DEFINITION = whole("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition")


def test_unknown_fields_go_and_are_told_in_order():
    obj = {"metadata": {"name": "a", "odd": 1}, "spec": {"x": 1}, "data": {"k": "v"}}
    assert prune_and_check(obj, CONFIG_MAP) == ["metadata.odd", "spec"]
    assert obj == {"metadata": {"name": "a"}, "data": {"k": "v"}}


def test_nulls_and_zero_values_are_written_as_go_does():
    obj = {"data": None, "binaryData": {}, "immutable": False}
    assert prune_and_check(obj, CONFIG_MAP) == []
    assert obj == {"metadata": {}, "immutable": False}
    obj = {"data": {"a": None}}
    prune_and_check(obj, CONFIG_MAP)
    assert obj == {"metadata": {}, "data": {"a": ""}}
    obj = {"metadata": {}}
    prune_and_check(obj, LEASE)
    assert obj == {"metadata": {}, "spec": {}}


@pytest.mark.parametrize("digits", ["1.0", "1e2", "-1E+1", "1.50"])
def test_a_number_that_is_not_spelled_as_an_integer_is_none(digits):
    value = spelled(b'{"spec":{"leaseDurationSeconds":%s}}' % digits.encode())
    with pytest.raises(TypeMismatch, match=rf"cannot unmarshal number {re.escape(digits)} into Go struct field "):
        prune_and_check(value, LEASE)


@pytest.mark.parametrize("body", [b'{"a":1,"b":[-2]}', b'{"a":"[1.0]"}', b'{"a":", 1e2"}', b'{"a":[1.0],"b":"\xff"}'])
def test_spelling_is_looked_at_where_a_number_needs_it(body):
    assert spelled(body) is None


def test_a_zero_value_is_never_shared():
    first, second = {}, {}
    prune_and_check(first, LEASE)
    prune_and_check(second, LEASE)
    first["spec"]["holderIdentity"] = "me"
    assert second == {"metadata": {}, "spec": {}}


@pytest.mark.parametrize(
    ("obj", "schema", "why"),
    [
        ({"data": {"a": 1}}, CONFIG_MAP, "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"),
        ({"data": []}, CONFIG_MAP, "json: cannot unmarshal array into Go struct field ConfigMap.data of type map[string]string"),
        ({"immutable": "x"}, CONFIG_MAP, "json: cannot unmarshal string into Go struct field ConfigMap.immutable of type bool"),
        ({"binaryData": {"a": "!"}}, CONFIG_MAP, "illegal base64 data at input byte 0"),
        ({"spec": 1}, LEASE, "json: cannot unmarshal number into Go struct field Lease.spec of type v1.LeaseSpec"),
        (
            {"spec": {"leaseTransitions": 1 << 31}},
            LEASE,
            "json: cannot unmarshal number 2147483648 into Go struct field LeaseSpec.spec.leaseTransitions of type int32",
        ),
        (
            {"spec": {"leaseTransitions": True}},
            LEASE,
            "json: cannot unmarshal bool into Go struct field LeaseSpec.spec.leaseTransitions of type int32",
        ),
        (
            {"spec": {"renewTime": "2026-01-01T00:00:00Z"}},
            LEASE,
            'parsing time "2026-01-01T00:00:00Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"',
        ),
        (
            {"spec": {"versions": [{"served": "yes"}]}},
            DEFINITION,
            "json: cannot unmarshal string into Go struct field CustomResourceDefinitionVersion.spec.versions.served of type bool",
        ),
    ],
)
def test_values_of_the_wrong_type(obj, schema, why):
    with pytest.raises(TypeMismatch) as caught:
        prune_and_check(obj, schema)
    assert str(caught.value) == why


def test_schemas_within_schemas_are_typed_too():
    def definition(schema):
        return {"spec": {"versions": [{"schema": {"openAPIV3Schema": schema}}]}}

    obj = definition({"properties": {"a": {"items": {"odd": 1, "additionalProperties": False}, "default": {"x": None}}}})
    assert prune_and_check(obj, DEFINITION) == ["spec.versions[0].schema.openAPIV3Schema.properties.a.items.odd"]
    kept = obj["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["a"]
    assert kept == {"items": {"additionalProperties": False}, "default": {"x": None}}
    with pytest.raises(TypeMismatch, match=r"JSONSchemaProps\.spec\.versions\.schema\.openAPIV3Schema\.properties\.type"):
        prune_and_check(definition({"properties": {"a": {"type": 5}}}), DEFINITION)


@pytest.mark.parametrize(
    ("text", "micro", "written"),
    [
        ("2026-01-01T00:00:00Z", False, "2026-01-01T00:00:00Z"),
        ("2026-01-01T01:30:00.999+01:30", False, "2026-01-01T00:00:00Z"),
        ("2026-01-01T00:00:00.000100-01:00", True, "2026-01-01T01:00:00.000100Z"),
        ("0001-01-01T00:00:00Z", False, "0001-01-01T00:00:00Z"),
        ("0000-01-01T00:00:00Z", False, "0000-01-01T00:00:00Z"),
        ("0000-01-01T00:00:00+00:01", False, "-0001-12-31T23:59:00Z"),
        ("9999-12-31T23:59:59-24:60", False, "10000-01-02T00:59:59Z"),
        ("2026-01-01T5:00:00,5Z", False, "2026-01-01T05:00:00Z"),
        ("2026-01-01T05:00:00,123456Z", True, "2026-01-01T05:00:00.123456Z"),
    ],
)
def test_times_are_written_in_utc(text, micro, written):
    assert canonical_time(text, micro=micro) == written


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", ' as "2006-01-02T15:04:05Z07:00": cannot parse "" as "2006"'),
        ("soon", ' as "2006-01-02T15:04:05Z07:00": cannot parse "soon" as "2006"'),
        ("2026-01-01", ' as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"'),
        ("2026-01-01T00:00:00", ' as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00"'),
        ("2026-01-01T00:00:00.Z", ' as "2006-01-02T15:04:05Z07:00": cannot parse ".Z" as "Z07:00"'),
        ("2026-13-x", ": month out of range"),
        ("2026-01-01T00:00:00+25:00", ": time zone offset hour out of range"),
        ("2026-01-01T00:00:00+00:61", ": time zone offset minute out of range"),
        ("2026-02-30T00:00:00ZZ", ': extra text: "Z"'),
        ("2026-13-01T00:00:00Z", ": month out of range"),
        ("2026-02-30T00:00:00Z", ": day out of range"),
        ("2026-01-01T24:00:00Z", ": hour out of range"),
    ],
)
def test_what_is_no_time(text, why):
    with pytest.raises(TypeMismatch) as caught:
        canonical_time(text)
    assert str(caught.value) == f'parsing time "{text}"{why}'


def test_texts_that_are_no_time_are_quoted_byte_by_byte():
    with pytest.raises(TypeMismatch) as caught:
        canonical_time('٢"\n\\')
    quoted = r'"\xd9\xa2\"\x0a\\"'
    assert str(caught.value) == f'parsing time {quoted} as "2006-01-02T15:04:05Z07:00": cannot parse {quoted} as "2006"'
    with pytest.raises(TypeMismatch, match="extra text"):
        canonical_time("2026-01-01T00:00:00Z\n")


def test_micro_times_have_six_digits():
    with pytest.raises(TypeMismatch, match=r'cannot parse "7Z" as "Z07:00"'):
        canonical_time("2026-01-01T00:00:00.1234567Z", micro=True)


@given(st.binary(max_size=64))
def test_base64_round_trips(data):
    text = base64.b64encode(data).decode()
    assert canonical_base64(text) == text
    assert canonical_base64("\n".join(text)) == text


@pytest.mark.parametrize(
    ("text", "byte"),
    [
        ("%%%%", 0),
        ("YQ", 0),
        ("YWJj-_", 4),
        ("YQ=a", 2),
        ("YWJjZGU", 4),
        ("é", 0),
        ("Y", 0),
        ("YQ==YQ==", 4),
        ("YQ=", 3),
        ("YQ===", 4),
        ("=", 0),
        ("YWJj=", 4),
        ("YWJjZA=", 7),
        ("Y=", 1),
    ],
)
def test_base64_errors_name_the_byte(text, byte):
    with pytest.raises(TypeMismatch) as caught:
        canonical_base64(text)
    assert str(caught.value) == f"illegal base64 data at input byte {byte}"


FIELDS = ["metadata", "spec", "versions", "schema", "openAPIV3Schema", "items", "properties", "anyOf", "name", "x"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(FIELDS), inner),
    max_leaves=30,
)


@given(ANYTHING)
def test_whatever_comes_is_fitted_or_refused(value):
    try:
        prune_and_check(value, DEFINITION)
    except TypeMismatch:
        return
    assert prune_and_check(value, DEFINITION) == []


LIMIT_RANGE = whole("io.k8s.api.core.v1.LimitRange")
SERVICE = whole("io.k8s.api.core.v1.Service")
REVISION = whole("io.k8s.api.apps.v1.ControllerRevision")
NO_QUANTITY = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


def limit(value):
    return {"spec": {"limits": [{"type": "Container", "max": {"cpu": value}}]}}


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("1000m", "1"),
        ("1024Mi", "1Gi"),
        ("0.5", "500m"),
        ("1e3", "1e3"),
        ("1.5Gi", "1536Mi"),
        (5, "5"),
        (0.5, "500m"),
        (1000.0, "1k"),
        (1e21, "1e21"),
        (1e-7, "100e-9"),
        (" 5 ", "5"),
        ("\xa05\u2028", "5"),
        ("8Ei", "9223372036854775807"),
        (None, "0"),
        (".", "0"),
    ],
)
def test_quantities_are_written_in_canonical_form(value, written):
    obj = limit(value)
    assert prune_and_check(obj, LIMIT_RANGE) == []
    assert obj["spec"] == limit(written)["spec"]


@pytest.mark.parametrize("value", ["", "x", "1x", "1.2.3", "\t5", "5\n", True, {}, []])
def test_what_is_no_quantity(value):
    with pytest.raises(TypeMismatch) as caught:
        prune_and_check(limit(value), LIMIT_RANGE)
    assert str(caught.value) == NO_QUANTITY
    with pytest.raises(TypeMismatch, match="unable to parse quantity's suffix"):
        prune_and_check(limit("1e"), LIMIT_RANGE)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (1.5, "number 1.5"),
        (True, "bool"),
        ({}, "object"),
        ([], "array"),
        (1 << 31, "number 2147483648"),
    ],
)
def test_what_is_neither_an_int32_nor_a_string(value, why):
    with pytest.raises(TypeMismatch) as caught:
        prune_and_check({"spec": {"ports": [{"targetPort": value}]}}, SERVICE)
    assert str(caught.value) == f"json: cannot unmarshal {why} into Go struct field ServicePort.spec.ports.targetPort of type int32"


def test_an_int_or_a_string():
    for value in (80, "http", 0, ""):
        obj = {"spec": {"ports": [{"targetPort": value}]}}
        prune_and_check(obj, SERVICE)
        assert obj["spec"]["ports"] == [{"targetPort": value, "port": 0}]
    obj = {"spec": {"ports": [{"targetPort": None}]}}
    prune_and_check(obj, SERVICE)
    assert obj["spec"]["ports"] == [{"targetPort": 0, "port": 0}]


@pytest.mark.parametrize("data", [{"spec": {"z": None, "a": [None]}}, 1, "x", [], {}, True])
def test_anything_goes_where_go_keeps_the_bytes(data):
    obj = {"data": data, "revision": 1}
    prune_and_check(obj, REVISION)
    assert obj["data"] is data


ROLE = whole("io.k8s.api.rbac.v1.ClusterRole")
POD = whole("io.k8s.api.core.v1.Pod")
JOB = whole("io.k8s.api.batch.v1.Job")
SETS = whole("io.k8s.api.apps.v1.StatefulSet")


def fitted(obj, schema):
    assert prune_and_check(obj, schema) == []
    return obj


def test_an_empty_list_comes_back_from_storage_as_null():
    assert fitted({"rules": []}, ROLE)["rules"] is None
    assert fitted({"rules": [{"verbs": [], "resources": []}]}, ROLE)["rules"] == [{"verbs": None}]
    # Definitions are stored as JSON.
    assert fitted({"spec": {"versions": []}}, DEFINITION)["spec"]["versions"] == []
    assert fitted({"data": [], "revision": 1}, REVISION)["data"] == []


def test_an_empty_struct_stays_where_go_points_to_it():
    pod = fitted({"spec": {"volumes": [{"name": "a", "emptyDir": {}}], "nodeSelector": {}, "securityContext": {}}}, POD)
    assert pod["spec"] == {"volumes": [{"name": "a", "emptyDir": {}}], "securityContext": {}, "containers": None}


def test_null_entries_are_zero_values():
    pod = fitted({"spec": {"containers": [None, {"command": [None]}]}}, POD)
    assert pod["spec"]["containers"] == [{"name": "", "resources": {}}, {"command": [""], "name": "", "resources": {}}]
    review = whole("io.k8s.api.authorization.v1.SubjectAccessReview")
    assert fitted({"spec": {"extra": {"a": None}}}, review)["spec"]["extra"] == {"a": []}


def test_the_zero_time_is_null():
    assert fitted({"metadata": {"deletionTimestamp": "0001-01-01T02:00:00+02:00"}}, POD)["metadata"] == {"deletionTimestamp": None}
    assert fitted({"metadata": {"creationTimestamp": "0001-01-01T00:00:00Z"}}, POD)["metadata"] == {}
    conditions = [{"type": "a", "status": "True", "lastTransitionTime": "0001-01-01T00:00:00Z"}]
    assert fitted({"status": {"conditions": conditions}}, POD)["status"]["conditions"][0]["lastTransitionTime"] is None


def test_a_struct_without_fields_has_none():
    obj = {"spec": {"scheduling": {"schedulingPolicy": {"basic": {"x": 1}}}}}
    assert prune_and_check(obj, JOB) == ["spec.scheduling.schedulingPolicy.basic.x"]
    assert obj["spec"]["scheduling"]["schedulingPolicy"] == {"basic": {}}


def test_what_embedded_objects_say_of_themselves_may_be_empty():
    claims = [{"kind": "", "apiVersion": "", "metadata": {"name": "a"}}]
    assert fitted({"spec": {"volumeClaimTemplates": claims}}, SETS)["spec"]["volumeClaimTemplates"] == [
        {"metadata": {"name": "a"}, "spec": {"resources": {}}, "status": {}}
    ]


@pytest.mark.parametrize(
    ("obj", "why"),
    [
        # Go's decoder goes on after a wrong type, and tells the first.
        ({"spec": 1, "metadata": 2}, "json: cannot unmarshal number into Go struct field Pod.spec of type v1.PodSpec"),
        # A type that reads its JSON itself ends it.
        ({"spec": 1, "metadata": {"creationTimestamp": "x"}}, 'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"'),
        ({"metadata": 1, "spec": {"overhead": {"cpu": "x"}}}, NO_QUANTITY),
        (
            {"metadata": {"name": 1, "creationTimestamp": 5}},
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string",
        ),
    ],
)
def test_which_of_several_mismatches_is_told(obj, why):
    with pytest.raises(TypeMismatch) as caught:
        prune_and_check(obj, POD)
    assert str(caught.value) == why


def test_a_null_among_times_stays():
    budget = whole("io.k8s.api.policy.v1.PodDisruptionBudget")
    disrupted = {"a": None, "b": "0001-01-01T00:00:00Z", "c": "2026-01-01T01:00:00+01:00"}
    status = fitted({"status": {"disruptedPods": disrupted}}, budget)["status"]
    assert status["disruptedPods"] == {"a": None, "b": None, "c": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("obj", "schema", "why"),
    [
        ({"spec": {"restartPolicy": 1}}, POD, "number into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy"),
        ({"metadata": {"uid": 1}}, POD, "number into Go struct field ObjectMeta.metadata.uid of type types.UID"),
        ({"spec": {"overhead": []}}, POD, "array into Go struct field PodSpec.spec.overhead of type v1.ResourceList"),
        (
            {"spec": {"volumes": [{"name": "a", "emptyDir": 1}]}},
            POD,
            "number into Go struct field Volume.spec.volumes.VolumeSource.emptyDir of type v1.EmptyDirVolumeSource",
        ),
        (
            {"spec": {"ephemeralContainers": [{"command": "x"}]}},
            POD,
            "string into Go struct field EphemeralContainer.spec.ephemeralContainers.EphemeralContainerCommon.command of type []string",
        ),
        (
            {"status": {"disruptedPods": "x"}},
            whole("io.k8s.api.policy.v1.PodDisruptionBudget"),
            "string into Go struct field PodDisruptionBudgetStatus.status.disruptedPods of type map[string]v1.Time",
        ),
        (
            {"spec": []},
            whole("io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler"),
            "array into Go struct field HorizontalPodAutoscaler.spec of type v2.HorizontalPodAutoscalerSpec",
        ),
    ],
)
def test_types_and_places_are_called_as_in_go(obj, schema, why):
    with pytest.raises(TypeMismatch) as caught:
        prune_and_check(obj, schema)
    assert str(caught.value) == f"json: cannot unmarshal {why}"


def test_what_has_a_wrong_type_is_left_as_it_is():
    meta = {"labels": {"a": 1}, "finalizers": [None, 2]}
    with pytest.raises(TypeMismatch):
        prune_and_check({"metadata": meta}, POD)
    assert meta == {"labels": {"a": 1}, "finalizers": ["", 2]}


DRAWN = 20
"""Objects of each kind."""


def told(obj, schema):
    """Return what is said of an object: the unknown fields or why it is refused."""
    try:
        return prune_and_check(obj, schema)
    except TypeMismatch as e:
        return str(e)


@pytest.mark.parametrize("kind", [kind for kind in load() if kind.group != "apiextensions.k8s.io"], ids=lambda kind: f"{kind.names.plural}.{kind.group}")
def test_closures_and_the_walk_agree(kind, monkeypatch):
    version = kind.version(kind.hub)
    schema = whole(version.component)
    quick, walked, rare = [], [], 0
    for seed in range(DRAWN):
        drawing = Drawing(seed, odd=0.05 * (seed % 4))
        obj = drawing.object(kind.api_version(version.name), kind.names.kind, schema)
        if seed % 3 == 0:
            drawing.break_(obj)
        walked.append(copy.deepcopy(obj))
        quick.append(obj)
        try:
            fitting(schema, {})(copy.deepcopy(obj))
        except Unfit:
            rare += 1
    assert rare < DRAWN
    found = [(told(obj, schema), obj) for obj in quick]
    # The closures are out of the way: each object is walked from its beginning.
    monkeypatch.setattr(typed, "fitting", lambda *_: unfit)
    assert found == [(told(obj, schema), obj) for obj in walked]


def unfit(_value):
    raise Unfit
