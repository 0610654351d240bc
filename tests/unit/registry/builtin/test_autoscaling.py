"""HorizontalPodAutoscalers between autoscaling/v1 and v2: nothing that either can say is lost on the way."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builtin import builtin
from watchd.registry.builtin.autoscaling.conversion import OWN_ANNOTATIONS, from_v2, to_v2
from watchd.schema.typed import prune_and_check

HPA = builtin("autoscaling", "horizontalpodautoscalers")

names = st.text("abc-", min_size=1, max_size=4)
quantities = st.sampled_from(["1", "100m", "1k", "2Gi", "1500m"])
percents = st.integers(1, 200)


def described(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(fields)


selectors = described(matchLabels=st.dictionaries(names, names, min_size=1, max_size=2))
identifiers = st.one_of(described(name=names), described(name=names, selector=selectors))
references = described(kind=names, name=names, apiVersion=names)
averages = described(type=st.just("AverageValue"), averageValue=quantities)
values = described(type=st.just("Value"), value=quantities)
utilizations = described(type=st.just("Utilization"), averageUtilization=percents)
usages = st.one_of(averages, utilizations)


def metric(kind: str, field: str, source: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"type": st.just(kind), field: source})


metrics = st.one_of(
    metric("Pods", "pods", described(metric=identifiers, target=averages)),
    metric("Object", "object", described(describedObject=references, metric=identifiers, target=st.one_of(averages, values))),
    metric("External", "external", described(metric=identifiers, target=st.one_of(averages, values))),
    metric("Resource", "resource", described(name=st.just("memory"), target=usages)),
    metric("Resource", "resource", described(name=st.just("cpu"), target=averages)),
    metric("ContainerResource", "containerResource", described(name=st.just("cpu"), container=names, target=usages)),
)
cpu = metric("Resource", "resource", described(name=st.just("cpu"), target=utilizations))

measured = st.one_of(
    metric("Pods", "pods", described(metric=identifiers, current=described(averageValue=quantities))),
    metric("Object", "object", described(describedObject=references, metric=identifiers, current=described(value=quantities))),
    metric("External", "external", described(metric=identifiers, current=described(value=quantities, averageValue=quantities))),
    metric("Resource", "resource", described(name=names, current=described(averageValue=quantities, averageUtilization=percents))),
)

policies = described(type=st.sampled_from(["Pods", "Percent"]), value=percents, periodSeconds=percents)
rules = described(selectPolicy=st.just("Max"), policies=st.lists(policies, min_size=1, max_size=2), tolerance=quantities)
behaviors = described(scaleUp=rules, scaleDown=rules)
conditions = described(type=names, status=st.just("True"), lastTransitionTime=st.just("2020-01-01T00:00:00Z"), message=names)


@st.composite
def scalers(draw: st.DrawFn) -> dict[str, Any]:
    spec = {"scaleTargetRef": draw(references), "minReplicas": draw(percents), "maxReplicas": draw(percents)}
    spec["metrics"] = draw(st.lists(metrics, max_size=3)) + draw(st.lists(cpu, max_size=1))
    if draw(st.booleans()):
        spec["behavior"] = draw(behaviors)
    status = {
        "desiredReplicas": draw(percents),
        "currentReplicas": draw(percents),
        "currentMetrics": draw(st.lists(measured, min_size=1, max_size=3)),
        "conditions": draw(st.lists(conditions, min_size=1, max_size=2)),
    }
    annotations = draw(st.dictionaries(names, names, min_size=1, max_size=2))
    obj = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "a", "annotations": annotations},
        "spec": spec,
        "status": status,
    }
    prune_and_check(obj, HPA.version("v2").schema)
    HPA.strategy.default(obj)
    return obj


@given(scalers())
def test_what_is_stored_comes_back_from_v1(obj):
    before = copy.deepcopy(obj)
    one = HPA.from_hub(copy.deepcopy(obj), "v1")
    assert one["apiVersion"] == "autoscaling/v1"
    copied = copy.deepcopy(one)
    assert prune_and_check(copied, HPA.version("v1").schema) == []
    assert copied == one
    assert HPA.to_hub(one, "v1") == before
    assert from_v2(to_v2(one)) == one


@pytest.mark.parametrize("name", OWN_ANNOTATIONS)
@given(text=st.one_of(st.text(max_size=8), st.recursive(st.none() | st.integers() | names, st.lists).map(json.dumps)))
def test_text_that_is_none_of_its_annotation_says_nothing(name, text):
    obj = {"metadata": {"name": "a", "annotations": {name: text}}, "spec": {"maxReplicas": 1, "targetCPUUtilizationPercentage": 5}}
    hub = to_v2(obj)
    assert "annotations" not in hub["metadata"]
    assert [metric["type"] for metric in hub["spec"]["metrics"]][-1] == "Resource"


def test_conversion_leaves_its_input_alone():
    obj = {"metadata": {"annotations": {OWN_ANNOTATIONS[0]: "[]"}}, "spec": {"maxReplicas": 1}, "status": {"currentReplicas": 1}}
    before = copy.deepcopy(obj)
    from_v2(to_v2(obj))
    assert obj == before
