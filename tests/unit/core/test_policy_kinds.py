"""Kinds that are about other kinds, over the wire: what is not enforced, what there is once, and one object at two versions."""

from __future__ import annotations

import pytest

from watchd.admission.pod_classes import PodClasses
from watchd.registry.attributes import Attributes, Operation
from watchd.registry.strategy import NOT_ENFORCED
from watchd.status import StatusError

RBAC = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
PRIORITIES = "/apis/scheduling.k8s.io/v1/priorityclasses"
SCALERS = "/apis/autoscaling/{}/namespaces/default/horizontalpodautoscalers"
WARNING = f'299 - "{NOT_ENFORCED}"'


def warnings(answer):
    return [value for name, value in answer.headers if name == "warning"]


def role(name, **fields):
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, **fields}


def priority(name, **fields):
    return {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 1, **fields}


async def test_who_creates_what_is_not_enforced_is_warned(core):
    answer = await core.call("POST", RBAC, role("a"))
    assert (answer.status, warnings(answer)) == (201, [WARNING])
    answer = await core.call("POST", RBAC, role("b"), "dryRun=All")
    assert warnings(answer) == [WARNING]
    answer = await core.call("PUT", f"{RBAC}/c", role("c"))
    assert (answer.status, warnings(answer)) == (201, [WARNING])


async def test_nobody_is_warned_of_updates_of_refusals_and_of_other_kinds(core):
    await core.call("POST", RBAC, role("a"))
    answer = await core.call("PUT", f"{RBAC}/a", role("a", rules=[]))
    assert (answer.status, warnings(answer)) == (200, [])
    answer = await core.call("POST", RBAC, role("b", rules=[{}]))
    assert (answer.status, warnings(answer)) == (422, [])
    answer = await core.call("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "a"}})
    assert (answer.status, warnings(answer)) == (201, [])


@pytest.fixture
def classes(core):
    """What the admission member of classes says to a write that it is asked of."""
    member = PodClasses(core.log, core.registry)
    endpoint = core.registry.hub("scheduling.k8s.io", "priorityclasses")

    async def ask(operation, obj):
        attributes = Attributes(
            operation=operation,
            kind=endpoint.kind,
            version=endpoint.version,
            namespace="",
            name=obj["metadata"]["name"],
            subresource="",
            object=obj,
            old=None,
            dry_run=False,
            user=None,
            warnings=[],
        )
        await member.validate(attributes)

    return ask


async def test_there_is_one_default_priority(core, classes):
    await classes(Operation.CREATE, priority("a", globalDefault=True))
    assert (await core.call("POST", PRIORITIES, priority("a", globalDefault=True))).status == 201
    why = 'priorityclasses.scheduling.k8s.io "b" is forbidden: PriorityClass a is already marked as default. Only one default can exist'
    for operation in (Operation.CREATE, Operation.UPDATE):
        with pytest.raises(StatusError) as refused:
            await classes(operation, priority("b", globalDefault=True))
        assert (refused.value.code, refused.value.message) == (403, why)
        await classes(operation, priority("b"))
    await classes(Operation.UPDATE, priority("a", globalDefault=True))


@pytest.mark.parametrize(("made", "read"), [("v1", "v2"), ("v2", "v1")])
async def test_a_scaler_is_made_at_one_version_and_changed_at_the_other(core, made, read):
    spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}, "maxReplicas": 3}
    obj = {"apiVersion": f"autoscaling/{made}", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"}, "spec": spec}
    assert (await core.call("POST", SCALERS.format(made), obj)).status == 201
    answer = await core.patch(f"{SCALERS.format(read)}/a", {"spec": {"minReplicas": 2}})
    assert (answer.status, answer.json["apiVersion"], answer.json["metadata"]["generation"]) == (200, f"autoscaling/{read}", 2)
    one = (await core.call("GET", f"{SCALERS.format('v1')}/a")).json["spec"]
    two = (await core.call("GET", f"{SCALERS.format('v2')}/a")).json["spec"]
    assert (one["minReplicas"], one["targetCPUUtilizationPercentage"]) == (2, 80)
    assert two["metrics"] == [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]
