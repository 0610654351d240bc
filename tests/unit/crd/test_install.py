"""The kind that a definition makes."""

from __future__ import annotations

import pytest

from watchd.crd.install import kind_of


def definition(*versions, scope="Namespaced"):
    names = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList", "shortNames": ["th"]}
    return {
        "metadata": {"name": "things.example.com", "uid": "u1"},
        "spec": {"group": "example.com", "scope": scope, "names": names, "versions": list(versions)},
        "status": {"acceptedNames": names, "storedVersions": ["v1"]},
    }


def version(name, **fields):
    return {"name": name, "served": True, "storage": name == "v1", **fields}


def test_versions_come_in_order_of_preference():
    kind = kind_of(definition(version("v1alpha1"), version("v2beta1"), version("v1"), version("v10", served=False)))
    assert [(v.name, v.served) for v in kind.versions] == [
        ("v10", False),
        ("v1", True),
        ("v2beta1", True),
        ("v1alpha1", True),
    ]
    assert kind.hub == "v1"


def test_a_definition_becomes_data():
    schema = {"type": "object"}
    column = {"name": "A", "type": "string", "jsonPath": ".spec.a"}
    scale = {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n", "labelSelectorPath": ".status.s"}
    kind = kind_of(
        definition(
            version(
                "v1",
                schema={"openAPIV3Schema": schema},
                subresources={"status": {}, "scale": scale},
                selectableFields=[{"jsonPath": ".spec.color"}],
                additionalPrinterColumns=[column],
            ),
            scope="Cluster",
        )
    )
    found = kind.versions[0]
    assert (kind.custom, kind.uid, kind.namespaced) == (True, "u1", False)
    assert kind.storage_name == "things.example.com"
    assert kind.names.short_names == ("th",)
    assert (found.status, found.schema, found.columns, found.selectable_fields) == (True, schema, (column,), ("spec.color",))
    assert found.scale is not None
    assert (found.scale.spec_replicas, found.scale.status_replicas, found.scale.label_selector) == (
        ".spec.n",
        ".status.n",
        ".status.s",
    )
    assert kind.strategy.generation
    assert not kind.strategy.unconditional_update
    assert kind.to_hub({"apiVersion": "example.com/v1", "kind": "Thing", "spec": {}}, "v1")["spec"] == {}


def test_a_version_without_subresources_has_none():
    found = kind_of(definition(version("v1"))).versions[0]
    assert (found.status, found.scale, found.schema) == (False, None, None)


@pytest.mark.parametrize(
    ("name", "versions", "warning"),
    [
        (
            "v1beta1",
            (version("v1"), version("v1beta1", deprecated=True)),
            "example.com/v1beta1 Thing is deprecated; use example.com/v1 Thing",
        ),
        ("v1", (version("v1", deprecated=True), version("v1beta1")), "example.com/v1 Thing is deprecated"),
        (
            "v1alpha1",
            (version("v1"), version("v1alpha1", deprecated=True, deprecationWarning="please use v1")),
            "please use v1",
        ),
        ("v1", (version("v1"),), ""),
        ("v1", (version("v1", deprecated=True), version("v2", served=False)), "example.com/v1 Thing is deprecated"),
    ],
)
def test_deprecation_warnings(name, versions, warning):
    found = kind_of(definition(*versions)).version(name)
    assert found is not None
    assert found.deprecation_warning == warning
