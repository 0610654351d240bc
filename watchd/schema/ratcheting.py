"""Old and new values side by side: what did not change may stay invalid (FEATURES row 112, KEP-4008).

A value of the new object correlates with one of the old at the same path of fields. Entries of lists correlate by
their keys in lists of type `map` only; any other list is one whole (apiserver pkg/cel/common/equality.go).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from watchd.schema.jsonvalue import identity, same
from watchd.schema.structural import Node

_SCALARS = (bool, int, float, str)


class Correlated:
    """A new value, the old one that stands where it stands, and their schema."""

    def __init__(self, value: Any, old: Any, node: Node) -> None:
        self.value = value
        self.old = old
        self.node = node
        self._children: dict[str | int, Correlated | None] = {}
        self._keyed: dict[Hashable, Any] | None = None
        self._equal: bool | None = None

    def field(self, name: str) -> Correlated | None:
        """Return a field of both values, None where it is in one only or the schema does not name it."""
        if name not in self._children:
            self._children[name] = self._field(name)
        return self._children[name]

    def _field(self, name: str) -> Correlated | None:
        if not isinstance(self.old, dict) or not isinstance(self.value, dict):
            return None
        node = self.node.child(name)
        if node is None or name not in self.old or name not in self.value:
            return None
        return Correlated(self.value[name], self.old[name], node)

    def entry(self, index: int) -> Correlated | None:
        """Return an entry of the new list and the old one of the same keys."""
        if index not in self._children:
            self._children[index] = self._entry(index)
        return self._children[index]

    def _entry(self, index: int) -> Correlated | None:
        node = self.node.items
        if node is None or self.node.list_type != "map" or not isinstance(self.old, list):
            return None
        if self._keyed is None:
            keys = self.node.list_map_keys
            # Of entries with the same keys the first one counts.
            keyed = [(_key(entry, keys), entry) for entry in reversed(self.old)]
            self._keyed = {key: entry for key, entry in keyed if key is not None}
        entry = self.value[index]
        old = self._keyed.get(_key(entry, self.node.list_map_keys))
        return None if old is None else Correlated(entry, old, node)

    def equal(self) -> bool:
        """Tell whether old and new are the same, as far as the schema can tell (a field it does not name is not)."""
        if self._equal is None:
            self._equal = self._compare()
        return self._equal

    def _compare(self) -> bool:
        old, new = self.old, self.value
        if isinstance(old, list) and isinstance(new, list):
            if len(old) != len(new):
                return False
            if self.node.list_type != "map":
                return same(old, new)
            entries = (self.entry(index) for index in range(len(new)))
            return all(entry is not None and entry.equal() for entry in entries)
        if isinstance(old, dict) and isinstance(new, dict):
            if len(old) != len(new):
                return False
            fields = (self.field(name) for name in new)
            return all(field is not None and field.equal() for field in fields)
        return same(old, new)


def _key(entry: Any, names: Sequence[str]) -> Hashable | None:
    """Return what tells an entry apart, None where it lacks a key or one is no scalar."""
    if not names or not isinstance(entry, dict):
        return None
    values = [entry.get(name) for name in names]
    if not all(isinstance(value, _SCALARS) for value in values):
        return None
    return tuple(identity(value) for value in values)
