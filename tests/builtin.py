"""The kinds that a server knows by itself, as it is started without further settings."""

from __future__ import annotations

from watchd.registry.builtin.table import load
from watchd.registry.kind import Kind

KINDS: tuple[Kind, ...] = load()
"""All of them, in the order of discovery."""


def builtin(group: str, plural: str) -> Kind:
    """Return one of them. Raises KeyError."""
    for found in KINDS:
        if found.group == group and found.names.plural == plural:
            return found
    raise KeyError(f"{plural}.{group}")
