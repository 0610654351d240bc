"""The macros: has, all, exists and their like, which the parser expands into folds and presence tests."""

from __future__ import annotations

import copy
from collections.abc import Callable

from watchd.schema.cel.ast import Call, Comprehension, Ident, ListLiteral, Literal, MapLiteral, Node, Select

ACCUMULATOR = "@result"
"""The variable that a fold collects into; no source can name it."""

_OLD_ACCUMULATOR = "__result__"
_UNUSED = "#unused"
_SORT_INPUT = "@__sortBy_input__"

Macro = Callable[[int, Node | None, list[Node]], Node]
"""Position, target and arguments to what stands for the call."""


class Misuse(Exception):
    """A macro that is called with what it cannot take."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.position = position


def find(function: str, count: int, *, receiver: bool) -> Macro | None:
    """Return the macro of a name, a number of arguments and a form, if there is one."""
    return _MACROS.get((function, count, receiver))


class _At:
    """Makes nodes at one place."""

    def __init__(self, position: int) -> None:
        self.position = position

    def literal(self, value: bool | int) -> Node:  # noqa: FBT001 - a value of the language
        return Literal(value, position=self.position)

    def ident(self, name: str) -> Node:
        return Ident(name, position=self.position)

    def accumulator(self) -> Node:
        return self.ident(ACCUMULATOR)

    def call(self, function: str, *args: Node) -> Node:
        return Call(function, None, list(args), position=self.position)

    def member(self, function: str, target: Node, *args: Node) -> Node:
        return Call(function, target, list(args), position=self.position)

    def list(self, *elements: Node) -> Node:
        return ListLiteral([*elements], position=self.position)

    def fold(
        self,
        over: Node | None,
        names: tuple[str, str],
        initial: Node,
        condition: Node,
        step: Node,
        result: Node | None = None,
        accumulator: str = ACCUMULATOR,
        macro: str = "",
    ) -> Node:
        result = self.ident(accumulator) if result is None else result
        over = self.list() if over is None else over
        return Comprehension(
            over, names[0], names[1], accumulator, initial, condition, step, result, macro, position=self.position
        )

    def bind(self, name: str, value: Node, result: Node) -> Node:
        """Let a name stand for a value: a fold over nothing."""
        return self.fold(None, (_UNUSED, ""), value, self.literal(False), self.ident(name), result, name)

    def filtered(self, condition: Node | None, step: Node) -> Node:
        return step if condition is None else self.call("_?_:_", condition, step, self.accumulator())


def _name(node: Node, message: str) -> str:
    if not isinstance(node, Ident):
        raise Misuse(node.position, message)
    if node.name in {ACCUMULATOR, _OLD_ACCUMULATOR}:
        raise Misuse(node.position, "iteration variable overwrites accumulator variable")
    return node.name


def _names(args: list[Node]) -> tuple[str, str]:
    first, second = (_name(arg, "argument must be a simple name") for arg in args[:2])
    if first == second:
        raise Misuse(args[1].position, f"duplicate variable name: {first}")
    return first, second


def _has(position: int, target: Node | None, args: list[Node]) -> Node:
    del target
    selected = args[0]
    if not isinstance(selected, Select):
        raise Misuse(selected.position, "invalid argument to has() macro")
    return Select(selected.operand, selected.field, test=True, position=position)


def _quantifier(kind: str, *, two: bool) -> Macro:
    def expand(position: int, target: Node | None, args: list[Node]) -> Node:
        at = _At(position)
        names = _names(args) if two else (_name(args[0], "argument must be a simple name"), "")
        predicate = args[-1]
        accu = at.accumulator
        if kind == "all":
            condition = at.call("@not_strictly_false", accu())
            step = at.call("_&&_", accu(), predicate)
            return at.fold(target, names, at.literal(True), condition, step, macro=kind)
        if kind == "exists":
            condition = at.call("@not_strictly_false", at.call("!_", accu()))
            step = at.call("_||_", accu(), predicate)
            return at.fold(target, names, at.literal(False), condition, step, macro=kind)
        step = at.filtered(predicate, at.call("_+_", accu(), at.literal(1)))
        result = at.call("_==_", accu(), at.literal(1))
        return at.fold(target, names, at.literal(0), at.literal(True), step, result)

    return expand


def _map(position: int, target: Node | None, args: list[Node]) -> Node:
    at = _At(position)
    name = _name(args[0], "argument is not an identifier")
    condition = args[1] if len(args) == 3 else None
    step = at.filtered(condition, at.call("_+_", at.accumulator(), at.list(args[-1])))
    return at.fold(target, (name, ""), at.list(), at.literal(True), step)


def _filter(position: int, target: Node | None, args: list[Node]) -> Node:
    at = _At(position)
    name = _name(args[0], "argument is not an identifier")
    step = at.filtered(args[1], at.call("_+_", at.accumulator(), at.list(args[0])))
    return at.fold(target, (name, ""), at.list(), at.literal(True), step)


def _transform_list(position: int, target: Node | None, args: list[Node]) -> Node:
    at = _At(position)
    condition = args[2] if len(args) == 4 else None
    step = at.filtered(condition, at.call("_+_", at.accumulator(), at.list(args[-1])))
    return at.fold(target, _names(args), at.list(), at.literal(True), step)


def _transform_map(*, entry: bool) -> Macro:
    def expand(position: int, target: Node | None, args: list[Node]) -> Node:
        at = _At(position)
        names = _names(args)
        condition = args[2] if len(args) == 4 else None
        inserted = (args[-1],) if entry else (at.ident(names[0]), args[-1])
        step = at.filtered(condition, at.call("cel.@mapInsert", at.accumulator(), *inserted))
        return at.fold(target, names, MapLiteral([], position=position), at.literal(True), step)

    return expand


def _optional_map(*, flat: bool) -> Macro:
    function = "optFlatMap" if flat else "optMap"

    def expand(position: int, target: Node | None, args: list[Node]) -> Node:
        at = _At(position)
        if not isinstance(args[0], Ident):
            raise Misuse(args[0].position, f"{function}() variable name must be a simple identifier")
        assert target is not None  # noqa: S101 - receiver macros have one
        inner = at.bind(args[0].name, at.member("value", copy.deepcopy(target)), args[1])
        some = inner if flat else _qualified_call(at, "optional", "of", inner)
        return at.call("_?_:_", at.member("hasValue", target), some, _qualified_call(at, "optional", "none"))

    return expand


def _qualified_call(at: _At, prefix: str, name: str, *args: Node) -> Node:
    return at.call(f"{prefix}.{name}", *args)


def _sort_by(position: int, target: Node | None, args: list[Node]) -> Node:
    at = _At(position)
    assert target is not None  # noqa: S101 - receiver macros have one
    if isinstance(target, Literal | MapLiteral):
        message = "sortBy can only be applied to a list, identifier, comprehension, call or select expression"
        raise Misuse(target.position, message)
    keys = _map(position, at.ident(_SORT_INPUT), args)
    return at.bind(_SORT_INPUT, target, at.member("@sortByAssociatedKeys", at.ident(_SORT_INPUT), keys))


_MACROS: dict[tuple[str, int, bool], Macro] = {
    ("has", 1, False): _has,
    ("all", 2, True): _quantifier("all", two=False),
    ("exists", 2, True): _quantifier("exists", two=False),
    ("exists_one", 2, True): _quantifier("one", two=False),
    ("all", 3, True): _quantifier("all", two=True),
    ("exists", 3, True): _quantifier("exists", two=True),
    ("existsOne", 3, True): _quantifier("one", two=True),
    ("exists_one", 3, True): _quantifier("one", two=True),
    ("map", 2, True): _map,
    ("map", 3, True): _map,
    ("filter", 2, True): _filter,
    ("transformList", 3, True): _transform_list,
    ("transformList", 4, True): _transform_list,
    ("transformMap", 3, True): _transform_map(entry=False),
    ("transformMap", 4, True): _transform_map(entry=False),
    ("transformMapEntry", 3, True): _transform_map(entry=True),
    ("transformMapEntry", 4, True): _transform_map(entry=True),
    ("optMap", 2, True): _optional_map(flat=False),
    ("optFlatMap", 2, True): _optional_map(flat=True),
    ("sortBy", 2, True): _sort_by,
}
