"""What is wrong with a definition, against answers recorded from the reference."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from watchd.crd import conditions
from watchd.crd.definitions import GROUP, KIND, storage_version
from watchd.registry import metadata
from watchd.schema.goscalars import TypeMismatch
from watchd.schema.typed import prune_and_check
from watchd.seams import SystemClock, SystemEntropy
from watchd.status import invalid

RECORDED = json.loads((Path(__file__).parent / "invalid.json").read_text())
ANY = "<any>"


def create(body):
    """Do to a body what the server does before it validates."""
    definition = json.loads(json.dumps(body))
    metadata.decode(definition, version="v1", kind=KIND.names.kind)
    prune_and_check(definition, KIND.versions[0].schema)
    KIND.strategy.default(definition)
    metadata.prepare_create(definition["metadata"], clock=SystemClock(), entropy=SystemEntropy())
    definition.pop("status", None)
    KIND.strategy.prepare_create(definition, clock=SystemClock(), entropy=SystemEntropy())
    return definition


def errors(definition):
    found = metadata.validate_create(
        definition["metadata"], namespaced=KIND.namespaced, name_format=KIND.strategy.name_format
    )
    return found + KIND.strategy.validate(definition)


def good(**spec):
    return create(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "things.example.com"},
            "spec": {
                "group": "example.com",
                "scope": "Namespaced",
                "names": {"plural": "things", "kind": "Thing"},
                "versions": [version("v1")],
                **spec,
            },
        }
    )


def version(name, **fields):
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {}}}}}
    return {"name": name, "served": True, "storage": name == "v1", "schema": schema, **fields}


def fields(definition):
    return [(error.field, error.body()) for error in errors(definition)]


@pytest.mark.parametrize("recorded", RECORDED, ids=[recorded["case"] for recorded in RECORDED])
def test_refused_as_the_reference_does(recorded):
    definition = create(recorded["body"])
    answer = invalid(GROUP, KIND.names.kind, definition["metadata"]["name"], errors(definition)).to_object()
    wanted = recorded["status"]
    got, expected = answer["details"].pop("causes"), wanted["details"]["causes"]
    if recorded["any_order"]:
        got, expected = (sorted(causes, key=lambda cause: cause["field"]) for causes in (got, expected))
    assert [(cause["reason"], cause["field"]) for cause in got] == [(c["reason"], c["field"]) for c in expected]
    for cause, want in zip(got, expected, strict=True):
        assert want["message"] in {ANY, cause["message"]}
    assert wanted["message"] in {ANY, answer["message"]}
    assert answer["details"] == {k: v for k, v in wanted["details"].items() if k != "causes"}
    assert answer["code"] == wanted["code"]


def test_a_good_definition_is_defaulted_as_recorded():
    definition = good()
    assert errors(definition) == []
    assert definition["spec"]["names"] == {
        "plural": "things",
        "singular": "thing",
        "kind": "Thing",
        "listKind": "ThingList",
    }
    assert definition["spec"]["conversion"] == {"strategy": "None"}
    assert definition["status"] == {
        "conditions": None,
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": ["v1"],
    }


def test_paths_of_versions_that_differ_carry_their_index():
    scale = {"specReplicasPath": "spec.replicas", "statusReplicasPath": ".status.replicas"}
    definition = good(versions=[version("v1"), version("v2", subresources={"scale": scale})])
    assert fields(definition) == [
        (
            "spec.versions[1].subresources.scale.specReplicasPath",
            'Invalid value: "spec.replicas": must be a simple json path starting with .',
        )
    ]


def test_deprecation_warnings_are_printable_and_only_for_deprecated_versions():
    definition = good(
        versions=[version("v1", deprecationWarning="x"), version("v2", deprecated=True, deprecationWarning="a\x07")]
    )
    assert fields(definition) == [
        ("spec.versions[0].deprecationWarning", 'Invalid value: "x": can only be set for deprecated versions'),
        (
            "spec.versions[1].deprecationWarning",
            'Invalid value: "a\\a": must only contain printable UTF-8 characters; non-printable character found at index 1',
        ),
    ]


@pytest.mark.parametrize(
    ("webhook", "expected"),
    [
        (
            {"clientConfig": {}, "conversionReviewVersions": ["v1"]},
            [("spec.conversion.webhookClientConfig", "Required value: exactly one of url or service is required")],
        ),
        (
            {"clientConfig": {"url": "http://u:pw@h/p?q#f"}, "conversionReviewVersions": ["v7"]},
            [
                (
                    "spec.conversion.webhookClientConfig.url",
                    "Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]",
                ),
                (
                    "spec.conversion.webhookClientConfig.url",
                    'Invalid value: "u": user information is not permitted in the URL',
                ),
                (
                    "spec.conversion.webhookClientConfig.url",
                    'Invalid value: "f": fragments are not permitted in the URL',
                ),
                (
                    "spec.conversion.webhookClientConfig.url",
                    'Invalid value: "q": query parameters are not permitted in the URL',
                ),
                (
                    "spec.conversion.conversionReviewVersions",
                    'Invalid value: ["v7"]: must include at least one of v1, v1beta1',
                ),
            ],
        ),
        (
            {
                "clientConfig": {"service": {"name": "", "namespace": "n", "port": 0, "path": "/a//b"}},
                "conversionReviewVersions": ["v1", "v1"],
            },
            [
                ("spec.conversion.webhookClientConfig.service.namespace", "Required value"),
                (
                    "spec.conversion.webhookClientConfig.service.port",
                    "Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive",
                ),
                (
                    "spec.conversion.webhookClientConfig.service.path",
                    'Invalid value: "/a//b": segment[1] may not be empty',
                ),
                ("spec.conversion.conversionReviewVersions[1]", 'Invalid value: "v1": duplicate version'),
            ],
        ),
    ],
)
def test_conversion_webhooks_have_to_be_callable(webhook, expected):
    assert fields(good(conversion={"strategy": "Webhook", "webhook": webhook})) == expected


def test_a_webhook_without_its_strategy_is_forbidden():
    webhook = {"clientConfig": {"url": "https://h"}, "conversionReviewVersions": ["v1"]}
    assert [field for field, _ in fields(good(conversion={"strategy": "None", "webhook": webhook}))] == [
        "spec.conversion.webhookClientConfig",
        "spec.conversion.conversionReviewVersions",
    ]


def test_a_service_has_a_port():
    service = {"name": "a", "namespace": "b"}
    definition = good(
        conversion={
            "strategy": "Webhook",
            "webhook": {"clientConfig": {"service": service}, "conversionReviewVersions": ["v1"]},
        }
    )
    assert errors(definition) == []
    assert definition["spec"]["conversion"]["webhook"]["clientConfig"]["service"]["port"] == 443


def test_selectable_fields_are_counted_and_unique():
    properties = {f"f{i}": {"type": "string"} for i in range(9)}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}}
    paths = [{"jsonPath": f".spec.f{i}"} for i in range(9)]
    texts = fields(good(versions=[version("v1", schema=schema, selectableFields=[*paths, paths[0]])]))
    assert [field for field, _ in texts] == ["spec.selectableFields[9].jsonPath", "spec.selectableFields"]
    assert fields(good(versions=[version("v1", schema=schema, selectableFields=paths[:8])])) == []


def test_selectable_fields_in_common_are_held_against_each_schema():
    def schema(field):
        properties = {"spec": {"type": "object", "properties": {field: {"type": "string"}}}}
        return {"openAPIV3Schema": {"type": "object", "properties": properties}}

    selected = [{"jsonPath": ".spec.a"}]
    definition = good(
        versions=[
            version("v1", schema=schema("a"), selectableFields=selected),
            version("v2", schema=schema("b"), selectableFields=selected),
        ]
    )
    assert [field for field, _ in fields(definition)] == ["spec.versions[1].selectableFields[0].jsonPath"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [("unapproved, testing", []), ("https://github.com/kubernetes/kubernetes/pull/1", []), ("yes", ["FieldValueInvalid"])],
)
def test_approval_of_protected_groups(value, expected):
    definition = good(group="x.k8s.io")
    definition["metadata"].update(name="things.x.k8s.io", annotations={"api-approved.kubernetes.io": value})
    assert [error.problem for error in errors(definition)] == expected


def established(definition):
    conditions.set_condition(definition, conditions.INITIAL_NAMES_ACCEPTED, SystemClock())
    return definition


def updated(old, change, subresource=""):
    new = json.loads(json.dumps(old))
    change(new)
    KIND.strategy.default(new)
    KIND.strategy.prepare_update(new, old, subresource)
    return new, [(e.field, e.body()) for e in KIND.strategy.validate_update(new, old, subresource)]


def test_scope_is_immutable_once_established():
    def change(new):
        new["spec"]["scope"] = "Cluster"

    assert updated(established(good()), change)[1] == [("spec.scope", 'Invalid value: "Cluster": field is immutable')]
    assert updated(good(), change)[1] == []


def test_plural_is_immutable_from_the_start():
    def change(new):
        new["spec"]["names"]["plural"] = "thongs"

    assert updated(good(), change)[1] == [("spec.names.plural", 'Invalid value: "thongs": field is immutable')]


def test_a_stored_version_cannot_leave():
    def move(new):
        new["spec"]["versions"][0]["storage"] = False
        new["spec"]["versions"].append(version("v2", storage=True))

    def drop(new):
        del new["spec"]["versions"][0]

    moved, found = updated(good(), move)
    assert found == []
    assert moved["status"]["storedVersions"] == ["v1", "v2"]
    assert storage_version(moved["spec"]) == "v2"
    assert updated(moved, drop)[1] == [
        (
            "status.storedVersions[0]",
            (
                'Invalid value: "v1": missing from spec.versions; v1 was previously a storage version, and must remain in '
                "spec.versions until a storage migration ensures no data remains persisted in v1 and removes v1 from "
                "status.storedVersions"
            ),
        )
    ]


@pytest.mark.parametrize(("given", "kept"), [([], ["v1"]), (["v1", "v9"], ["v1", "v9"])])
def test_status_writes_of_stored_versions(given, kept):
    def change(new):
        new["status"]["storedVersions"] = given
        new["spec"]["scope"] = "Cluster"
        new["metadata"]["labels"] = {"x": "1"}

    new, found = updated(good(), change, "status")
    assert found == []
    assert new["status"]["storedVersions"] == kept
    assert new["spec"]["scope"] == "Namespaced"
    assert new["metadata"]["labels"] == {"x": "1"}


def test_a_write_of_the_object_leaves_status_alone():
    def change(new):
        new["status"] = {"storedVersions": ["v9"], "acceptedNames": {"plural": "x", "kind": "X"}}

    old = good()
    assert updated(old, change)[0]["status"] == old["status"]


def test_deletion_waits_for_the_objects():
    definition = good()
    assert KIND.strategy.finalizers_hold(definition)
    definition["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    KIND.strategy.on_delete(definition)
    assert not KIND.strategy.finalizers_hold(definition)
    assert definition["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    assert definition["status"]["conditions"] == [
        {
            "type": "Terminating",
            "status": "True",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
            "reason": "InstanceDeletionPending",
            "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
        }
    ]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["V_1", "v2"], ["spec.versions[0].name", "spec.version"]),
        (["v1", "V_2"], ["spec.versions[1].name"]),
    ],
)
def test_names_of_versions(names, expected):
    definition = good(versions=[version(name, storage=index == 0) for index, name in enumerate(names)])
    assert [field for field, _ in fields(definition)] == expected


def test_a_generated_name_is_wrong_twice():
    definition = create({**good(), "metadata": {"name": "x-abcde", "generateName": "x-"}})
    assert [field for field, _ in fields(definition)] == ["metadata.generateName", "metadata.name"]


def test_certificates_are_looked_at_once_the_definition_is_established():
    def change(new):
        webhook = {"clientConfig": {"url": "https://h", "caBundle": "bm9uc2Vuc2U="}, "conversionReviewVersions": ["v1"]}
        new["spec"]["conversion"] = {"strategy": "Webhook", "webhook": webhook}

    said = 'Invalid value: "bm9uc2Vuc2U=": unable to load root certificates: unable to parse bytes as PEM block'
    assert updated(good(), change)[1] == []
    assert updated(established(good()), change)[1] == [("spec.conversion.webhookClientConfig.caBundle", said)]
    bad, _ = updated(good(), change)
    assert updated(established(bad), lambda new: None)[1] == []


def test_writers_are_warned_of_what_has_no_effect():
    def schema(**properties):
        return {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}}

    item = {"type": "object", "x-kubernetes-map-type": "atomic"}
    listed = {"type": "array", "x-kubernetes-list-type": "set", "items": item}
    old = good(versions=[version("v1", schema=schema(a={"type": "string", "format": "bogus"}))])
    new = good(versions=[version("v1", schema=schema(a={"type": "string", "format": "bogus"}, b=listed))])
    said = (
        'x-kubernetes-list-type: set for items of type "object" is not supported by server-side apply '
        "or CEL validation rules"
    )
    for before, expected in ((None, ['unrecognized format "bogus"', said]), (old, [said]), (new, [])):
        warned = []
        assert KIND.strategy.judge(new, before, "", warned.append) == []
        assert warned == expected


def test_an_old_schema_that_is_no_longer_good_is_borne_until_it_is_changed():
    bad = {"openAPIV3Schema": {"type": "object", "properties": {"spec": {}}}}
    old = good(versions=[version("v1", schema=bad)])
    assert updated(old, lambda new: new["spec"]["names"].update(shortNames=["th"]))[1] == []

    def change(new):
        new["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = "new"

    assert [field for field, _ in updated(old, change)[1]] == ["spec.validation.openAPIV3Schema.properties[spec].type"]


def test_what_is_neither_a_schema_nor_a_boolean_is_told_as_the_reference_does():
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"a": {"type": "object", "additionalProperties": "x"}}}}
    with pytest.raises(TypeMismatch, match=r"^boolean or JSON schema expected$"):
        good(versions=[version("v1", schema=schema)])
