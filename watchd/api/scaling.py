"""The scale subresource of custom kinds: an autoscaling/v1 Scale made of three values of an object (FEATURES row 94)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from watchd.api.decoding import copy_of
from watchd.registry.builtin.common.selectors import empty, text
from watchd.registry.columns import CREATED_DESCRIPTION, NAME, Column, age_cell
from watchd.registry.kind import Kind, Names, Scale, Version
from watchd.registry.managed.errors import ManagedError
from watchd.registry.managed.fieldpath import Path, field
from watchd.registry.managed.scale import SCALE_VERSION, ScaleFields
from watchd.registry.managed.tracking import set_managed
from watchd.registry.metadata import OBJECT_META
from watchd.registry.registry import Endpoint
from watchd.status import Cause, FieldError, FieldProblem, Reason, StatusError, bad_request, internal, invalid

Object = dict[str, Any]

UNSET = -(1 << 31)
"""Stands for replicas that an object does not have, while its Scale is changed: the smallest int32, as in the reference."""

_INT32 = {"type": "integer", "format": "int32"}

KIND = Kind(
    group="autoscaling",
    names=Names("scales", "Scale"),
    versions=(
        Version(
            "v1",
            own_schema={
                "title": "Scale",
                "type": "object",
                "properties": {
                    "apiVersion": {"type": "string"},
                    "kind": {"type": "string"},
                    "metadata": OBJECT_META,
                    "spec": {
                        "title": "ScaleSpec",
                        "type": "object",
                        "properties": {"replicas": {**_INT32, "x-go-omitempty": True}},
                        "x-go-zero": {},
                    },
                    "status": {
                        "title": "ScaleStatus",
                        "type": "object",
                        "properties": {
                            "replicas": {**_INT32, "x-go-zero": 0},
                            "selector": {"type": "string", "x-go-omitempty": True},
                        },
                        "x-go-zero": {},
                    },
                },
            },
        ),
    ),
    hub="v1",
    own_columns=(
        NAME,
        Column("Desired", lambda obj, _: obj["spec"].get("replicas"), "integer", description="Number of desired replicas"),
        Column("Available", lambda obj, _: obj["status"]["replicas"], "integer", description="Number of actual replicas"),
        Column("Age", age_cell, "date", description=CREATED_DESCRIPTION),
    ),
)
"""Scale, for decoding and showing it: none is ever stored."""

SHOWN = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
"""What a Scale has of its object's metadata."""


