"""A persistent sorted map: a B+-tree whose every version stays readable at the price of the path that changed.

The memory log keeps one root a revision, so that a read at a revision is a plain read of that root and a fork of the
whole log is one reference.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Any, Final, Generic, NamedTuple, TypeVar, final

import msgspec

V = TypeVar("V")

FANOUT: Final = 32
"""Most entries of a node: a change copies one node a level, and 32 references are copied in about 0.1 us."""

MERGE_BELOW: Final = 8
"""A node with fewer entries is joined with a neighbour where both fit into one: a quarter, so that a key written and
deleted at the edge of a node does not split and join it each time."""


class _Leaf(msgspec.Struct, frozen=True, gc=False):
    """Keys in order and their values. Cycles cannot arise from frozen nodes, so the collector need not look."""

    keys: tuple[bytes, ...]
    values: tuple[Any, ...]


class _Branch(msgspec.Struct, frozen=True, gc=False):
    """Nodes of one depth, in order."""

    bounds: tuple[bytes, ...]
    """One for each child but the first: keys at or above it are in that child or behind it."""
    children: tuple[_Node, ...]
    size: int
    """Keys below this node."""


_Node = _Leaf | _Branch


class _Split(NamedTuple):
    """A node that outgrew FANOUT."""

    left: _Node
    bound: bytes
    right: _Node


EMPTY: Final = _Leaf((), ())


@final
class Tree(Generic[V]):
    """An immutable map from bytes, in byte order. `set` and `delete` return a new one that shares what did not change.

    All operations but iteration take O(log n); any number of threads may read.
    """

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: _Node = EMPTY

    def __len__(self) -> int:
        return _size(self._root)

    def get(self, key: bytes) -> V | None:
        """Return a key's value, None where it is absent."""
        node = self._root
        while isinstance(node, _Branch):
            node = node.children[bisect_right(node.bounds, key)]
        index = bisect_left(node.keys, key)
        if index < len(node.keys) and node.keys[index] == key:
            value: V = node.values[index]
            return value
        return None

    def set(self, key: bytes, value: V) -> Tree[V]:
        """Return the map with a key added or replaced."""
        outcome = _set(self._root, key, value)
        if isinstance(outcome, _Split):
            return _tree(_branch((outcome.bound,), (outcome.left, outcome.right)))
        return _tree(outcome)

    def delete(self, key: bytes) -> Tree[V]:
        """Return the map without a key; this very map where it is absent."""
        root = _delete(self._root, key)
        return self if root is self._root else _tree(root)

    def discard_before(self, key: bytes) -> Tree[V]:
        """Return the map without all keys below `key`."""
        return _tree(_discard_before(self._root, key))

    def items(self, start: bytes = b"") -> Iterator[tuple[bytes, V]]:
        """Iterate in order over the keys at or above `start`."""
        node = self._root
        behind: list[Iterator[_Node]] = []
        while isinstance(node, _Branch):
            index = bisect_right(node.bounds, start)
            behind.append(iter(node.children[index + 1 :]))
            node = node.children[index]
        index = bisect_left(node.keys, start)
        yield from zip(node.keys[index:], node.values[index:], strict=True)
        while behind:
            following = next(behind[-1], None)
            if following is None:
                behind.pop()
            elif isinstance(following, _Branch):
                behind.append(iter(following.children))
            else:
                yield from zip(following.keys, following.values, strict=True)

    def count(self, start: bytes = b"", stop: bytes | None = None) -> int:
        """Count the keys at or above `start` and below `stop` (None: to the end), without visiting them."""
        upper = len(self) if stop is None else _rank(self._root, stop)
        return max(0, upper - _rank(self._root, start))


def _tree(root: _Node) -> Tree[V]:
    while isinstance(root, _Branch) and len(root.children) == 1:
        root = root.children[0]
    tree: Tree[V] = Tree()
    tree._root = root  # noqa: SLF001 - the constructor is public and makes the empty map only
    return tree


def _size(node: _Node) -> int:
    return node.size if isinstance(node, _Branch) else len(node.keys)


def _branch(bounds: tuple[bytes, ...], children: tuple[_Node, ...]) -> _Branch:
    return _Branch(bounds, children, sum(map(_size, children)))


def _rank(node: _Node, key: bytes) -> int:
    """Count the keys below `key`."""
    rank = 0
    while isinstance(node, _Branch):
        index = bisect_right(node.bounds, key)
        rank += sum(map(_size, node.children[:index]))
        node = node.children[index]
    return rank + bisect_left(node.keys, key)


