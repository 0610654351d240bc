"""The FieldManager of a kind, and managedFields of the objects that the Store writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conversion.errors import ConversionError
from watchd.registry.managed.entries import Entry, keep_times
from watchd.registry.managed.errors import TypeProblem, UnknownVersion
from watchd.registry.managed.fieldset import FieldSet, paths
from watchd.registry.managed.manager import FieldManager
from watchd.registry.managed.typed import Object, Typing, typing_of_schema, typing_of_whole
from watchd.registry.managed.updater import ResetFields

if TYPE_CHECKING:
    from watchd.registry.kind import Kind, Version

STATUS = "status"

_STATUS = paths("status")
_ALL_BUT_STATUS = paths("metadata", "spec")
"""What custom kinds do not take through status; of built-in kinds the strategy says it."""


def field_manager(kind: Kind) -> FieldManager:
    """Return what tracks the objects of a kind. Types are made of a version's schema when they are asked for first."""
    made: dict[str, Typing] = {}

    def place_of(api_version: str) -> tuple[Kind, Version]:
        for owner in (kind, *kind.siblings):
            for version in owner.versions:
                if owner.api_version(version.name) == api_version:
                    return owner, version
        raise UnknownVersion(api_version)

    def typing_of(api_version: str) -> Typing:
        found = made.get(api_version)
        if found is None:
            schema = place_of(api_version)[1].schema
            found = made[api_version] = typing_of_schema(schema) if kind.custom else typing_of_whole(schema or {})
        return found

    def convert(obj: Object, api_version: str) -> Object:
        (owner, source), (other, target) = place_of(obj["apiVersion"]), place_of(api_version)
        try:
            return owner.reworded(obj, source.name, target.name, other)
        except ConversionError as e:
            raise TypeProblem(f"failed to convert new object: {e}") from e

    return FieldManager(kind.names.kind, typing_of, convert)


def reset_fields(kind: Kind, version: Version, subresource: str) -> ResetFields:
    """Return the fields that a write through a subresource (or past one) puts back, so that nobody comes to own them."""
    own = None if kind.custom else kind.strategy.resets.get(subresource)
    if own is not None:
        return {kind.api_version(version.name): paths(*own)}
    if not version.status or subresource not in ("", STATUS):
        return {}
    whole: FieldSet = _ALL_BUT_STATUS if kind.custom else paths(*kind.strategy.status_keeps)
    fields = whole if subresource else _STATUS
    return {kind.api_version(version.name): fields}


def set_managed(obj: Object, entries: list[Entry]) -> None:
    """Write managedFields into an object, in place; none at all for an empty list."""
    if entries:
        obj["metadata"]["managedFields"] = entries
    else:
        obj["metadata"].pop("managedFields", None)


def settle_times(new: Object, old: Object) -> None:
    """Give a write that changes nothing but times of managedFields the old ones, in place: it is none then.

    The caller has found all but managedFields the same.
    """
    managed, before = new["metadata"].get("managedFields"), old["metadata"].get("managedFields")
    if managed and before:
        new["metadata"]["managedFields"] = keep_times(managed, before)