def endpoint_of(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint at which the Scales of a kind are read and shown."""
    return Endpoint(KIND, KIND.versions[0], endpoint.id)


def scale_of(endpoint: Endpoint, obj: Object) -> Object:
    """Return an object's Scale, to be answered. Raises StatusError 500 where there are no replicas to scale."""
    scale, found = _scale_of(_paths(endpoint), obj)
    if not found:
        why = f'the spec replicas field "{_paths(endpoint).spec_replicas}" does not exist'
        raise StatusError(Reason.INTERNAL_ERROR, f"Internal error occurred: {why}", causes=[Cause(reason="", message=why)])
    return scale


def after_write(endpoint: Endpoint, obj: Object) -> Object:
    """Return the Scale of an object that has just been written."""
    return _scale_of(_paths(endpoint), obj)[0]


def changed(endpoint: Endpoint, current: Object, change: Callable[[Object], Object]) -> Object:
    """Return an object with its Scale changed, its managedFields too.

    `change` takes the Scale, and returns the wanted one, both with managedFields as a Scale shows them.
    Raises StatusError: what `change` raises, 400 for a Scale that is left without replicas, 500 for unreadable managedFields.
    """
    paths = _paths(endpoint)
    scale, found = _scale_of(paths, current)
    if not found:
        scale["spec"]["replicas"] = UNSET
    kinds = (endpoint.kind, *endpoint.kind.siblings)
    replicas_paths = {kind.api_version(version.name): _replicas_path(version.scale) for kind in kinds for version in kind.versions}
    fields = ScaleFields(
        current["metadata"].get("managedFields"), endpoint.kind.api_version(endpoint.version.name), replicas_paths
    )
    try:
        set_managed(scale, fields.to_scale())
        wanted = change(scale)
        entries = fields.to_parent(wanted["metadata"].get("managedFields"))
    except ManagedError as e:
        raise e.to_status() from e
    replicas = wanted["spec"].get("replicas", 0)
    if replicas == UNSET:
        raise bad_request(f'the spec replicas field "{paths.spec_replicas}" cannot be empty')
    if paths.labels and replicas < 0:
        # Built-in kinds hold the Scale itself against its rules.
        problem = FieldError(FieldProblem.INVALID, "spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid(KIND.group, KIND.names.kind, current["metadata"].get("name", ""), [problem])
    obj = copy_of(current)
    _set(obj, paths.spec_replicas, replicas)
    if wanted["metadata"].get("resourceVersion"):
        obj["metadata"]["resourceVersion"] = wanted["metadata"]["resourceVersion"]
    set_managed(obj, entries)
    return obj


def tracked(scale: Object, wanted: Object, *, manager: str, time: str) -> Object:
    """Return a wanted Scale with its managedFields as they are after an update or a patch."""
    out = {**wanted, "metadata": dict(wanted["metadata"])}
    entries = KIND.managers.update(
        scale, wanted, manager=manager, api_version=SCALE_VERSION, time=time, subresource="scale"
    )
    set_managed(out, entries)
    return out


def _paths(endpoint: Endpoint) -> Scale:
    scale = endpoint.version.scale
    assert scale is not None, "asked of versions with a scale only"  # noqa: S101  # an invariant of the verbs
    return scale


def _scale_of(paths: Scale, obj: Object) -> tuple[Object, bool]:
    """Return an object's Scale, and whether it has replicas. Raises StatusError 500 for values of other types."""
    replicas = _at(obj, paths.spec_replicas, int)
    ready = _at(obj, paths.status_replicas, int)
    selector = _selector_of(paths, obj)
    spec = {"replicas": _int32(replicas)} if replicas else {}
    status: Object = {"replicas": _int32(ready or 0)}
    if selector:
        status["selector"] = selector
    meta = obj["metadata"]
    shown = {name: meta[name] for name in SHOWN if name in meta}
    return {"kind": "Scale", "apiVersion": SCALE_VERSION, "metadata": shown, "spec": spec, "status": status}, replicas is not None


def _selector_of(paths: Scale, obj: Object) -> str | None:
    if not paths.label_selector:
        return None
    if not paths.labels:
        found: str | None = _at(obj, paths.label_selector, str)
        return found
    selector = _at(obj, paths.label_selector, dict) or {}
    if not selector.keys() <= {"matchLabels", "matchExpressions"}:
        selector = {"matchLabels": selector}
    return "" if empty(selector) else text(selector)


def _int32(value: int) -> int:
    """Cut a number to 32 bits, as Go's conversion does."""
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def _steps(path: str) -> list[str]:
    return path.removeprefix(".").split(".")


def _replicas_path(scale: Scale | None) -> Path | None:
    return None if scale is None else tuple(field(step) for step in _steps(scale.spec_replicas))


_GO_TYPES = {int: "int64", str: "string", dict: "map[string]interface{}"}


def _at(obj: Object, path: str, kind: type) -> Any:
    value: Any = obj
    steps = _steps(path)
    for index, step in enumerate(steps):
        if not isinstance(value, dict):
            if value is None:
                return None
            raise internal(f".{'.'.join(steps[:index])} accessor error: {value} is of another type, expected map[string]interface{{}}")
        value = value.get(step)
    if value is not None and type(value) is not kind:
        raise internal(f".{'.'.join(steps)} accessor error: {value} is of another type, expected {_GO_TYPES[kind]}")
    return value


def _set(obj: Object, path: str, value: int) -> None:
    *parents, last = _steps(path)
    for step in parents:
        below = obj.get(step)
        if not isinstance(below, dict):
            below = obj[step] = {}
        obj = below
    obj[last] = value
