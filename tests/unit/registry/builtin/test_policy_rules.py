"""Defaults, rules and cells of kinds that say what others may have, beside what the recorded cases show."""

from __future__ import annotations

import pytest

from tests.builtin import builtin
from watchd.registry.columns import columns_of
from watchd.schema.typed import prune_and_check

QUOTA = builtin("", "resourcequotas")
LIMITS = builtin("", "limitranges")
CLAIM = builtin("resource.k8s.io", "resourceclaims")
LEVEL = builtin("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations")
MIGRATION = builtin("storagemigration.k8s.io", "storageversionmigrations")
SERVICE = builtin("apiregistration.k8s.io", "apiservices")


def made(kind, **fields):
    obj = {"apiVersion": kind.api_version(kind.hub), "kind": kind.names.kind, "metadata": {"name": "a"}, **fields}
    prune_and_check(obj, kind.versions[0].schema)
    kind.strategy.default(obj)
    return obj


def cells(kind, obj):
    return {column.name: column.cell(obj, 0) for column in columns_of(kind, kind.versions[0])}


def problems(kind, obj):
    return [str(error) for error in kind.strategy.validate(obj)]


def test_a_quota_shows_requests_and_limits_apart():
    hard, used = {"pods": "3", "limits.cpu": "2", "cpu": "1"}, {"pods": "1", "limits.cpu": "500m"}
    shown = cells(QUOTA, made(QUOTA, status={"hard": hard, "used": used}))
    assert (shown["Request"], shown["Limit"]) == ("cpu: 0/1, pods: 1/3", "limits.cpu: 500m/2")


def test_amounts_are_rounded_up_to_thousandths():
    limit = {"type": "Pod", "max": {"cpu": "1u"}}
    assert made(LIMITS, spec={"limits": [limit]})["spec"]["limits"][0]["max"] == {"cpu": "1m"}


def test_a_container_is_given_the_most_and_asks_for_what_it_is_given():
    limit = {"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "1", "memory": "1Gi"}, "default": {"memory": "2Gi"}}
    (found,) = made(LIMITS, spec={"limits": [limit]})["spec"]["limits"]
    assert found["default"] == {"cpu": "2", "memory": "2Gi"}
    assert found["defaultRequest"] == {"cpu": "2", "memory": "2Gi"}


@pytest.mark.parametrize(
    ("ratio", "told"),
    [
        ("4", []),
        ("5", ['spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "5": ratio 5 is greater than max/min = 4.000000']),
        ("500m", ['spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1']),
    ],
)
def test_a_ratio_is_held_against_the_bounds(ratio, told):
    limit = {"type": "Pod", "max": {"cpu": "2"}, "min": {"cpu": "500m"}, "maxLimitRequestRatio": {"cpu": ratio}}
    assert problems(LIMITS, made(LIMITS, spec={"limits": [limit]})) == told


@pytest.mark.parametrize(
    ("status", "deleted", "shown"),
    [
        ({}, False, "pending"),
        ({}, True, "deleted"),
        ({"allocation": {}}, False, "allocated"),
        ({"allocation": {}, "reservedFor": [{"name": "p"}]}, True, "deleted,allocated,reserved"),
    ],
)
def test_a_claim_shows_how_far_it_is(status, deleted, shown):
    obj = made(CLAIM, status=status)
    if deleted:
        obj["metadata"]["deletionTimestamp"] = "2020-01-01T00:00:00Z"
    assert cells(CLAIM, obj)["State"] == shown


def test_queues_are_dealt_with_the_bits_of_a_hash():
    def level(queues, hand):
        queuing = {"queues": queues, "handSize": hand}
        return made(LEVEL, spec={"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": queuing}}})

    assert problems(LEVEL, level(128, 8)) == []
    why = "required entropy bits of deckSize 512 and handSize 8 should not be greater than 60"
    assert problems(LEVEL, level(512, 8)) == [f"spec.limited.limitResponse.queuing.handSize: Invalid value: 8: {why}"]


def test_a_migration_shows_its_last_state_and_does_not_go_back():
    def at(*conditions):
        told = [
            {"type": kind, "status": status, "reason": "r", "lastTransitionTime": "2020-01-01T00:00:00Z"} for kind, status in conditions
        ]
        return made(MIGRATION, spec={"resource": {"group": "g", "resource": "r"}}, status={"conditions": told})

    ended = at(("Running", "False"), ("Succeeded", "True"))
    assert (cells(MIGRATION, ended)["Resource"], cells(MIGRATION, ended)["Status"]) == ("r.g", "Succeeded")
    assert cells(MIGRATION, at())["Status"] == "Unknown"
    found = MIGRATION.strategy.validate_update(at(("Running", "True")), ended, "status")
    assert [error.detail for error in found] == ["Success condition cannot be set to false once it is true"]
    assert MIGRATION.strategy.validate_update(ended, at(("Running", "True")), "status") == []


def test_an_api_service_shows_why_it_is_not_available():
    service = {"name": "s", "namespace": "n"}
    condition = {"type": "Available", "status": "False", "reason": "ServiceNotFound"}
    shown = cells(SERVICE, made(SERVICE, spec={"service": service}, status={"conditions": [condition]}))
    assert (shown["Service"], shown["Available"]) == ("n/s", "False (ServiceNotFound)")
    assert cells(SERVICE, made(SERVICE))["Available"] == "Unknown"
