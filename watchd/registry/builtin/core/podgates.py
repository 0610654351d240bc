"""Fields of pod specs that the reference drops unless a feature gate is on, and does not have on from the start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Object = dict[str, Any]

_KINDS = ("initContainers", "containers", "ephemeralContainers")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HOOKS = ("postStart", "preStop")
_FILES = ("secret", "configMap", "downwardAPI", "projected")


INIT_ANNOTATIONS = tuple(f"pod.{stage}.kubernetes.io/init-container{what}" for stage in ("alpha", "beta") for what in ("s", "-statuses"))
"""Annotations that were there before the fields were; they are dropped."""


def drop_init_annotations(meta: Object) -> None:
    """Drop annotations that have become fields, in place."""
    annotations = meta.get("annotations") or {}
    for key in INIT_ANNOTATIONS:
        annotations.pop(key, None)
    if not annotations:
        meta.pop("annotations", None)


def drop_of_template(template: Object | None, old: Object | None = None) -> None:
    """Drop what is gated of a PodTemplateSpec, in place; none is fine. `old` is the one before."""
    if template is None:
        return
    drop_init_annotations(template.get("metadata") or {})
    drop_disabled(template.get("spec") or {}, None if old is None else old.get("spec") or {})


def drop_disabled(spec: Object, old: Object | None = None) -> None:
    """Drop what is gated, in place. What the old spec has of it somewhere is kept everywhere, as in the reference."""
    if old is None or not any("stopSignal" in one for one in _lifecycles(old)):
        _drop_signals(spec)
    for field, holders in _GATED:
        if old is not None and any(field in holder for holder in holders(old)):
            continue
        for holder in holders(spec):
            holder.pop(field, None)


def _drop_signals(spec: Object) -> None:
    """Drop signals, and lifecycles that are nothing without."""
    for container in _containers(spec):
        lifecycle = container.get("lifecycle") or {}
        if lifecycle.pop("stopSignal", None) is not None and not lifecycle:
            del container["lifecycle"]


def _spec(spec: Object) -> Iterator[Object]:
    yield spec


def _containers(spec: Object) -> Iterator[Object]:
    for kind in _KINDS:
        yield from spec.get(kind) or ()


def _mounts(spec: Object) -> Iterator[Object]:
    for container in _containers(spec):
        yield from container.get("volumeMounts") or ()


def _lifecycles(spec: Object) -> Iterator[Object]:
    for container in _containers(spec):
        if container.get("lifecycle"):
            yield container["lifecycle"]


def _actions(kind: str) -> Callable[[Object], Iterator[Object]]:
    def found(spec: Object) -> Iterator[Object]:
        for container in _containers(spec):
            holders = [container.get(field) for field in _PROBES] + [(container.get("lifecycle") or {}).get(field) for field in _HOOKS]
            yield from (holder[kind] for holder in holders if holder and holder.get(kind))

    return found


def _empty_dirs(spec: Object) -> Iterator[Object]:
    for volume in spec.get("volumes") or ():
        if volume.get("emptyDir"):
            yield volume["emptyDir"]


def _file_volumes(spec: Object) -> Iterator[Object]:
    for volume in spec.get("volumes") or ():
        yield from (volume[kind] for kind in _FILES if volume.get(kind))


def _files(spec: Object) -> Iterator[Object]:
    for source in _file_volumes(spec):
        yield from source.get("items") or ()
        for part in source.get("sources") or ():
            for one in part.values():
                if isinstance(one, dict):
                    yield one
                    yield from one.get("items") or ()


_GATED: tuple[tuple[str, Callable[[Object], Iterator[Object]]], ...] = (
    ("schedulingGroup", _spec),
    ("evictionResponders", _spec),
    ("bindMountOptions", _mounts),
    ("protocol", _actions("httpGet")),
    ("mode", _actions("grpc")),
    ("mode", _empty_dirs),
    ("defaultUser", _file_volumes),
    ("user", _files),
)
