"""The rules of ObjectMeta, against answers recorded from the reference."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from watchd.registry import metadata
from watchd.registry.strategy import NameFormat
from watchd.schema.fitting import Unfit, fitting
from watchd.status import StatusError, invalid

RECORDED = json.loads((Path(__file__).parent / "statuses.json").read_text())
GROUP = "crud.example.com"


class FixedClock:
    def now_ms(self):
        return 1_000_000_000_123


class FixedEntropy:
    def uid(self):
        return "11111111-2222-4333-8444-555555555555"

    def suffix(self):
        return "bcdfg"

    def fraction(self):
        return 0.5


def created(**meta):
    metadata.prepare_create(meta, clock=FixedClock(), entropy=FixedEntropy())
    return meta


def create_errors(meta, name_format=NameFormat.SUBDOMAIN):
    return metadata.validate_create(meta, namespaced=True, name_format=name_format)


def texts(errors):
    return [str(error) for error in errors]


@pytest.mark.parametrize(
    ("case", "index", "meta"),
    [
        ("create-invalid-name", 0, {"name": "Not_Valid"}),
        ("create-invalid-name", 1, {"name": "a/b"}),
        ("create-without-name", 0, {}),
        ("create-name-too-long", 0, {"name": "x" * 254}),
        ("label-validation", 0, {"name": "a", "labels": {"bad key": "x"}}),
        ("label-validation", 1, {"name": "a", "labels": {"k": "bad value!"}}),
        ("label-validation", 2, {"name": "a", "labels": {"k": "x" * 64}}),
        ("annotation-validation", 0, {"name": "a", "annotations": {"bad key": "x"}}),
    ],
)
def test_create_is_refused_as_the_reference_does(case, index, meta):
    errors = create_errors({**meta, "namespace": "n"})
    assert invalid(GROUP, "Thing", meta.get("name", ""), errors).to_object() == RECORDED[case][index]


def test_a_finalizer_cannot_be_added_while_deleting():
    old = {"name": "a", "namespace": "n", "uid": "u", "deletionTimestamp": "t", "finalizers": ["example.com/f"]}
    new = {**old, "finalizers": ["example.com/f", "example.com/g"]}
    errors = metadata.validate_update(new, old, namespaced=True)
    answer = invalid(GROUP, "Thing", "a", errors).to_object()
    assert answer == RECORDED["finalizer-cannot-be-added-while-deleting"][0]
    assert metadata.validate_update({**old, "finalizers": []}, old, namespaced=True) == []


def test_an_update_may_need_a_resource_version():
    with pytest.raises(StatusError) as caught:
        metadata.require_resource_version({}, group=GROUP, resource="things", name="a")
    assert caught.value.to_object() == RECORDED["put-without-resource-version"][0]
    metadata.require_resource_version({"resourceVersion": "5"}, group=GROUP, resource="things", name="a")


def test_names_of_body_and_path():
    with pytest.raises(StatusError) as caught:
        metadata.check_name({"name": "b"}, "a")
    assert caught.value.to_object() == RECORDED["put-name-mismatch"][0]
    with pytest.raises(StatusError, match=r"\(a based on URL\) was undeterminable: name must be provided"):
        metadata.check_name({}, "a")
    with pytest.raises(StatusError, match="namespace of the object"):
        metadata.check_name({"name": "a", "namespace": "x"}, "a", "y")
    metadata.check_name({"name": "a"}, "a", "y")


def test_namespaces_of_body_and_path():
    with pytest.raises(StatusError) as caught:
        metadata.check_namespace({"namespace": "elsewhere"}, "here", namespaced=True)
    assert caught.value.to_object() == RECORDED["create-namespace-mismatch"][0]
    meta = {}
    metadata.check_namespace(meta, "here", namespaced=True)
    assert meta == {"namespace": "here"}
    metadata.check_namespace(meta, "", namespaced=False)
    assert meta == {}


def test_a_resource_version_does_not_belong_on_create():
    meta = created(name="a", resourceVersion="5")
    with pytest.raises(StatusError) as caught:
        metadata.drop_resource_version(meta)
    assert caught.value.to_object() == RECORDED["create-with-resource-version"][0]


@pytest.mark.parametrize("given", ["0", "x", "-1", "1.5", ""])
def test_what_is_no_revision_does_not_matter_on_create(given):
    meta = created(name="a", resourceVersion=given)
    metadata.drop_resource_version(meta)
    assert "resourceVersion" not in meta


def test_the_server_owns_its_fields():
    meta = created(
        name="a",
        uid="mine",
        creationTimestamp="2001-01-01T00:00:00Z",
        deletionTimestamp="2001-01-01T00:00:00Z",
        deletionGracePeriodSeconds=3,
        generation=7,
        selfLink="/x",
        labels={"x": "1"},
    )
    assert meta == {
        "name": "a",
        "uid": "11111111-2222-4333-8444-555555555555",
        "creationTimestamp": "2001-09-09T01:46:40Z",
        "labels": {"x": "1"},
    }


@pytest.mark.parametrize(
    ("base", "name"),
    [("gen-", "gen-bcdfg"), ("x" * 58, "x" * 58 + "bcdfg"), ("x" * 200, "x" * 58 + "bcdfg"), ("é" * 40, "é" * 29 + "bcdfg")],
)
def test_generated_names_fit_a_label(base, name):
    assert created(generateName=base)["name"] == name


def test_a_given_name_beats_a_generated_one():
    assert created(name="a", generateName="b-")["name"] == "a"


def test_an_update_keeps_what_it_cannot_change():
    old = {"name": "a", "uid": "u", "creationTimestamp": "c", "generation": 3}
    new = {"name": "a", "generation": 9, "selfLink": "/x", "labels": {}}
    metadata.prepare_update(new, old)
    assert new == {"name": "a", "uid": "u", "creationTimestamp": "c", "generation": 3, "labels": {}}


def test_an_update_cannot_take_back_a_deletion():
    old = {"name": "a", "uid": "u", "deletionTimestamp": "d", "deletionGracePeriodSeconds": 0}
    new = {"name": "a", "deletionTimestamp": "later"}
    metadata.prepare_update(new, old)
    assert new == old


def test_an_update_cannot_change_the_grace_period_of_a_deletion():
    old = {"name": "a", "uid": "u", "deletionTimestamp": "d", "deletionGracePeriodSeconds": 0}
    new = {"name": "a", "deletionGracePeriodSeconds": 3}
    metadata.prepare_update(new, old)
    found = texts(metadata.validate_update(new, old, namespaced=False))
    assert set(found) == {"metadata.deletionGracePeriodSeconds: Invalid value: 3: field is immutable"}


def test_immutable_fields():
    old = {"name": "a", "namespace": "n", "uid": "u"}
    new = {"name": "b", "namespace": "m", "uid": "v"}
    metadata.prepare_update(new, old)
    found = texts(metadata.validate_update(new, old, namespaced=True))
    once = [
        'metadata.name: Invalid value: "b": field is immutable',
        'metadata.namespace: Invalid value: "m": field is immutable',
        'metadata.uid: Invalid value: "v": field is immutable',
    ]
    assert found == once * 2


def test_annotations_are_limited():
    good = {"name": "a", "namespace": "n", "annotations": {"k": "v" * (metadata.ANNOTATIONS_MAX - 1)}}
    assert create_errors(good) == []
    good["annotations"]["l"] = ""
    assert texts(create_errors(good)) == ["metadata.annotations: Too long: may not be more than 262144 bytes"]


def test_annotation_keys_may_be_upper_case():
    assert create_errors({"name": "a", "namespace": "n", "annotations": {"Example.COM/Key": ""}}) == []
    assert create_errors({"name": "a", "namespace": "n", "labels": {"Example.COM/Key": ""}}) != []


def test_owner_references():
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "u", "controller": True}
    meta = {"name": "a", "namespace": "n", "ownerReferences": [owner]}
    assert create_errors(meta) == []
    meta["ownerReferences"] = [owner, {**owner, "name": "b"}]
    assert [error.detail for error in create_errors(meta)] == [
        'Only one reference can have Controller set to true. Found "true" in references for ConfigMap/a and ConfigMap/b'
    ]
    meta["ownerReferences"] = [{"apiVersion": "", "kind": "", "name": "", "uid": ""}]
    assert texts(create_errors(meta)) == [
        f"metadata.ownerReferences[0].{field}: Required value: must not be empty"
        for field in ("apiVersion", "kind", "name", "uid")
    ]
    meta["ownerReferences"] = [{**owner, "apiVersion": "a/b/c"}, {**owner, "controller": False, "kind": "Event"}]
    assert [(error.field, error.detail) for error in create_errors(meta)] == [
        ("metadata.ownerReferences[0].apiVersion", "must be <group>/<version> or <version>"),
        ("metadata.ownerReferences[1]", "/v1, Kind=Event is disallowed from being an owner"),
    ]


def test_finalizers():
    meta = {"name": "a", "namespace": "n", "finalizers": ["orphan", "foregroundDeletion", "a/b/c"]}
    found = create_errors(meta)
    assert [error.field for error in found] == ["metadata.finalizers"] * 2
    assert found[0].detail.startswith("a valid label key must consist of")
    assert found[0].detail.endswith("with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')")
    assert found[1].detail == "finalizer orphan and foregroundDeletion cannot be both set"


@pytest.mark.parametrize(
    ("name", "form", "good"),
    [
        ("a.b", NameFormat.SUBDOMAIN, True),
        ("a.b", NameFormat.LABEL, False),
        ("a" * 63, NameFormat.LABEL, True),
        ("a" * 64, NameFormat.LABEL, False),
        ("A:b", NameFormat.PATH_SEGMENT, True),
        ("a/b", NameFormat.PATH_SEGMENT, False),
        ("..", NameFormat.PATH_SEGMENT, False),
        ("-a", NameFormat.SUBDOMAIN, False),
        ("a\n", NameFormat.SUBDOMAIN, False),
        ("٣", NameFormat.SUBDOMAIN, False),
    ],
)
def test_name_formats(name, form, good):
    assert (create_errors({"name": name, "namespace": "n"}, form) == []) is good


def test_a_generate_name_may_end_in_a_dash():
    assert create_errors({"name": "a-bcdfg", "generateName": "a-", "namespace": "n"}) == []
    found = create_errors({"name": "a-bcdfg", "generateName": "AB-", "namespace": "n"})
    assert [error.field for error in found] == ["metadata.generateName"]


def test_decoding_drops_what_is_unknown_or_empty():
    obj = {
        "metadata": {
            "name": "a",
            "bogus": 1,
            "labels": {},
            "annotations": None,
            "finalizers": [],
            "namespace": "",
            "creationTimestamp": "2001-01-01T02:00:00.5+02:00",
            "ownerReferences": [{"name": "x", "z": 1, "controller": False}],
        }
    }
    assert metadata.decode(obj, version="v1", kind="Thing") == ["metadata.bogus", "metadata.ownerReferences[0].z"]
    assert obj["metadata"] == {
        "name": "a",
        "creationTimestamp": "2001-01-01T00:00:00Z",
        "ownerReferences": [{"name": "x", "controller": False, "apiVersion": "", "kind": "", "uid": ""}],
    }


def test_metadata_may_be_absent():
    obj = {"metadata": None}
    assert metadata.decode(obj, version="v1", kind="Thing") == []
    assert obj == {"metadata": {}}


@pytest.mark.parametrize(
    ("meta", "why"),
    [
        ({"name": 5}, "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.name of type string"),
        ({"labels": {"x": 1}}, "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string"),
        (
            {"finalizers": "one"},
            "json: cannot unmarshal string into Go struct field ObjectMeta.metadata.finalizers of type []string",
        ),
        (
            {"ownerReferences": [{"controller": "yes"}]},
            "json: cannot unmarshal string into Go struct field OwnerReference.metadata.ownerReferences.controller of type bool",
        ),
        (
            {"generation": 1.5},
            "json: cannot unmarshal number 1.5 into Go struct field ObjectMeta.metadata.generation of type int64",
        ),
        (
            {"creationTimestamp": "soon"},
            'parsing time "soon" as "2006-01-02T15:04:05Z07:00": cannot parse "soon" as "2006"',
        ),
        ([], "json: cannot unmarshal array into Go struct field Thing.metadata of type v1.ObjectMeta"),
    ],
)
def test_metadata_of_the_wrong_type(meta, why):
    with pytest.raises(StatusError) as caught:
        metadata.decode({"metadata": meta}, version="v1", kind="Thing")
    assert caught.value.code == 400
    assert caught.value.message == f'Thing in version "v1" cannot be handled as a Thing: {why}'


def test_metadata_as_clients_send_it_back_is_not_walked_twice():
    meta = {"name": "a", "creationTimestamp": "2001-01-01T02:00:00+02:00", "labels": {"b": "c"}, "generation": 1}
    assert fitting(metadata.OBJECT_META, {})(meta)["creationTimestamp"] == "2001-01-01T00:00:00Z"
    for time in ("soon", "0001-01-01T00:00:00Z", 5):
        with pytest.raises(Unfit):
            fitting(metadata.OBJECT_META, {})({"creationTimestamp": time})
