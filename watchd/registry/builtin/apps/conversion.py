"""Workloads at apps/v1beta1 and extensions/v1beta1: what those versions have as fields, and what they set otherwise.

Both take labels and selector from the template, and let the selector be changed later. Deployments say there in `spec.rollbackTo` that
they are to be rolled back, and DaemonSets of extensions count the generations of their template in a field: apps/v1 has annotations
for the two. (Facts: kube-apiserver's `pkg/apis/apps/v1beta1` and `pkg/apis/extensions/v1beta1`.)
"""

from __future__ import annotations

import re
from typing import Any

from watchd.registry.builtin.apps.daemonset import ON_DELETE, ROLLING, TEMPLATE_GENERATION
from watchd.registry.builtin.spokes import Shape

Object = dict[str, Any]

ROLLBACK_TO = "deprecated.deployment.rollback.to"

SELECTOR = frozenset({"spec.selector"})
"""What these versions let writers change."""

UNLIMITED = 2**31 - 1
"""The largest int32: what extensions/v1beta1 keeps and waits for has no limit."""

HISTORY = 2
"""Old ReplicaSets that apps/v1beta1 keeps."""


_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
"""What an annotation may hold: less than the 19 digits of the largest int64."""


def _number(text: str | None) -> int | None:
    """Return the number that an annotation holds, or None for what is none: one such object must not spoil a list."""
    return int(text) if text is not None and _INTEGER.fullmatch(text) else None


def _with_annotations(obj: Object, annotations: Object, spec: Object) -> Object:
    meta = {name: value for name, value in obj["metadata"].items() if name != "annotations"}
    if annotations:
        meta["annotations"] = annotations
    return {**obj, "metadata": meta, "spec": spec}


def _parted(obj: Object, annotation: str, field: str) -> tuple[Object, Any, Object, Any]:
    """Return an object's annotations without one of them, that one, its spec without a field, and the field."""
    annotations, spec = dict(obj["metadata"].get("annotations") or {}), dict(obj.get("spec") or {})
    noted, value = annotations.pop(annotation, None), spec.pop(field, None)
    return annotations, noted, spec, value


def rollback_to_annotation(obj: Object) -> Object:
    """Convert a Deployment to apps/v1."""
    annotations, noted, spec, rollback = _parted(obj, ROLLBACK_TO, "rollbackTo")
    if rollback is not None:
        annotations[ROLLBACK_TO] = str(rollback.get("revision", 0))
    elif noted is not None and _number(noted) is None:
        annotations[ROLLBACK_TO] = noted
    return _with_annotations(obj, annotations, spec)


def rollback_from_annotation(obj: Object) -> Object:
    """Convert a Deployment of apps/v1. An annotation that is no number says nothing, and stays."""
    annotations, noted, spec, _ = _parted(obj, ROLLBACK_TO, "rollbackTo")
    revision = _number(noted)
    if revision is not None:
        spec["rollbackTo"] = {"revision": revision}
    elif noted is not None:
        annotations[ROLLBACK_TO] = noted
    return _with_annotations(obj, annotations, spec)


def generation_to_annotation(obj: Object) -> Object:
    """Convert a DaemonSet to apps/v1."""
    annotations, noted, spec, number = _parted(obj, TEMPLATE_GENERATION, "templateGeneration")
    unreadable = not number and noted is not None and _number(noted) is None
    annotations[TEMPLATE_GENERATION] = noted if unreadable else str(number or 0)
    return _with_annotations(obj, annotations, spec)


def generation_from_annotation(obj: Object) -> Object:
    """Convert a DaemonSet of apps/v1. An annotation that is no number says nothing, and stays."""
    annotations, noted, spec, _ = _parted(obj, TEMPLATE_GENERATION, "templateGeneration")
    number = _number(noted)
    if number is not None:
        spec["templateGeneration"] = number
    elif noted is not None:
        annotations[TEMPLATE_GENERATION] = noted
    return _with_annotations(obj, annotations, spec)


def _default_labels(obj: Object) -> None:
    """Take labels and selector from the template, in place."""
    spec, meta = obj["spec"], obj["metadata"]
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels is None:
        return
    if spec.get("selector") is None:
        spec["selector"] = {"matchLabels": dict(labels)}
    if not meta.get("labels"):
        meta["labels"] = dict(labels)


def _default_deployment(obj: Object) -> None:
    _default_labels(obj)
    obj["spec"].setdefault("revisionHistoryLimit", HISTORY)


def _default_extensions_deployment(obj: Object) -> None:
    _default_labels(obj)
    spec = obj["spec"]
    strategy = spec.setdefault("strategy", {})
    strategy.setdefault("type", ROLLING)
    if strategy["type"] == ROLLING or strategy.get("rollingUpdate") is not None:
        step = strategy.setdefault("rollingUpdate", {})
        step.setdefault("maxUnavailable", 1)
        step.setdefault("maxSurge", 1)
    spec.setdefault("progressDeadlineSeconds", UNLIMITED)
    spec.setdefault("revisionHistoryLimit", UNLIMITED)


def _default_on_delete(obj: Object) -> None:
    _default_labels(obj)
    obj["spec"].setdefault("updateStrategy", {}).setdefault("type", ON_DELETE)


DEPLOYMENT = Shape(rollback_to_annotation, rollback_from_annotation, _default_deployment, SELECTOR)
STATEFUL_SET = Shape(default=_default_on_delete)
EXTENSIONS_DEPLOYMENT = Shape(rollback_to_annotation, rollback_from_annotation, _default_extensions_deployment, SELECTOR)
EXTENSIONS_DAEMON_SET = Shape(generation_to_annotation, generation_from_annotation, _default_on_delete, SELECTOR)
EXTENSIONS_REPLICA_SET = Shape(default=_default_labels, mutable=SELECTOR)
