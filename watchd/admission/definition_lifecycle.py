"""DefinitionLifecycle: no custom object is created once its definition is going, so that the clean-up is the last word."""

from __future__ import annotations

from storage.types import Check
from watchd.registry.attributes import Attributes, Operation
from watchd.registry.lookups import Lookups
from watchd.registry.registry import Registry
from watchd.status import forbidden, not_found

DEFINITIONS_GROUP = "apiextensions.k8s.io"
DEFINITIONS = "customresourcedefinitions"

TERMINATING = "create not allowed while custom resource definition is terminating"
"""The reference's words."""


class DefinitionLifecycle:
    """Admission member. What it saw of the definition becomes a check of the append."""

    custom_kinds = True

    def __init__(self, lookups: Lookups, registry: Registry) -> None:
        self._lookups = lookups
        self._registry = registry

    async def mutate(self, attributes: Attributes) -> None:
        """Refuse a create of a kind that is going. Raises StatusError 403, 404."""
        kind = attributes.kind
        if not kind.custom or not kind.uid or attributes.operation is not Operation.CREATE:
            # What has no uid comes with the server, or with a package, and stays as long as it runs.
            return
        name = f"{kind.names.plural}.{kind.group}"
        key = self._registry.hub(DEFINITIONS_GROUP, DEFINITIONS).key("", name)
        seen = await self._lookups.find(key)
        if seen is None or seen.uid != kind.uid:
            # The request was let in under a definition that has gone; another one may stand in its place.
            raise not_found(kind.group, kind.names.plural, attributes.name)
        if seen.deleting:
            raise forbidden(kind.group, kind.names.plural, attributes.name, TERMINATING)
        attributes.checks.append(Check(key, seen.revision))

    async def validate(self, attributes: Attributes) -> None:
        """Let pass: everything is decided in `mutate`."""
