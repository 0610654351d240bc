"""What an expression can cost at most, estimated before any object is seen (cel-go's model, with the reference's sizes).

Sizes and costs are ranges of unsigned 64-bit numbers that stop at their maximum. A path leads from a variable to what
an expression selects, so that its size can be looked up in the schema; what comes from no path has the size that its
parts have.
"""

from __future__ import annotations

import attrs

from watchd.schema.cel.ast import Call, Comprehension, Ident, ListLiteral, Literal, MapLiteral, Node, Select
from watchd.schema.cel.checker import TYPE_NAMES, qualified
from watchd.schema.cel.costs import LIST, MAP
from watchd.schema.cel.declared import Declared
from watchd.schema.cel.estimates import estimated
from watchd.schema.cel.macros import ACCUMULATOR
from watchd.schema.cel.sizes import NOTHING, ONE, UNKNOWN, UNLIMITED, Estimated, Part, Range, add, by, multiply, union
from watchd.schema.cel.types import Kind, Type, unwrap_optional

_SCALARS = frozenset({Kind.BOOL, Kind.DOUBLE, Kind.DURATION, Kind.INT, Kind.TIMESTAMP, Kind.UINT})
_SELECTABLE = frozenset({Kind.MAP, Kind.OBJECT, Kind.PARAMETER})



@attrs.frozen
class Entry:
    """The sizes of what is in a list or map."""

    of_list: bool
    key: Range
    value: Range


@attrs.define
class Local:
    """A variable of a fold."""

    path: tuple[str, ...]
    size: Range | None
    entry: Entry | None = None


def estimate(tree: Node, root: Declared) -> int:
    """Return what a checked expression over a declared type can cost at most."""
    return Estimator(root).cost(tree)[1]


