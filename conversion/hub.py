"""Hub and spokes: a kind is stored at one version, and every other one reaches it through a pair of functions."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from conversion.codec import Object
from conversion.errors import ConversionFailed, UnknownKind
from conversion.gvk import GroupVersionKind

Conversion = Callable[[Object], Object]
"""A pure function from an object at one version to the object at another. May share parts of its input, never changes it.

It need not set apiVersion and kind, and may not change name, namespace or uid.
"""

_IDENTITY = ("name", "namespace", "uid")


class Spoke(msgspec.Struct, frozen=True):
    """How one version reaches the hub and comes back; without functions only apiVersion and kind differ."""

    to_hub: Conversion | None = None
    from_hub: Conversion | None = None


class Hub(msgspec.Struct, frozen=True):
    """The versions of one kind in one group, and the form that is stored."""

    group: str
    kind: str
    stored: GroupVersionKind
    """The hub: usually a version of this very kind; of another one where two groups share their objects (Events)."""
    spokes: Mapping[str, Spoke] = msgspec.field(default_factory=dict)
    """The other versions by name."""

    @property
    def versions(self) -> tuple[str, ...]:
        """Names of all versions, the hub's first where it is one of them."""
        own = (self.stored.version,) if self._stores_itself else ()
        return (*own, *(name for name in self.spokes if name not in own))

    def gvk(self, version: str) -> GroupVersionKind:
        """Name one version."""
        return GroupVersionKind(self.group, version, self.kind)

    def to_hub(self, obj: Object, version: str) -> Object:
        """Convert an object at a version to the hub. Raises UnknownKind, ConversionFailed."""
        gvk = self.gvk(version)
        if gvk == self.stored:
            return obj
        return _converted(obj, self._spoke(version).to_hub, gvk, self.stored)

    def from_hub(self, obj: Object, version: str) -> Object:
        """Convert an object from the hub to a version. Raises UnknownKind, ConversionFailed."""
        gvk = self.gvk(version)
        if gvk == self.stored:
            return obj
        return _converted(obj, self._spoke(version).from_hub, self.stored, gvk)

    @property
    def _stores_itself(self) -> bool:
        return (self.stored.group, self.stored.kind) == (self.group, self.kind)

    def _spoke(self, version: str) -> Spoke:
        try:
            return self.spokes[version]
        except KeyError as e:
            raise UnknownKind(self.gvk(version)) from e


def check_round_trip(hub: Hub, obj: Object, version: str) -> tuple[str, ...]:
    """Convert an object to the hub and back, or from the hub to a version and back, and return the paths that differ.

    Which way is told by the object's apiVersion: the hub's goes out to `version` and back. Raises ConversionFailed for
    a function that fails or changes its input.
    """
    at_hub = (obj.get("apiVersion"), obj.get("kind")) == (str(hub.stored.group_version), hub.stored.kind)
    steps = (hub.from_hub, hub.to_hub) if at_hub else (hub.to_hub, hub.from_hub)
    ends = (hub.stored, hub.gvk(version)) if at_hub else (hub.gvk(version), hub.stored)
    found = obj
    for step, (source, target) in zip(steps, (ends, ends[::-1]), strict=True):
        before = copy.deepcopy(found)
        after = step(found, version)
        if found != before:
            raise ConversionFailed(source, target, "the function changed its input")
        found = after
    return tuple(_differences(obj, found, ""))


def _converted(obj: Object, function: Conversion | None, source: GroupVersionKind, target: GroupVersionKind) -> Object:
    if function is None:
        found = obj
    else:
        try:
            found = function(obj)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as e:
            # What a function trips over in an object that its schema lets pass; a wrong program may still fall through.
            raise ConversionFailed(source, target, f"{type(e).__name__}: {e}") from e
        _check_identity(obj, found, source, target)
    return {**found, "apiVersion": str(target.group_version), "kind": target.kind}


def _check_identity(before: Object, after: Object, source: GroupVersionKind, target: GroupVersionKind) -> None:
    if not isinstance(after, dict):
        raise ConversionFailed(source, target, f"the function returned {type(after).__name__}, not an object")
    old, new = before.get("metadata") or {}, after.get("metadata") or {}
    for field in _IDENTITY:
        if old.get(field) != new.get(field):
            raise ConversionFailed(source, target, f"metadata.{field} may not change")


def _differences(a: Any, b: Any, path: str) -> Iterator[str]:
    if isinstance(a, dict) and isinstance(b, dict):
        for key in {**a, **b}:
            here = f"{path}.{key}" if path else key
            if key in a and key in b:
                yield from _differences(a[key], b[key], here)
            else:
                yield here
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _differences(x, y, f"{path}[{i}]")
    elif type(a) is not type(b) or a != b:
        yield path
