"""Stages: what --runtime-config switches on and off, what it refuses, and what is said of deprecated versions."""

from __future__ import annotations

import pytest

from conversion.gvk import version_priority
from tests.builtin import KINDS
from watchd.api import version as release
from watchd.config import ConfigError
from watchd.registry.builtin import deprecations
from watchd.registry.builtin.deprecations import deprecation
from watchd.registry.builtin.stages import decide
from watchd.registry.builtin.table import load

KNOWN = [("", "v1"), ("apps", "v1"), ("apps", "v1beta2"), ("apps", "v1beta1"), ("batch", "v1"), ("batch", "v2alpha1")]


def served(**runtime):
    """Return the group versions whose `things` are served; keys are written with dashes for slashes."""
    decided = decide({key.replace("__", "/"): value for key, value in runtime.items()}, KNOWN)
    return [f"{group}/{version}".lstrip("/") for group, version in KNOWN if decided(group, version, "things")]


STABLE = ["v1", "apps/v1", "batch/v1"]


@pytest.mark.parametrize(
    ("runtime", "expected"),
    [
        ({}, STABLE),
        ({"batch__v2alpha1": "true"}, [*STABLE, "batch/v2alpha1"]),
        ({"batch__v2alpha1": ""}, [*STABLE, "batch/v2alpha1"]),
        ({"api__alpha": "true"}, [*STABLE, "batch/v2alpha1"]),
        ({"api__beta": "true"}, ["v1", "apps/v1", "apps/v1beta2", "apps/v1beta1", "batch/v1"]),
        ({"api__all": "true"}, ["v1", "apps/v1", "apps/v1beta2", "apps/v1beta1", "batch/v1", "batch/v2alpha1"]),
        ({"api__all": "true", "api__beta": "false"}, [*STABLE, "batch/v2alpha1"]),
        # Stages go over the one for all, whichever is given first, and versions over stages.
        ({"api__ga": "true", "api__all": "false"}, STABLE),
        ({"api__ga": "false", "apps__v1": "true"}, ["apps/v1"]),
        ({"api__all": "false", "apps__v1beta1": "T"}, ["apps/v1beta1"]),
        ({"apps__v1": "0"}, ["v1", "batch/v1"]),
        ({"__v1": "false"}, ["apps/v1", "batch/v1"]),
        ({"apps__v1__things": "false"}, ["v1", "batch/v1"]),
        ({"apps__v1": "false", "apps__v1__things": "true"}, STABLE),
        ({"apps__v1beta1__others": "true"}, STABLE),
    ],
)
def test_what_is_served(runtime, expected):
    assert sorted(served(**runtime)) == sorted(expected)


@pytest.mark.parametrize(
    ("runtime", "message"),
    [
        ({"api/all": "false"}, "invalid runtime-config with only api/all=false"),
        ({"api/all": ""}, "invalid value api/all="),
        ({"api/beta": "yes"}, "invalid value api/beta=yes"),
        ({"v1": "true"}, "runtime-config invalid key v1"),
        ({"a/b/c/d": "true"}, "runtime-config invalid key a/b/c/d"),
        ({"b.io/v1": "true", "a.io/v2/x": "", "apps/v1": ""}, "unknown api groups a.io/v2,b.io/v1"),
        ({"apps/v3": "true"}, "group version apps/v3 that has not been registered"),
        ({"/v2": "true"}, "group version v2 that has not been registered"),
        ({"apps/v1": "maybe"}, 'invalid value of apps/v1: maybe, err: strconv.ParseBool: parsing "maybe": invalid syntax'),
        (
            {"apps/v1/Deployments": "true"},
            'invalid key apps/v1/Deployments: group/version/resource and resource is always lowercase plural, not "Deployments"',
        ),
    ],
)
def test_what_cannot_be_asked_for(runtime, message):
    with pytest.raises(ConfigError) as caught:
        decide(runtime, KNOWN)
    assert str(caught.value) == f"--runtime-config: {message}"