class Estimator:
    """Estimates one expression."""

    def __init__(self, root: Declared) -> None:
        self._root = root
        self._locals: dict[str, list[Local]] = {}
        self._paths: dict[int, tuple[str, ...]] = {}
        self._sizes: dict[int, Range] = {}
        self._entries: dict[int, Entry] = {}

    def cost(self, node: Node) -> Range:  # noqa: PLR0911 - a table of cases
        """Return least and most cost."""
        match node:
            case Literal():
                return NOTHING
            case Ident():
                return self._ident(node)
            case Select():
                return self._select(node)
            case Call():
                return self._call(node)
            case ListLiteral():
                return self._list(node)
            case MapLiteral():
                return self._map(node)
            case Comprehension():
                return self._fold(node)
            case _:
                raise AssertionError(node)

    # Paths and sizes.

    def _local(self, name: str) -> Local | None:
        stack = self._locals.get(name)
        return stack[-1] if stack else None

    def _path(self, node: Node) -> tuple[str, ...]:
        if isinstance(node, Ident):
            local = self._local(node.name)
            if local is not None:
                return local.path
        return self._paths.get(id(node), ())

    def _declared_size(self, path: tuple[str, ...]) -> Range | None:
        if not path:
            return None
        at: Declared | None = self._root
        for name in path[1:]:
            if at is None:
                return None
            if name in {"@items", "@values"}:
                at = at.element
            elif name == "@keys":
                at = at.key
            else:
                at = at.field(name)
        return None if at is None else (0, at.most)

    def _size(self, node: Node) -> Range | None:
        known = self._sizes.get(id(node))
        if known is not None:
            return known
        literal = _literal_size(node)
        if literal is not None:
            return literal
        declared = self._declared_size(self._path(node))
        if declared is not None:
            self._sizes[id(node)] = declared
            return declared
        if _is_scalar(node.type):
            return ONE
        if isinstance(node, Ident):
            local = self._local(node.name)
            if local is not None:
                return local.size
        return None

    def _known(self, node: Node) -> Range:
        return self._size(node) or UNKNOWN

    def _entry(self, node: Node) -> Entry | None:
        found = self._entries.get(id(node))
        if found is None and isinstance(node, Ident):
            local = self._local(node.name)
            found = None if local is None else local.entry
        return found

    def _copy_sizes(self, node: Node, source: Node) -> None:
        size, entry = self._size(source), self._entry(source)
        if size is not None:
            self._sizes[id(node)] = size
        if entry is not None:
            self._entries[id(node)] = entry

    def _part(self, node: Node) -> Part:
        path = self._path(node)
        if path and path[0] == ACCUMULATOR:
            path = ()
        return Part(node, node.type, path, self._size(node))

    def size_of(self, part: Part) -> Range:
        """Return the size of what a call is given."""
        return part.size or self._declared_size(part.path) or UNKNOWN

    def element_of(self, part: Part) -> Part | None:
        """Return the elements of a list (or what else has parameters) that a call is given."""
        if not part.type.parameters:
            return None
        path = (*part.path, "@items") if part.path else ()
        return Part(None, part.type.parameters[0], path, None)

    # Nodes.

    def _ident(self, node: Ident) -> Range:
        local = self._local(node.name)
        self._paths[id(node)] = (node.name,) if local is None else local.path
        return ONE

    def _select(self, node: Select) -> Range:
        name = qualified(node)
        if name is not None and name in TYPE_NAMES and not node.test:
            self._paths[id(node)] = (name,)
            return ONE
        cost = self.cost(node.operand)
        if node.test:
            return cost
        if node.operand.type.kind in _SELECTABLE:
            cost = add(cost, ONE)
        self._paths[id(node)] = (*self._path(node.operand), node.field)
        return cost

    def _call(self, node: Call) -> Range:
        if node.function == "dyn":
            cost = add(ONE, self.cost(node.args[0]))
            self._copy_sizes(node, node.args[0])
            return cost
        costs, parts = [], []
        for arg in node.args:
            costs.append(self.cost(arg))
            parts.append(self._part(arg))
        if not node.overloads:
            return NOTHING
        total = NOTHING
        target = None
        if node.target is not None:
            total = self.cost(node.target)
            target = self._part(node.target)
        given = add(*costs) if costs else NOTHING
        call: Range = (UNLIMITED, 0)
        result: Range | None = None
        for overload in node.overloads:
            cost, size = self._overload(node, overload, target, parts, costs, given)
            call = union(call, cost)
            if size is not None:
                result = size if result is None else union(result, size)
            if overload in {"index_list", "index_map"}:
                entry = self._entry(node.args[0])
                result = None if entry is None else entry.value
                step = "@items" if overload == "index_list" else "@values"
                self._paths[id(node)] = (*self._path(node.args[0]), step)
            if result is None:
                result = self._size(node)
        if result is not None:
            self._sizes[id(node)] = result
        return add(total, call)

    def _overload(
        self, node: Call, overload: str, target: Part | None, args: list[Part], costs: list[Range], given: Range
    ) -> Estimated:
        found = estimated(self, node.function, overload, target, args)
        if found is not None:
            return add(found[0], given), found[1]
        match overload:
            case "logical_and" | "logical_or":
                return (costs[0][0], add(costs[0], costs[1])[1]), None
            case "conditional":
                return self._conditional(node, costs)
            case "add_string" | "add_bytes" | "add_list":
                return self._addition(node, overload, given)
        return add(ONE, given), None

    def _conditional(self, node: Call, costs: list[Range]) -> Estimated:
        one, two = self._entry(node.args[1]), self._entry(node.args[2])
        if one is not None and two is not None:
            self._entries[id(node)] = Entry(one.of_list, union(one.key, two.key), union(one.value, two.value))
        size = union(self._known(node.args[1]), self._known(node.args[2]))
        return add(costs[0], union(costs[1], costs[2])), size

    def _addition(self, node: Call, overload: str, given: Range) -> Estimated:
        size = add(self._known(node.args[0]), self._known(node.args[1]))
        one, two = self._entry(node.args[0]), self._entry(node.args[1])
        if one is not None and two is not None:
            self._entries[id(node)] = Entry(one.of_list, union(one.key, two.key), union(one.value, two.value))
        cost = ONE if overload == "add_list" else by(size, 0.1)
        return add(cost, given), size

    def _list(self, node: ListLiteral) -> Range:
        cost: Range = (LIST, LIST)
        size: Range = (UNLIMITED, 0) if node.elements else NOTHING
        for element in node.elements:
            cost = add(cost, self.cost(element))
            size = union(size, self._known(element))
        self._entries[id(node)] = Entry(of_list=True, key=ONE, value=size)
        return cost

    def _map(self, node: MapLiteral) -> Range:
        cost: Range = (MAP, MAP)
        empty: Range = (UNLIMITED, 0) if node.entries else NOTHING
        keys = values = empty
        for entry in node.entries:
            cost = add(cost, self.cost(entry.key), self.cost(entry.value))
            keys = union(keys, self._known(entry.key))
            values = union(values, self._known(entry.value))
        self._entries[id(node)] = Entry(of_list=False, key=keys, value=values)
        return cost

    def _push(self, name: str, local: Local) -> None:
        self._locals.setdefault(name, []).append(local)

    def _pop(self, *names: str) -> None:
        for name in names:
            self._locals[name].pop()

    def _fold(self, node: Comprehension) -> Range:
        if _is_bind(node):
            cost = add(self.cost(node.range), self.cost(node.initial))
            self._push(node.accumulator, self._bound(node.initial))
            cost = add(cost, self.cost(node.result))
            self._pop(node.accumulator)
            self._copy_sizes(node, node.result)
            return cost
        cost = add(self.cost(node.range), self.cost(node.initial))
        self._push(node.accumulator, self._bound(node.initial))
        variables = self._variables(node)
        turn = add(self.cost(node.condition), self.cost(node.step))
        self._pop(*variables)
        cost = add(cost, self.cost(node.result))
        self._pop(node.accumulator)
        count = self._known(node.range)
        cost = add(cost, multiply(count, turn))
        if isinstance(node.initial, Literal):
            size = self._size(node.initial)
            if size is not None:
                self._sizes[id(node)] = size
        elif isinstance(node.initial, ListLiteral | MapLiteral):
            self._sizes[id(node)] = count
            entry = self._entry(node.step)
            if entry is not None:
                self._entries[id(node)] = entry
        return cost

    def _bound(self, node: Node) -> Local:
        return Local(self._path(node), self._size(node), self._entry(node))

    def _variables(self, node: Comprehension) -> list[str]:
        entry = self._entry(node.range)
        of_list = node.range.type.kind is Kind.LIST if entry is None else entry.of_list
        path = self._path(node.range)
        key_size = None if entry is None else entry.key
        value_size = None if entry is None else entry.value
        value = Local((*path, "@items" if of_list else "@values"), value_size)
        if node.second:
            self._push(node.variable, Local((*path, "@indices" if of_list else "@keys"), key_size))
            self._push(node.second, value)
            return [node.variable, node.second]
        self._push(node.variable, value if of_list else Local((*path, "@keys"), key_size))
        return [node.variable]


def _is_bind(node: Comprehension) -> bool:
    return (
        isinstance(node.range, ListLiteral)
        and not node.range.elements
        and isinstance(node.condition, Literal)
        and node.condition.value is False
        and node.accumulator != ACCUMULATOR
    )


def _literal_size(node: Node) -> Range | None:
    match node:
        case Literal():
            size = len(node.value) if isinstance(node.value, str | bytes) else 1
        case ListLiteral():
            size = len(node.elements)
        case MapLiteral():
            size = len(node.entries)
        case _:
            return None
    return size, size


def _is_scalar(value: Type) -> bool:
    inner, optional = unwrap_optional(value)
    return _is_scalar(inner) if optional else value.kind in _SCALARS


