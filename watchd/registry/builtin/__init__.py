"""The built-in kinds of the server, as data. CustomResourceDefinition stands in watchd.crd.definitions."""

from __future__ import annotations

from watchd.registry.builtin.table import load
from watchd.registry.kind import Kind

KINDS: tuple[Kind, ...] = load()
"""All of them, in the order of discovery."""


def kind(group: str, plural: str) -> Kind:
    """Return one of them. Raises KeyError."""
    for found in KINDS:
        if found.group == group and found.names.plural == plural:
            return found
    raise KeyError(f"{plural}.{group}")
