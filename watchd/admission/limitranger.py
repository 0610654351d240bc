"""LimitRanger: pods and claims keep to the LimitRanges of their namespace (the admission plugin of that name)."""

from __future__ import annotations

from storage.log import Log
from watchd.registry.attributes import Attributes, Object, Operation
from watchd.registry.registry import Registry
from watchd.registry.view import load_hub

PAGE = 500
"""LimitRanges of a namespace that are looked at: people have one or two."""


class LimitRanger:
    """Admission member."""

    custom_kinds = False

    def __init__(self, log: Log, registry: Registry) -> None:
        self._log = log
        self._ranges = registry.hub("", "limitranges")

    async def mutate(self, attributes: Attributes) -> None:
        """Fill in what containers of a pod may have and ask for."""
        if not _handled(attributes) or attributes.kind.names.plural != "pods" or attributes.object is None:
            return
        found = await self._find(attributes)
        if found:
            # Only here: most namespaces have none.
            from watchd.admission.limitranger_rules import fill_in  # noqa: PLC0415 - see above

            for limits in found:
                fill_in(attributes.object, limits)

    async def validate(self, attributes: Attributes) -> None:
        """Refuse what is outside of the limits. Raises StatusError 403."""
        if not _handled(attributes) or attributes.object is None:
            return
        found = await self._find(attributes)
        if found:
            from watchd.admission.limitranger_rules import check  # noqa: PLC0415 - as above

            for limits in found:
                check(attributes, attributes.object, limits)

    async def _find(self, attributes: Attributes) -> list[list[Object]]:
        """Return the limits of each LimitRange of the namespace."""
        page = await self._log.scan(self._ranges.prefix(attributes.namespace), limit=PAGE)
        return [load_hub(self._ranges.kind, stored)["spec"].get("limits") or [] for stored in page.items]


def _handled(attributes: Attributes) -> bool:
    kind, operation = attributes.kind, attributes.operation
    if kind.group or operation is Operation.DELETE or (attributes.old or {}).get("metadata", {}).get("deletionTimestamp"):
        return False
    match kind.names.plural:
        case "pods":
            # Containers of a pod that is there change by way of this subresource only.
            return attributes.subresource == ("" if operation is Operation.CREATE else "resize")
        case "persistentvolumeclaims":
            return not attributes.subresource
        case _:
            return False
