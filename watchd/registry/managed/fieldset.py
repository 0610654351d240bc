"""Sets of fields: a trie of path elements, held in the very shape of FieldsV1.

A node is a dict from path element to node; an empty node is a member without children; a node with children is a member
too where it has the key `.`. The root is never a member. Nodes are never changed once they are in a set, so sets share
them, and no set shares a node with an API object, but for the entries of managers that are settled: those are not changed either.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from watchd.registry.managed.errors import InvalidManagedFields
from watchd.registry.managed.fieldpath import FIELD, BadElement, Path, SortKey, canonical, sort_key

Tree = dict[str, "Tree"]

SELF = "."
"""The key by which a node with children says that it is a member itself."""

LEAF: Tree = {}
"""A member without children; never changed."""


class FieldSet:
    """An immutable set of fields; two sets are equal where they have the same members."""

    __slots__ = ("_fields", "fits", "tree")

    def __init__(self, tree: Tree | None = None) -> None:
        """Wrap a canonical trie, which is not to be changed any more."""
        self.tree: Tree = LEAF if tree is None else tree
        self.fits: object = None
        """The type that the set was last found to fit as it is, so that this is not looked for again on each write."""
        self._fields: dict[str, Any] | None = None

    @classmethod
    def of(cls, *paths: Path) -> FieldSet:
        """Return the set of these paths."""
        out: Tree = {}
        for path in paths:
            insert(out, path)
        return cls(out)

    @classmethod
    def from_fields(cls, fields: Any) -> FieldSet:
        """Read FieldsV1 as decoded from JSON; elements of unknown kinds are dropped. Raises InvalidManagedFields."""
        tree = _read(fields)
        tree.pop(SELF, None)
        return cls(tree)

    def to_fields(self) -> dict[str, Any]:
        """Return FieldsV1 as a JSON object of its own, in the order in which the reference writes it."""
        return _write(self.tree)

    @property
    def written(self) -> dict[str, Any] | None:
        """FieldsV1 that nobody may change, where they have been written."""
        return self._fields

    def shared(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return FieldsV1 that nobody may change: the set's own nodes where they are written alike, else what was given first."""
        if self._fields is None:
            self._fields = self.tree if orjson.dumps(self.tree) == orjson.dumps(fields) else fields
        return self._fields

    def __bool__(self) -> bool:
        return bool(self.tree)

    def __eq__(self, other: object) -> bool:
        return self.tree == other.tree if isinstance(other, FieldSet) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # equal by content, like the dict within

    def __or__(self, other: FieldSet) -> FieldSet:
        """Union. Returns one of the two where the other is empty."""
        if not other.tree:
            return self
        return FieldSet(union(self.tree, other.tree)) if self.tree else other

    def __and__(self, other: FieldSet) -> FieldSet:
        """Intersection: what is a member of both."""
        return FieldSet(_intersection(self.tree, other.tree))

    def __sub__(self, other: FieldSet) -> FieldSet:
        """Difference, member by member: a parent does not take its children along. Returns self where nothing goes."""
        if not other.tree or not self.tree:
            return self
        tree = _difference(self.tree, other.tree)
        return self if tree is self.tree else FieldSet(tree)

    def without(self, other: FieldSet) -> FieldSet:
        """Recursive difference: each member of the other set goes with all that is below it."""
        return FieldSet(_recursive_difference(self.tree, other.tree)) if other.tree else self

    def __contains__(self, path: Path) -> bool:
        node: Tree | None = self.tree
        for element in path:
            node = node.get(element) if node else None
            if node is None:
                return False
        return bool(path) and is_member(node)

    def __iter__(self) -> Iterator[Path]:
        """Go over the members, each node's own before those below, in the reference's order."""
        return _members(self.tree, ())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"FieldSet({self.tree!r})"


def is_member(node: Tree | None) -> bool:
    """Tell whether a node stands for a member (None: there is no node)."""
    return node is not None and (not node or SELF in node)


def insert(tree: Tree, path: Path) -> None:
    """Add a member to a trie under construction, whose nodes are nobody else's."""
    for element in path[:-1]:
        below = tree.get(element)
        if below is None:
            below = tree[element] = {}
        elif not below:
            below[SELF] = LEAF
        tree = below
    if path:
        last = tree.setdefault(path[-1], {})
        if last:
            last[SELF] = LEAF


