"""managedFields seen through the scale subresource: who owns the replicas of a Scale owns them in the object.

After apimachinery's util/managedfields/scalehandler.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from watchd.registry.managed.entries import Entry, Managers, Owned, decode, encode
from watchd.registry.managed.fieldpath import Path, field
from watchd.registry.managed.fieldset import FieldSet

SCALE_VERSION = "autoscaling/v1"
"""The apiVersion of every Scale."""

REPLICAS: Path = (field("spec"), field("replicas"))
"""Where a Scale holds its replicas."""

_REPLICAS_SET = FieldSet.of(REPLICAS)


class ScaleFields(msgspec.Struct, frozen=True):
    """Carries managedFields between an object and its Scale."""

    entries: Any
    """The object's managedFields; None for none."""
    api_version: str
    """The version at which the object is written."""
    replicas: Mapping[str, Path | None]
    """By version, where the object holds its replicas; None for a version without scale."""

    def to_scale(self) -> list[Entry]:
        """Return what a Scale says of the object's managers. Raises InvalidManagedFields."""
        out: Managers = {}
        for who, owned in decode(self.entries).items():
            path = self.replicas.get(owned.api_version)
            if path is not None and path in owned.fields:
                out[who] = Owned(_REPLICAS_SET, SCALE_VERSION, owned.applied, owned.time)
        return encode(out)

    def to_parent(self, scale_entries: Any) -> list[Entry]:
        """Return the object's managedFields after its Scale was written. Raises InvalidManagedFields.

        Who has lost the replicas of the Scale loses those of the object; who owns them in the Scale gets an entry for them
        alone. As in the reference that entry has a time only where the object had it before, and an updater's is always
        another one than its entry of the object, since its identity holds the version.
        """
        scale = decode(scale_entries)
        parent = decode(self.entries, reuse=True)
        out: Managers = {}
        for who, owned in parent.items():
            if owned.api_version not in self.replicas:
                continue
            path = self.replicas[owned.api_version]
            if path is None or path not in owned.fields or scale.pop(who, None) is not None:
                out[who] = owned
            elif left := owned.fields - FieldSet.of(path):
                out[who] = owned.owning(left)
        own = self.replicas.get(self.api_version)
        for who, owned in scale.items():
            if own is not None and REPLICAS in owned.fields:
                time = parent[who].time if who in parent else ""
                out[who] = Owned(FieldSet.of(own), self.api_version, owned.applied, time)
        return encode(out)