def _set(node: _Node, key: bytes, value: object) -> _Node | _Split:
    if isinstance(node, _Branch):
        return _set_below(node, key, value)
    keys, values = node.keys, node.values
    index = bisect_left(keys, key)
    if index < len(keys) and keys[index] == key:
        return _Leaf(keys, (*values[:index], value, *values[index + 1 :]))
    keys = (*keys[:index], key, *keys[index:])
    values = (*values[:index], value, *values[index:])
    if len(keys) <= FANOUT:
        return _Leaf(keys, values)
    # Keys that come in order (revisions) leave full leaves behind.
    middle = FANOUT if index == FANOUT else len(keys) // 2
    return _Split(_Leaf(keys[:middle], values[:middle]), keys[middle], _Leaf(keys[middle:], values[middle:]))


def _set_below(node: _Branch, key: bytes, value: object) -> _Node | _Split:
    bounds, children = node.bounds, node.children
    index = bisect_right(bounds, key)
    outcome = _set(children[index], key, value)
    if not isinstance(outcome, _Split):
        size = node.size - _size(children[index]) + _size(outcome)
        return _Branch(bounds, (*children[:index], outcome, *children[index + 1 :]), size)
    bounds = (*bounds[:index], outcome.bound, *bounds[index:])
    children = (*children[:index], outcome.left, outcome.right, *children[index + 1 :])
    if len(children) <= FANOUT:
        return _Branch(bounds, children, node.size + 1)
    middle = FANOUT if index == FANOUT - 1 else len(children) // 2
    left = _branch(bounds[: middle - 1], children[:middle])
    return _Split(left, bounds[middle - 1], _branch(bounds[middle:], children[middle:]))


def _delete(node: _Node, key: bytes) -> _Node:
    """Return the node itself where the key is absent, and possibly an empty leaf."""
    if isinstance(node, _Leaf):
        index = bisect_left(node.keys, key)
        if index == len(node.keys) or node.keys[index] != key:
            return node
        return _Leaf(node.keys[:index] + node.keys[index + 1 :], node.values[:index] + node.values[index + 1 :])
    index = bisect_right(node.bounds, key)
    child = _delete(node.children[index], key)
    if child is node.children[index]:
        return node
    return _replace_shrunk(node, index, child)


def _replace_shrunk(node: _Branch, index: int, child: _Node) -> _Node:
    """Put back a child that lost a key: drop it if it is empty, join it with a neighbour if it is small."""
    bounds, children = node.bounds, node.children
    if _size(child) == 0:
        if len(children) == 1:
            return EMPTY
        lost = max(index - 1, 0)
        bounds = bounds[:lost] + bounds[lost + 1 :]
        return _Branch(bounds, children[:index] + children[index + 1 :], node.size - 1)
    children = (*children[:index], child, *children[index + 1 :])
    if _width(child) < MERGE_BELOW:
        for left in (index - 1, index):
            if 0 <= left < len(children) - 1 and _width(children[left]) + _width(children[left + 1]) <= FANOUT:
                joined = _join(children[left], bounds[left], children[left + 1])
                children = (*children[:left], joined, *children[left + 2 :])
                bounds = bounds[:left] + bounds[left + 1 :]
                break
    return _Branch(bounds, children, node.size - 1)


def _width(node: _Node) -> int:
    return len(node.children) if isinstance(node, _Branch) else len(node.keys)


def _join(left: _Node, bound: bytes, right: _Node) -> _Node:
    if isinstance(left, _Leaf) and isinstance(right, _Leaf):
        return _Leaf(left.keys + right.keys, left.values + right.values)
    if isinstance(left, _Branch) and isinstance(right, _Branch):
        return _Branch((*left.bounds, bound, *right.bounds), left.children + right.children, left.size + right.size)
    raise AssertionError("nodes of one depth are of one sort")


def _discard_before(node: _Node, key: bytes) -> _Node:
    """Return what is left, possibly an empty leaf. Nodes on the left edge may get small: they go as keys do."""
    if isinstance(node, _Leaf):
        index = bisect_left(node.keys, key)
        return _Leaf(node.keys[index:], node.values[index:]) if index else node
    index = bisect_right(node.bounds, key)
    child = _discard_before(node.children[index], key)
    if _size(child):
        return _branch(node.bounds[index:], (child, *node.children[index + 1 :]))
    if index + 1 == len(node.children):
        return EMPTY
    return _branch(node.bounds[index + 1 :], node.children[index + 1 :])