def installed(**runtime):
    return {(kind.group, kind.names.plural): kind for kind in load({key.replace("__", "/"): value for key, value in runtime.items()})}


def test_kinds_of_which_no_version_is_served_are_not_installed():
    default = installed()
    assert ("extensions", "deployments") not in default
    assert ("batch", "scheduledjobs") not in default
    assert ("internal.apiserver.k8s.io", "storageversions") not in default
    assert ("extensions", "deployments") in installed(extensions__v1beta1="true")
    assert ("extensions", "ingresses") not in installed(extensions__v1beta1__deployments="true")
    # Those with a stable version stay: objects of theirs may be stored, and owners are looked up among them.
    off = installed(apps__v1="false")["apps", "deployments"]
    assert not any(version.served for version in off.versions)


def test_every_version_can_be_read_whether_it_is_served_or_not():
    kind = installed()["apps", "deployments"]
    assert [(version.name, version.served) for version in kind.versions] == [("v1", True), ("v1beta2", False), ("v1beta1", False)]
    stored = {"apiVersion": "apps/v1beta1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": {"rollbackTo": {}}}
    assert kind.to_hub(stored, "v1beta1")["apiVersion"] == "apps/v1"


def test_groups_and_versions_come_in_the_order_of_the_reference():
    kinds = list(installed(api__all="true").values())
    groups = list(dict.fromkeys(kind.group for kind in kinds))
    assert [group for group in groups if group in {kind.group for kind in KINDS}] == list(dict.fromkeys(kind.group for kind in KINDS))
    assert groups.index("extensions") == groups.index("networking.k8s.io") + 1
    for kind in kinds:
        names = [version.name for version in kind.versions]
        assert names == sorted(names, key=version_priority)
    assert [version.name for version in installed(api__all="true")["batch", "cronjobs"].versions] == ["v1", "v1beta1", "v2alpha1"]


def test_kinds_that_are_one_object_are_stored_once():
    kinds = installed(api__all="true")
    for (group, plural), home in {
        ("batch", "scheduledjobs"): ("batch", "cronjobs"),
        ("extensions", "deployments"): ("apps", "deployments"),
        ("extensions", "daemonsets"): ("apps", "daemonsets"),
        ("extensions", "replicasets"): ("apps", "replicasets"),
        ("extensions", "ingresses"): ("networking.k8s.io", "ingresses"),
        ("extensions", "networkpolicies"): ("networking.k8s.io", "networkpolicies"),
    }.items():
        one, other = kinds[group, plural], kinds[home]
        assert one.storage_name == other.storage_name
        # What one has stored the other trusts as it is.
        assert one.epoch == other.epoch
        order = list(kinds)
        assert order.index(home) < order.index((group, plural))


@pytest.mark.parametrize(
    ("group_version", "kind", "warning", "removed"),
    [
        ("apps/v1beta1", "Deployment", "apps/v1beta1 Deployment is deprecated in v1.8+, unavailable in v1.16+; use apps/v1 Deployment", "1.16"),
        ("v1", "ComponentStatus", "v1 ComponentStatus is deprecated in v1.19+", ""),
        ("v1", "Endpoints", "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice", ""),
        (
            "batch/v2alpha1",
            "ScheduledJob",
            "batch/v2alpha1 ScheduledJob is deprecated in v1.5+, unavailable in v1.8+; use batch/v1 CronJob",
            "1.8",
        ),
    ],
)
def test_what_is_said_of_deprecated_versions(group_version, kind, warning, removed):
    told = deprecation(group_version, kind)
    assert told is not None
    assert (told.warning, told.removed_release) == (warning, removed)


def test_nothing_is_said_of_what_is_not_deprecated_yet(monkeypatch):
    assert deprecation("apps/v1", "Deployment") is None
    monkeypatch.setattr(deprecations, "RELEASE", (1, 32))
    assert deprecation("v1", "Endpoints") is None
    assert deprecation("v1", "ComponentStatus") is not None


def test_the_release_is_the_one_that_is_served():
    assert (int(release.MAJOR), int(release.MINOR)) == deprecations.RELEASE