def union(a: Tree, b: Tree) -> Tree:
    """Return a trie of the members of both."""
    if not b or a is b:
        return a
    if not a:
        return b
    out = dict(a)
    for element, theirs in b.items():
        ours = out.get(element)
        if ours is None:
            out[element] = theirs
        elif ours is not theirs:
            out[element] = _joined(ours, theirs)
    return out


def _joined(a: Tree, b: Tree) -> Tree:
    """Union of two nodes below the root, where an empty one is a member."""
    if not a:
        return b if is_member(b) else {SELF: LEAF, **b}
    if not b:
        return a if is_member(a) else {SELF: LEAF, **a}
    return union(a, b)


def _intersection(a: Tree, b: Tree) -> Tree:
    out: Tree = {}
    for element, ours in a.items():
        theirs = b.get(element)
        if theirs is None:
            continue
        if not ours or not theirs:
            if is_member(ours) and is_member(theirs):
                out[element] = LEAF
            continue
        below = _intersection(ours, theirs)
        if below:
            out[element] = _normal(below)
    return out


def _difference(a: Tree, b: Tree) -> Tree:
    """Return the very same trie where nothing goes: what a write changes is small, and few own any of it."""
    out = a
    for element in b if len(b) <= len(a) else a:
        ours, theirs = a.get(element), b.get(element)
        if ours is None or theirs is None:
            continue
        left = _less(ours, theirs)
        if left is ours:
            continue
        if out is a:
            out = dict(a)
        if left is None:
            del out[element]
        else:
            out[element] = left
    return out


def _less(ours: Tree, theirs: Tree) -> Tree | None:
    """Difference of two nodes below the root; None where nothing is left."""
    if not ours:
        return None if is_member(theirs) else ours
    if not theirs:
        return {inner: node for inner, node in ours.items() if inner != SELF} if SELF in ours else ours
    below = _difference(ours, theirs)
    return below if below is ours else _normal(below) if below else None


def _recursive_difference(a: Tree, b: Tree) -> Tree:
    out: Tree = {}
    for element, ours in a.items():
        theirs = b.get(element)
        if theirs is None:
            out[element] = ours
        elif is_member(theirs):
            continue
        elif not ours:
            out[element] = ours
        else:
            below = _recursive_difference(ours, theirs)
            if below:
                out[element] = _normal(below)
    return out


def _normal(node: Tree) -> Tree:
    """A member that has lost its children is a leaf."""
    return LEAF if len(node) == 1 and SELF in node else node


def _members(tree: Tree, prefix: Path) -> Iterator[Path]:
    elements = [element for element in ordered(tree) if element != SELF]
    for element in elements:
        if is_member(tree[element]):
            yield (*prefix, element)
    for element in elements:
        if tree[element]:
            yield from _members(tree[element], (*prefix, element))


def ordered(tree: Tree) -> list[str]:
    """Return a node's elements in the reference's order, the node itself first."""
    elements = sorted(tree)
    # Fields come in the order of their text, and before all elements of other kinds.
    if elements and not elements[-1].startswith((FIELD, SELF)):
        elements.sort(key=_order)
    return elements


def _order(element: str) -> SortKey:
    return (-1,) if element == SELF else sort_key(element)


def _read(fields: Any) -> Tree:
    """Read a node: at least `.` is in the result where it is a member only, or also."""
    if fields is None:
        return {}
    if not isinstance(fields, dict):
        raise InvalidManagedFields(f"error decoding set: expected an object, found {type(fields).__name__}")
    out: Tree = {}
    for text, below in fields.items():
        if text == SELF:
            out[SELF] = LEAF
            continue
        try:
            element = canonical(text)
        except BadElement as e:
            raise InvalidManagedFields(f"error decoding set: parsing key as path element: {e}") from e
        if element is not None:
            # Two spellings of one element are one element.
            node = _normal(_read(below))
            out[element] = _joined(out[element], node) if element in out else node
    return out


def _write(tree: Tree) -> dict[str, Any]:
    return {element: _write(below) if (below := tree[element]) else {} for element in ordered(tree)}


def paths(*texts: str) -> FieldSet:
    """Return the set of these paths of plain fields, written with dots: `metadata.name`."""
    return FieldSet.of(*(tuple(FIELD + name for name in text.split(".")) for text in texts))
