"""Merging an applied object into the live one, and taking items out of an object again.

After structured-merge-diff's typed/merge.go, remove.go and reconcile_schema.go. Results share parts with the objects they
are made of; none of those is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from watchd.registry.managed.errors import TypeProblem
from watchd.registry.managed.fieldpath import FIELD, KEY, element_text
from watchd.registry.managed.fieldset import LEAF, SELF, FieldSet, Tree, is_member
from watchd.registry.managed.typed import ListType, MapType, Node, Object, is_scalar, item_element

_ABSENT: Any = object()


def merge(node: Node, live: Object, applied: Object) -> Object:
    """Return the live object with all that is applied on top; nothing is removed.

    A list of type set or map keeps the live order where nothing in it is reordered, and takes the applied one where it is.
    Raises TypeProblem.
    """
    out: Object = _merge(node, live, applied)
    return out


def _merge(node: Node, live: Any, applied: Any) -> Any:
    """Merge two values, of which one may be absent."""
    if applied is _ABSENT:
        return live
    if live is _ABSENT or is_scalar(applied):
        return applied
    shape = node.map if isinstance(applied, dict) else node.list if isinstance(applied, list) else _first(node)
    if isinstance(shape, MapType):
        below, above = _as_dict(live), _as_dict(applied)
        return applied if shape.atomic or not (below or above) else _merge_maps(shape, below, above)
    if isinstance(shape, ListType):
        old, new = _as_list(live), _as_list(applied)
        return applied if shape.atomic or not (old or new) else _merge_lists(shape, old, new)
    return applied


def _first(node: Node) -> MapType | ListType | None:
    """Return how a null is looked at: as a map, else a scalar, else a list."""
    return node.map or (None if node.scalar is not None else node.list)


def _as_dict(item: Any) -> Object:
    return item if isinstance(item, dict) else {}


def _as_list(item: Any) -> list[Any]:
    return item if isinstance(item, list) else []


def _merge_maps(kind: MapType, live: Object, applied: Object) -> Object:
    out = dict(live)
    for name, inner in applied.items():
        out[name] = _merge(kind.child(name), live.get(name, _ABSENT), inner)
    return out


def _merge_lists(kind: ListType, live: list[Any], applied: list[Any]) -> list[Any]:
    """Merge by element: the applied order, with what only the live list has kept between its neighbours."""
    ours = [item_element(kind, item) for item in live]
    theirs = [item_element(kind, item) for item in applied]
    new = dict(zip(theirs, applied, strict=True))
    if len(new) != len(theirs):
        twice = next(element for element in theirs if theirs.count(element) > 1)
        raise TypeProblem(f"duplicate entries for key {element_text(twice)}")
    old: dict[str, Any] = {}
    for element, item in zip(ours, live, strict=True):
        # Items of one key cannot be told apart: none of them is merged.
        old[element] = None if element in old else item
    out: list[Any] = []
    for element, index in _interleaved(ours, theirs):
        # An index stands for an item that only the live list has: of several with one key, this very one.
        out.append(live[index] if index >= 0 else _merge(kind.element, old.get(element, _ABSENT), new[element]))
    return out


def _interleaved(ours: list[str], theirs: list[str]) -> Iterator[tuple[str, int]]:
    """Go over the elements of a merged list in its order, each with its index in ours if theirs lacks it, else -1."""
    in_ours, in_theirs = set(ours), set(theirs)
    shared = iter([element for element in theirs if element in in_ours])
    wanted = next(shared, None)
    merged: set[str] = set()
    at_ours = at_theirs = 0
    while at_ours < len(ours) or at_theirs < len(theirs):
        mine = ours[at_ours] if at_ours < len(ours) else None
        other = theirs[at_theirs] if at_theirs < len(theirs) else None
        if mine is not None and mine not in in_theirs:
            yield mine, at_ours
            at_ours += 1
        elif mine is not None and other is not None and mine not in {other, wanted} and wanted is not None:
            # Shared, but not the one whose turn it is.
            at_ours += 1
        else:
            if mine is not None and (mine == other or mine in merged):
                at_ours += 1
            if other is not None:
                merged.add(other)
                yield other, -1
                at_theirs += 1
                if other in (mine, wanted):
                    wanted = next(shared, None)


def remove(node: Node, item: Object, fields: FieldSet) -> Object:
    """Return an object without these fields and items, and what is below them."""
    out: Object = _remove(node, item, fields.tree) or {}
    return out


def _remove(node: Node, item: Any, tree: Tree) -> Any:
    """Return what is left of a value; None for an empty container, and for one that goes as a whole."""
    if isinstance(item, dict):
        if node.map is None or node.map.atomic:
            return None
        return _remove_fields(node.map, item, tree) or None
    if isinstance(item, list):
        if node.list is None or node.list.atomic:
            return None
        return _remove_items(node.list, item, tree) or None
    return item


def _remove_fields(kind: MapType, item: Object, tree: Tree) -> Object:
    out: Object = {}
    for name, inner in item.items():
        below = tree.get(FIELD + name)
        if below is None:
            out[name] = inner
        elif not is_member(below):
            out[name] = _remove(kind.child(name), inner, below)
    return out


def _remove_items(kind: ListType, items: list[Any], tree: Tree) -> list[Any]:
    out: list[Any] = []
    for item in items:
        below = tree.get(item_element(kind, item))
        if below is None:
            out.append(item)
        elif not is_member(below):
            out.append(_remove(kind.element, item, below))
    return out


def with_named_fields(node: Node | None, fields: FieldSet) -> FieldSet:
    """Add the declared fields on the way to the members: sets leave them out, since all who set a part share them."""
    return FieldSet(_with_named(node, fields.tree))


def _with_named(node: Node | None, tree: Tree) -> Tree:
    out: Tree = {}
    for element, below in tree.items():
        if not below:
            out[element] = below
            continue
        inner = _with_named(_child(node, element), below)
        if SELF not in inner and _declared(node, element):
            inner = {SELF: LEAF, **inner}
        out[element] = inner
    return out


def _declared(node: Node | None, element: str) -> bool:
    return node is not None and node.map is not None and element[:2] == FIELD and element[2:] in node.map.fields


def _child(node: Node | None, element: str) -> Node | None:
    """Return the type below an element; None where there is none, or no telling."""
    if node is None:
        return None
    if element[:2] == FIELD and node.map is not None:
        return node.map.fields.get(element[2:], node.map.element)
    return node.list.element if element[:2] == KEY and node.list is not None else None


def reconciled(node: Node, fields: FieldSet) -> FieldSet:
    """Fit a set to a type that has changed since: who owned parts of what is atomic now owns the whole.

    Returns the same set where nothing changes.
    """
    if fields.fits is node or (node.map is not None and node.map.atomic):
        return fields
    tree = _reconciled(node, fields.tree)
    if tree is not fields.tree:
        return FieldSet(tree)
    fields.fits = node
    return fields


def _reconciled(node: Node, tree: Tree) -> Tree:
    """Return the same trie where nothing below changes."""
    kind = node.map if node.map is not None else None if node.scalar is not None else node.list
    if kind is None or (isinstance(kind, MapType) and kind.deduced and not kind.fields):
        return tree
    if kind.atomic:
        return LEAF
    changed: Tree = {}
    for element, below in tree.items():
        if not below:
            continue
        child = kind.element if isinstance(kind, ListType) else kind.fields.get(element[2:], kind.element)
        fitted = below if child is None else _reconciled(child, below)
        if fitted is not below:
            changed[element] = fitted
    return {**tree, **changed} if changed else tree
