"""Versions of built-in kinds: every spoke to its hub and back, with drawn objects; what each version sets by itself."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversion.hub import check_round_trip
from tests.clients.drawn_objects import Drawing
from watchd.registry.builtin.spokes import CONVERTED, SHAPES
from watchd.registry.builtin.table import load
from watchd.registry.schemas import component
from watchd.schema.typed import prune_and_check
from watchd.seams import SystemClock, SystemEntropy
from watchd.status import FieldProblem

ALL = {(kind.group, kind.names.plural): kind for kind in load({"api/all": "true"})}
SPOKES = [
    pytest.param(kind, version, id=f"{kind.api_version(version.name)}-{kind.names.plural}")
    for kind in ALL.values()
    for version in kind.versions
    if not kind.virtual and not kind.is_hub(version.name)
]
EXAMPLES = 25
"""Objects drawn for each version and direction."""

HOSTNAME = "kubernetes.io/hostname"


def hub_version(kind):
    """Return the version that is stored, of whichever kind has it."""
    gvk = kind.hub_gvk
    return next(
        version for other in ALL.values() for version in other.versions if other.gvk(version.name) == gvk
    )


def drawn(api_version, kind, schema, seed):
    """Draw an object as Go would write it."""
    obj = {**Drawing(seed).object(api_version, kind, schema), "metadata": {"name": "a", "namespace": "n", "annotations": {"a": "b"}}}
    for _ in range(2):
        # Times of other zones, and the zero time of one, are brought to their form in two steps.
        prune_and_check(obj, schema)
    return obj


def backends(spec):
    yield spec.get("backend") or spec.get("defaultBackend")
    for rule in spec.get("rules") or ():
        yield from (path["backend"] for path in ((rule.get("http") or {}).get("paths") or ()))


def sayable(obj):
    """Bring a drawn object to what every version can say: what is left out no server would admit, or means the same."""
    if obj["kind"] == "Ingress":
        for backend in filter(None, backends(obj["spec"])):
            if backend.get("servicePort") == "":
                backend["servicePort"] = "http"
            service = backend.get("service")
            if service and service.get("port", {}).get("name"):
                service["port"].pop("number", None)
            elif service:
                service.setdefault("port", {}).setdefault("number", 80)
    if obj["kind"] == "EndpointSlice" and obj["apiVersion"].endswith("v1beta1"):
        for endpoint in obj["endpoints"] or ():
            if endpoint.get("nodeName") is not None:
                # An empty label and none are one there.
                endpoint.setdefault("topology", {})[HOSTNAME] = endpoint["nodeName"] or "x"
                endpoint["nodeName"] = endpoint["topology"][HOSTNAME]
    if obj["kind"] == "DaemonSet" and obj["apiVersion"] == "apps/v1":
        obj["metadata"]["annotations"] = {"deprecated.daemonset.template.generation": "3"}
    return obj


@pytest.mark.parametrize(("kind", "version"), SPOKES)
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_a_spoke_comes_back_from_the_hub(kind, version, seed):
    obj = sayable(drawn(kind.api_version(version.name), kind.names.kind, version.schema, seed))
    if kind.names.kind == "HorizontalPodAutoscaler":
        # A target of the CPU that is left out is one of 80 per cent, and what metrics say is kept in their own form.
        obj = kind.from_hub(kind.to_hub(obj, version.name), version.name)
    assert check_round_trip(kind._hub, obj, version.name) == ()


@pytest.mark.parametrize(("kind", "version"), SPOKES)
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32))
def test_what_is_stored_survives_a_spoke(kind, version, seed):
    hub, gvk = hub_version(kind), kind.hub_gvk
    obj = sayable(drawn(str(gvk.group_version), gvk.kind, hub.schema, seed))
    if kind.names.kind == "HorizontalPodAutoscaler":
        obj = kind.to_hub(kind.from_hub(obj, version.name), version.name)
    assert check_round_trip(kind._hub, obj, version.name) == ()


@pytest.mark.parametrize(("kind", "version"), SPOKES)
def test_a_version_without_functions_has_the_fields_of_its_hub(kind, version):
    if version.name in kind.spokes:
        pytest.skip("it has functions")

    def shape(schema):
        if isinstance(schema, dict):
            return {
                key: shape(value)
                for key, value in schema.items()
                if key not in ("title", "required", "default", "enum", "format", "$defs") and not key.startswith("x-")
            }
        return schema

    assert shape(version.schema) == shape(hub_version(kind).schema)


def test_the_table_of_shapes_names_what_there_is():
    named = {reference for versions in SHAPES.values() for reference in versions.values()}
    assert named >= CONVERTED
    for (group, plural), versions in SHAPES.items():
        kind = ALL[group, plural]
        for version in versions:
            assert kind.version(version) is not None
            # Whatever an object is at, the rules take it.
            obj = drawn(kind.api_version(version), kind.names.kind, kind.version(version).schema, 1)
            assert isinstance(kind.strategy.finalizers_hold(obj), bool)


def made(group, plural, version, spec, **metadata):
    """Return a new object as the server makes it, up to validation."""
    kind = ALL[group, plural]
    obj = {
        "apiVersion": kind.api_version(version),
        "kind": kind.names.kind,
        "metadata": {"name": "a", "namespace": "n", **metadata},
        **copy.deepcopy(spec),
    }
    prune_and_check(obj, kind.version(version).schema)
    kind.strategy.default(obj)
    kind.strategy.prepare_create(obj, clock=SystemClock(), entropy=SystemEntropy())
    return kind, obj


TEMPLATE = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
UNLIMITED = 2**31 - 1


@pytest.mark.parametrize(
    ("group", "version", "expected"),
    [
        ("apps", "v1beta2", {"revisionHistoryLimit": 10, "progressDeadlineSeconds": 600, "step": "25%"}),
        ("apps", "v1beta1", {"revisionHistoryLimit": 2, "progressDeadlineSeconds": 600, "step": "25%"}),
        ("extensions", "v1beta1", {"revisionHistoryLimit": UNLIMITED, "progressDeadlineSeconds": UNLIMITED, "step": 1}),
    ],
)
def test_defaults_of_deployments(group, version, expected):
    kind, obj = made(group, "deployments", version, {"spec": {"template": TEMPLATE, "selector": None}})
    spec = obj["spec"]
    assert spec["revisionHistoryLimit"] == expected["revisionHistoryLimit"]
    assert spec["progressDeadlineSeconds"] == expected["progressDeadlineSeconds"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": expected["step"], "maxSurge": expected["step"]}
    if version == "v1beta1":
        assert spec["selector"] == {"matchLabels": {"app": "a"}}
        assert obj["metadata"]["labels"] == {"app": "a"}
        assert kind.strategy.validate(obj) == []
    else:
        assert "spec.selector" in {error.field for error in kind.strategy.validate(obj)}


@pytest.mark.parametrize(
    ("group", "plural", "version", "strategy"),
    [
        ("apps", "statefulsets", "v1beta1", {"type": "OnDelete"}),
        ("apps", "statefulsets", "v1beta2", {"type": "RollingUpdate", "rollingUpdate": {"partition": 0, "maxUnavailable": 1}}),
        ("extensions", "daemonsets", "v1beta1", {"type": "OnDelete"}),
        ("apps", "daemonsets", "v1beta2", {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}),
    ],
)
def test_defaults_of_sets(group, plural, version, strategy):
    _, obj = made(group, plural, version, {"spec": {"template": TEMPLATE, "selector": {"matchLabels": {"app": "a"}}}})
    found = obj["spec"]["updateStrategy"]
    assert {name: found[name] for name in strategy} == {**strategy, **({"rollingUpdate": found["rollingUpdate"]} if "rollingUpdate" in found else {})}
    assert obj["spec"]["revisionHistoryLimit"] == 10


def test_selectors_of_old_versions_can_be_changed():
    for group, version, mutable in (("apps", "v1beta1", True), ("extensions", "v1beta1", True), ("apps", "v1", False)):
        spec = {"spec": {"template": TEMPLATE, "selector": {"matchLabels": {"app": "a"}}}}
        kind, old = made(group, "deployments", version, spec)
        new = copy.deepcopy(old)
        new["spec"]["selector"] = {"matchExpressions": [{"key": "app", "operator": "Exists"}]}
        found = [error for error in kind.strategy.validate_update(new, old, "") if error.field == "spec.selector"]
        assert (found == []) is mutable
        new["spec"]["selector"] = {"matchLabels": {"app": "b"}}
        # What does not select the template's pods is refused at every version.
        assert FieldProblem.INVALID in {error.problem for error in kind.strategy.validate_update(new, old, "")}


def test_what_deployments_say_of_a_rollback():
    kind = ALL["extensions", "deployments"]
    obj = {"apiVersion": "extensions/v1beta1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"rollbackTo": {"revision": 3}}}
    prune_and_check(obj, kind.version("v1beta1").schema)
    hub = kind.to_hub(obj, "v1beta1")
    assert hub["apiVersion"] == "apps/v1"
    assert hub["metadata"]["annotations"] == {"deprecated.deployment.rollback.to": "3"}
    assert "rollbackTo" not in hub["spec"]
    assert kind.from_hub(hub, "v1beta1")["spec"]["rollbackTo"] == {"revision": 3}


@pytest.mark.parametrize(
    ("plural", "annotation"),
    [("deployments", "deprecated.deployment.rollback.to"), ("daemonsets", "deprecated.daemonset.template.generation")],
)
@pytest.mark.parametrize("text", ["x", "", "1_000", "9" * 30, " 7"])
def test_annotations_that_cannot_be_read_spoil_nothing(plural, annotation, text):
    kind = ALL["extensions", plural]
    obj = {"apiVersion": "apps/v1", "kind": kind.names.kind, "metadata": {"name": "a", "annotations": {annotation: text}}, "spec": {}}
    prune_and_check(obj, hub_version(kind).schema)
    assert kind.from_hub(copy.deepcopy(obj), "v1beta1")["metadata"]["annotations"] == {annotation: text}
    assert check_round_trip(kind._hub, obj, "v1beta1") == ()


def test_an_ingress_at_both_versions():
    kind = ALL["networking.k8s.io", "ingresses"]
    old = {
        "apiVersion": "networking.k8s.io/v1beta1",
        "kind": "Ingress",
        "metadata": {"name": "a"},
        "spec": {
            "backend": {"serviceName": "rest", "servicePort": "http"},
            "rules": [
                {"host": "h", "http": {"paths": [{"path": "/", "backend": {"serviceName": "s", "servicePort": 80}}]}},
                {"http": {"paths": [{"backend": {"resource": {"apiGroup": "g", "kind": "K", "name": "n"}}}]}},
            ],
        },
    }
    prune_and_check(old, kind.version("v1beta1").schema)
    kind.strategy.default(old)
    new = kind.to_hub(old, "v1beta1")
    assert new["spec"] == {
        "defaultBackend": {"service": {"name": "rest", "port": {"name": "http"}}},
        "rules": [
            {
                "host": "h",
                "http": {
                    "paths": [
                        {
                            "path": "/",
                            "pathType": "ImplementationSpecific",
                            "backend": {"service": {"name": "s", "port": {"number": 80}}},
                        }
                    ]
                },
            },
            {
                "http": {
                    "paths": [
                        {"pathType": "ImplementationSpecific", "backend": {"resource": {"apiGroup": "g", "kind": "K", "name": "n"}}}
                    ]
                }
            },
        ],
    }
    assert kind.from_hub(new, "v1beta1") == old
    # The port of a backend that is no Service is Go's zero value.
    assert old["spec"]["rules"][1]["http"]["paths"][0]["backend"]["servicePort"] == 0


MARK = "pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (None, None),
        ({}, {"matchExpressions": [{"key": MARK, "operator": "Exists"}]}),
        ({"matchExpressions": [{"key": MARK, "operator": "DoesNotExist"}]}, {}),
        ({"matchLabels": {"a": "b"}}, {"matchLabels": {"a": "b"}}),
    ],
)
def test_what_an_empty_selector_of_a_budget_means(old, new):
    kind = ALL["policy", "poddisruptionbudgets"]
    obj = {"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": {"name": "a"}, "spec": {"selector": old}}
    prune_and_check(obj, kind.version("v1beta1").schema)
    hub = kind.to_hub(obj, "v1beta1")
    assert hub["spec"].get("selector") == new
    assert kind.from_hub(hub, "v1beta1") == obj


def test_the_mark_of_empty_selectors_is_nobody_elses():
    kind = ALL["policy", "poddisruptionbudgets"]
    selector = {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": MARK, "operator": "Exists"}]}
    obj = {"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": {"name": "a"}, "spec": {"selector": selector}}
    assert kind.to_hub(obj, "v1beta1")["spec"]["selector"] == {"matchLabels": {"a": "b"}}


def test_where_endpoints_are():
    kind = ALL["discovery.k8s.io", "endpointslices"]
    zone = "topology.kubernetes.io/zone"
    topologies = [
        ({"nodeName": "n", "topology": {HOSTNAME: "n", zone: "z", "rack": "7"}}, {"nodeName": "n", "zone": "z", "deprecatedTopology": {"rack": "7"}}),
        ({"nodeName": "n", "topology": {HOSTNAME: "other"}}, {"nodeName": "n", "deprecatedTopology": {HOSTNAME: "other"}}),
        ({"topology": {HOSTNAME: "n"}}, {"deprecatedTopology": {HOSTNAME: "n"}}),
        ({}, {}),
    ]
    obj = {
        "apiVersion": "discovery.k8s.io/v1beta1",
        "kind": "EndpointSlice",
        "metadata": {"name": "a"},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {}, **old} for old, _ in topologies],
        "ports": None,
    }
    hub = kind.to_hub(obj, "v1beta1")
    assert hub["endpoints"] == [{"addresses": ["10.0.0.1"], "conditions": {}, **new} for _, new in topologies]
    assert kind.from_hub(copy.deepcopy(hub), "v1beta1") == obj
    # Writers of v1beta1 keep what those of v1 cannot write.
    kept, dropped = copy.deepcopy(obj), copy.deepcopy(hub)
    for written in (kept, dropped):
        kind.strategy.prepare_create(written, clock=SystemClock(), entropy=SystemEntropy())
    assert kept == obj
    assert not any("deprecatedTopology" in endpoint for endpoint in dropped["endpoints"])


def test_every_schema_of_a_removed_version_knows_its_kind():
    for kind in ALL.values():
        for version in kind.versions:
            schema = component(version.component)
            assert schema["x-kubernetes-group-version-kind"] == [
                {"group": kind.group, "kind": kind.names.kind, "version": version.name}
            ]
            if "list" in kind.verbs:
                assert component(f"{version.component}List") is not None
