"""The built-in kinds of the server, as data. CustomResourceDefinition stands in watchd.crd.definitions."""

from __future__ import annotations

from watchd.registry.builtin import configmap, event, lease, namespace, secret, serviceaccount
from watchd.registry.kind import Kind

KINDS: tuple[Kind, ...] = (
    namespace.KIND,
    configmap.KIND,
    secret.KIND,
    serviceaccount.KIND,
    event.KIND,
    event.EVENTS_KIND,
    lease.KIND,
)
"""All of them, in the order in which the server knows them."""
