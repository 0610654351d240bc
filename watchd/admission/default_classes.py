"""DefaultClasses: claims and ingresses that name no class get the default one (DefaultStorageClass, DefaultIngressClass)."""

from __future__ import annotations

from storage.log import Log
from storage.types import Key
from watchd.registry.attributes import Attributes, Object, Operation
from watchd.registry.registry import Endpoint, Registry
from watchd.registry.view import load_hub

PAGE = 500
"""Classes looked at in one go: clusters have a few."""

STORAGE_ANNOTATIONS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
INGRESS_ANNOTATIONS = ("ingressclass.kubernetes.io/is-default-class",)
"""What marks a default class, with the value "true"."""

CLAIM_CLASS = "volume.beta.kubernetes.io/storage-class"
INGRESS_CLASS = "kubernetes.io/ingress.class"
"""Annotations of old that name a class."""


class DefaultClasses:
    """Admission member. Of several default classes the newest one counts."""

    custom_kinds = False

    def __init__(self, log: Log, registry: Registry) -> None:
        self._log = log
        self._storage = registry.hub("storage.k8s.io", "storageclasses")
        self._ingress = registry.hub("networking.k8s.io", "ingressclasses")

    async def mutate(self, attributes: Attributes) -> None:
        """Fill in the class of a new claim or ingress."""
        obj = attributes.object
        if obj is None or attributes.operation is not Operation.CREATE or attributes.subresource:
            return
        match attributes.kind.group, attributes.kind.names.plural:
            case "", "persistentvolumeclaims":
                await self._fill(obj, "storageClassName", CLAIM_CLASS, self._storage, STORAGE_ANNOTATIONS)
            case "networking.k8s.io", "ingresses":
                await self._fill(obj, "ingressClassName", INGRESS_CLASS, self._ingress, INGRESS_ANNOTATIONS)

    async def validate(self, attributes: Attributes) -> None:
        """Let pass."""

    async def _fill(self, obj: Object, field: str, annotation: str, classes: Endpoint, marks: tuple[str, ...]) -> None:
        if field in obj["spec"] or annotation in obj["metadata"].get("annotations", {}):
            return
        found = await self._default(classes, marks)
        if found is not None:
            obj["spec"][field] = found

    async def _default(self, classes: Endpoint, marks: tuple[str, ...]) -> str | None:
        """Return the name of the default class: the newest, of those of one second the first by name."""
        best: tuple[str, str] | None = None
        start: Key | None = None
        while True:
            page = await self._log.scan(classes.prefix(), start=start, limit=PAGE)
            for stored in page.items:
                meta = load_hub(classes.kind, stored)["metadata"]
                made, name = meta.get("creationTimestamp", ""), meta["name"]
                if any(meta.get("annotations", {}).get(mark) == "true" for mark in marks) and (best is None or made > best[0]):
                    best = (made, name)
            if page.next is None:
                return best[1] if best is not None else None
            start = page.next
