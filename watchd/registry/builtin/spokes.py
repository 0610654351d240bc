"""Spokes: the versions of built-in kinds whose objects differ from those of the hub, and what tells how.

A version that is not in SHAPES says the same as its hub under another apiVersion. The functions stand in the packages of the groups
(`<group>/conversion.py`) and are imported when the first object needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

import msgspec
import orjson

from conversion.hub import Conversion, Spoke
from watchd.registry.schemas import whole
from watchd.schema.typed import prune_and_check

Object = dict[str, Any]


class Shape(msgspec.Struct, frozen=True):
    """How objects of one version differ from those of the hub."""

    to_hub: Conversion | None = None
    """Pure, as `conversion.hub` has it: need not set apiVersion and kind, and may share parts of its input."""
    from_hub: Conversion | None = None
    default: Callable[[Object], None] | None = None
    """Sets, in place, what this version sets otherwise than the hub, whose defaults fill in the rest."""
    mutable: frozenset[str] = frozenset()
    """Fields that writers at this version may change though the hub's may not."""
    restore: Callable[[Object, Object], None] | None = None
    """Puts back, in place, what the hub's rules take from writers, but not from those at this version: told of the object at the hub
    as it has been prepared, and as it was asked for."""


SHAPES: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("apps", "deployments"): {"v1beta1": "apps.conversion:DEPLOYMENT"},
    ("apps", "statefulsets"): {"v1beta1": "apps.conversion:STATEFUL_SET"},
    ("extensions", "daemonsets"): {"v1beta1": "apps.conversion:EXTENSIONS_DAEMON_SET"},
    ("extensions", "deployments"): {"v1beta1": "apps.conversion:EXTENSIONS_DEPLOYMENT"},
    ("extensions", "replicasets"): {"v1beta1": "apps.conversion:EXTENSIONS_REPLICA_SET"},
    ("networking.k8s.io", "ingresses"): {"v1beta1": "networking.conversion:INGRESS"},
    ("extensions", "ingresses"): {"v1beta1": "networking.conversion:INGRESS"},
    ("policy", "poddisruptionbudgets"): {"v1beta1": "policy.conversion:BUDGET"},
    ("discovery.k8s.io", "endpointslices"): {"v1beta1": "discovery.conversion:SLICE"},
}
"""By group and plural, for each version that differs: the module and the Shape in it."""

CONVERTED = frozenset(
    {"apps.conversion:DEPLOYMENT", "apps.conversion:EXTENSIONS_DAEMON_SET", "apps.conversion:EXTENSIONS_DEPLOYMENT"}
    | {"networking.conversion:INGRESS", "policy.conversion:BUDGET", "discovery.conversion:SLICE"}
)
"""Those with functions; the others differ in their defaults, so that stored bytes are sent as they are."""


@cache
def shape(reference: str) -> Shape:
    """Return a Shape by its module and name."""
    module, _, name = reference.partition(":")
    found: Shape = getattr(import_module(f"watchd.registry.builtin.{module}"), name)
    return found


def spoke(reference: str, component: str, hub_component: str) -> Spoke:
    """Return the functions of a version, whose results are as Go writes the types of the schemas that are named."""

    def to_hub(obj: Object) -> Object:
        function = shape(reference).to_hub
        return obj if function is None else _fitted(function(obj), hub_component)

    def from_hub(obj: Object) -> Object:
        function = shape(reference).from_hub
        return obj if function is None else _fitted(function(obj), component)

    return Spoke(to_hub, from_hub)


def _fitted(obj: Object, component: str) -> Object:
    """Return a copy of an object with the zero values of its type, and nothing that the type does not know."""
    copied: Object = orjson.loads(orjson.dumps(obj))
    prune_and_check(copied, whole(component))
    return copied
