"""What two objects of one type differ in, and which fields an object names.

Both walks follow structured-merge-diff (typed/compare.go, typed/tofieldset.go). The comparison goes only where something
differs, since it runs on every write: what is equal is skipped by Python's own comparison of containers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from watchd.registry.managed.errors import TypeProblem
from watchd.registry.managed.fieldpath import FIELD
from watchd.registry.managed.fieldset import LEAF, SELF, FieldSet, Tree
from watchd.registry.managed.typed import ListType, MapType, Node, item_element

_ABSENT: Any = object()


class Comparison:
    """The fields that differ. No field is in more than one of `removed`, `modified` and `added`."""

    __slots__ = ("added", "changed", "modified", "removed", "taken")

    def __init__(self, removed: FieldSet, modified: FieldSet, added: FieldSet) -> None:
        """Put together what else is asked of every comparison."""
        self.removed = removed
        self.modified = modified
        self.added = added
        self.changed = modified | added
        """What is new or has another value."""
        self.taken = self.changed | removed
        """What nobody owns any more on account of what it was."""

    def without(self, reset: FieldSet | None) -> Comparison:
        """Leave out fields, with all that is below them."""
        if not reset:
            return self
        return Comparison(self.removed.without(reset), self.modified.without(reset), self.added.without(reset))

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.taken)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Comparison):
            return NotImplemented
        return (self.removed, self.modified, self.added) == (other.removed, other.modified, other.added)

    __hash__ = None  # type: ignore[assignment]  # equal by content, like the sets within


def compare(node: Node, old: Any, new: Any) -> Comparison:
    """Compare two objects of one type. Neither is changed. Raises TypeProblem where what differs does not fit the type."""
    walk = _Walk(top=True)
    # What is written differs somewhere, as a rule: the walk begins without asking whether it does.
    if (node.map is not None and type(old) is type(new) is dict) or not same(old, new, exact=node.exact):
        walk.both(node, old, new)
    return Comparison(FieldSet(walk.removed), FieldSet(walk.modified), FieldSet(walk.added))


def field_set(node: Node, item: Any) -> FieldSet:
    """Return the fields that an object names: leaves, items of lists, and fields that no schema declares."""
    return FieldSet(_named(node, item)[0])


def same(a: Any, b: Any, *, exact: bool = False) -> bool:
    """Tell whether two values are equal as the reference sees them: 1 is 1.0, and not true.

    Args:
        a: one value.
        b: the other.
        exact: whether their type rules out a boolean in place of a number.

    """
    if a is b:
        return True
    if exact or type(a) is str:
        return bool(a == b)
    if isinstance(a, dict | list):
        # The quick proof first; it fails for another order of keys, for 1 and 1.0, and for what really differs.
        return len(a) == len(b) and (orjson.dumps(a) == orjson.dumps(b) or _strictly(a, b)) if type(a) is type(b) else False
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _strictly(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return isinstance(b, dict) and len(a) == len(b) and all(key in b and _strictly(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(_strictly, a, b))
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


class _Walk:
    """The difference of two values of one node: tries of what is below it."""

    __slots__ = ("_top", "added", "modified", "removed")

    def __init__(self, *, top: bool = False) -> None:
        self._top = top
        """Whether this is the object itself: whether parts of it differ shows on the way, if asking for it costs more."""
        self.removed: Tree = {}
        self.modified: Tree = {}
        self.added: Tree = {}

    def both(self, node: Node, old: Any, new: Any) -> bool:
        """Compare two values that are both there and differ; return whether the node itself is modified."""
        if node.map is not None and isinstance(old, dict) and isinstance(new, dict):
            return self._maps(node.map, old, new)
        if type(old) in node.accepts and type(new) in node.accepts:
            return True
        before, after = _shape(node, old), _shape(node, new)
        modified = self._as(node, after, old, new)
        # A value of an open type may change from a map to a list: both ways to see it count.
        return self._as(node, before, old, new) or modified if before != after else modified

    def _as(self, node: Node, shape: str, old: Any, new: Any) -> bool:
        if shape == "map" and node.map is not None:
            return self._maps(node.map, old if isinstance(old, dict) else None, new if isinstance(new, dict) else None)
        if shape == "list" and node.list is not None:
            return self._lists(node.list, old if isinstance(old, list) else None, new if isinstance(new, list) else None)
        return True

    def _maps(self, kind: MapType, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> bool:
        if kind.atomic or not (old or new):
            return True
        old, new = old or {}, new or {}
        shared = 0
        for name, after in new.items():
            before = old.get(name, _ABSENT)
            shared += before is not _ABSENT
            if before is after or (type(after) is str and before == after):
                continue
            node = kind.fields.get(name) or kind.child(name)
            if before is _ABSENT:
                self.added[FIELD + name] = whole(node, after)
            elif (self._top and not node.exact and _are_structs(node, before, after)) or not same(
                before, after, exact=node.exact
            ):
                self._descend(node, FIELD + name, before, after)
        for name, before in old.items() if shared < len(old) else ():
            if name not in new:
                self.removed[FIELD + name] = whole(kind.child(name), before)
        return False

    def _descend(self, node: Node, element: str, old: Any, new: Any) -> None:
        if type(old) in node.accepts and type(new) in node.accepts:
            self.modified[element] = LEAF
            return
        below = _Walk()
        if below.both(node, old, new):
            self.modified[element] = {SELF: LEAF, **below.modified} if below.modified else LEAF
        elif below.modified:
            self.modified[element] = below.modified
        if below.removed:
            self.removed[element] = below.removed
        if below.added:
            self.added[element] = below.added

    def _lists(self, kind: ListType, old: list[Any] | None, new: list[Any] | None) -> bool:
        if kind.atomic or not (old or new):
            return True
        before, after = grouped(kind, old or []), grouped(kind, new or [])
        for element in before | after:
            self._items(kind.element, element, before.get(element, []), after.get(element, []))
        return False

    def _items(self, node: Node, element: str, old: list[Any], new: list[Any]) -> None:
        """Compare the items of one key: usually one on each side. Several of one key are one leaf."""
        if len(old) <= 1 and len(new) <= 1:
            if not old:
                self.added[element] = whole(node, new[0])
            elif not new:
                self.removed[element] = whole(node, old[0])
            elif not same(old[0], new[0], exact=node.exact):
                self._descend(node, element, old[0], new[0])
        elif len(old) > 1 and len(new) > 1:
            if len(old) != len(new) or not all(map(same, old, new)):
                self.modified[element] = LEAF
        elif len(old) > 1:
            self.removed[element] = LEAF
            if new:
                self.added[element] = whole(node, new[0])
        else:
            self.added[element] = LEAF
            if old:
                self.removed[element] = whole(node, old[0])


def _are_structs(node: Node, old: Any, new: Any) -> bool:
    """Tell whether walking two values is both right and quick, be they equal or not."""
    kind = node.map
    return kind is not None and bool(kind.fields) and not kind.atomic and type(old) is type(new) is dict and bool(old or new)


def _shape(node: Node, item: Any) -> str:
    """Name how a value is looked at; null and what does not fit are looked at as the first of map, scalar and list."""
    if isinstance(item, dict) and node.map is not None:
        return "map"
    if isinstance(item, list) and node.list is not None:
        return "list"
    if type(item) in node.accepts:
        return "scalar"
    if item is not None:
        raise TypeProblem("a value does not fit its type")
    return "map" if node.map is not None else "scalar" if node.scalar is not None else "list"


def whole(node: Node, item: Any) -> Tree:
    """Return the trie of a value that only one side has: every node in it is a member."""
    if isinstance(item, dict):
        kind = node.map
        if kind is None:
            raise TypeProblem("a value does not fit its type")
        if kind.atomic or not item:
            return LEAF
        out: Tree = {SELF: LEAF}
        for name, inner in item.items():
            child = kind.fields.get(name) or kind.child(name)
            # Scalars are most of an object.
            out[FIELD + name] = LEAF if type(inner) in child.accepts else whole(child, inner)
        return out
    if isinstance(item, list):
        if node.list is None:
            raise TypeProblem("a value does not fit its type")
        if node.list.atomic or not item:
            return LEAF
        groups = grouped(node.list, item)
        return {SELF: LEAF} | {
            element: whole(node.list.element, items[0]) if len(items) == 1 else LEAF for element, items in groups.items()
        }
    if item is not None and type(item) not in node.accepts:
        raise TypeProblem("a value does not fit its type")
    return LEAF


def grouped(kind: ListType, items: list[Any]) -> dict[str, list[Any]]:
    """Return the items of a list by their elements. Raises TypeProblem."""
    out: dict[str, list[Any]] = {}
    for item in items:
        out.setdefault(item_element(kind, item), []).append(item)
    return out


def _named(node: Node, item: Any) -> tuple[Tree, bool]:
    """Return what a value names below itself, and whether it is a leaf, and so a member by itself."""
    if isinstance(item, dict) and node.map is not None:
        return _named_fields(node.map, item)
    if isinstance(item, list) and node.list is not None:
        return _named_items(node.list, item)
    # A null map or list is no leaf by itself; as a field of a map it is one (below).
    opaque = item is None and (node.map is not None or (node.scalar is None and node.list is not None))
    atomic = (node.map or node.list) if opaque else None
    return {}, not opaque or (atomic is not None and atomic.atomic)


def _named_fields(kind: MapType, item: Mapping[str, Any]) -> tuple[Tree, bool]:
    if kind.atomic:
        return {}, True
    out: Tree = {}
    for name, inner in item.items():
        below, leaf = _named(kind.child(name), inner)
        if leaf or inner is None or inner == {} or name not in kind.fields:
            out[FIELD + name] = {SELF: LEAF, **below} if below else LEAF
        elif below:
            out[FIELD + name] = below
    return out, False


def _named_items(kind: ListType, items: list[Any]) -> tuple[Tree, bool]:
    if kind.atomic:
        return {}, True
    out: Tree = {}
    for element, same_key in grouped(kind, items).items():
        below = _named(kind.element, same_key[0])[0] if len(same_key) == 1 else {}
        out[element] = {SELF: LEAF, **below} if below else LEAF
    return out, False


