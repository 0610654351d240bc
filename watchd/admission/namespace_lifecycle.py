"""NamespaceLifecycle: nothing is created in a namespace that is absent or going (FEATURES rows 15, 21)."""

from __future__ import annotations

from storage.types import Check
from watchd.registry.attributes import Attributes, Operation
from watchd.registry.lookups import Lookups
from watchd.registry.registry import Registry
from watchd.status import Cause, forbidden, not_found

IMMORTAL = frozenset({"default", "kube-system", "kube-public"})
"""Namespaces that cannot be deleted."""

NAMESPACES = "namespaces"

REVIEWS = ("authorization.k8s.io", "localsubjectaccessreviews")
"""Asked of any namespace: the answer must not tell whether it is there."""


class NamespaceLifecycle:
    """Admission member.

    What it saw of the namespace becomes a check of the append, so that no create lands after the namespace's
    deletionTimestamp.
    """

    custom_kinds = True

    def __init__(self, lookups: Lookups, registry: Registry) -> None:
        self._lookups = lookups
        self._registry = registry

    async def mutate(self, attributes: Attributes) -> None:
        """Refuse before anything is made up for the object, as the reference does.

        Raises StatusError: 404 for an absent namespace, 403 for one that is going or may not go.
        """
        kind = attributes.kind
        if not kind.group and kind.names.plural == NAMESPACES:
            if attributes.operation is Operation.DELETE and attributes.name in IMMORTAL:
                raise forbidden("", NAMESPACES, attributes.name, "this namespace may not be deleted")
            return
        if not kind.namespaced or attributes.operation is not Operation.CREATE or (kind.group, kind.names.plural) == REVIEWS:
            return
        await self._check_namespace(attributes)

    async def validate(self, attributes: Attributes) -> None:
        """Let pass: everything is decided in `mutate`."""

    async def _check_namespace(self, attributes: Attributes) -> None:
        namespace = attributes.namespace
        key = self._registry.hub("", NAMESPACES).key("", namespace)
        seen = await self._lookups.find(key)
        if seen is None:
            raise not_found("", NAMESPACES, namespace)
        if seen.deleting:
            kind = attributes.kind
            raise forbidden(
                kind.group,
                kind.names.plural,
                attributes.name,
                f"unable to create new content in namespace {namespace} because it is being terminated",
                [Cause("NamespaceTerminating", f"namespace {namespace} is being terminated", "metadata.namespace")],
            )
        attributes.checks.append(Check(key, seen.revision))
