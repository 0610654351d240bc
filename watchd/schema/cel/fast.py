"""Calls that rules are full of, where their types are known: closures without dispatch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from watchd.schema.cel import costs
from watchd.schema.cel.arithmetic import checked_int
from watchd.schema.cel.ast import Call
from watchd.schema.cel.code import Code, Frame, Run, constant
from watchd.schema.cel.costs import tenths
from watchd.schema.cel.types import Kind
from watchd.schema.cel.values import Uint, equals

_SCALARS = frozenset({Kind.BOOL, Kind.INT, Kind.UINT, Kind.DOUBLE})
"""Types whose values Python compares as the language does."""

_SIZED = frozenset({Kind.STRING, Kind.LIST, Kind.MAP, Kind.BYTES})


def fast(node: Call, codes: list[Code]) -> Code | None:  # noqa: PLR0911 - a table of cases
    """Return code for the calls that rules are full of, where their types are known."""
    kinds = [operand.type.kind for operand in node.operands]
    cost = sum(code.cost for code in codes)
    name = node.function
    if name == "!_" and kinds == [Kind.BOOL]:
        run = codes[0].run
        return Code(lambda frame: not run(frame), cost + 1)
    if name == "size" and kinds[0] in _SIZED:
        run = codes[0].run
        return Code(lambda frame: len(run(frame)), cost + 1)
    if len(codes) != 2:
        return None
    one, two = codes[0].run, codes[1].run
    if name == "@in":
        return _membership(node, codes)
    if name in {"_==_", "_!=_"}:
        return _equality(one, two, kinds, cost, equal=name == "_==_")
    if kinds == [Kind.INT, Kind.INT] and name in _INT_OPERATORS:
        return Code(_INT_OPERATORS[name](one, two), cost + 1)
    return None



def _membership(node: Call, codes: list[Code]) -> Code | None:
    value, container = codes
    if node.overloads != ("in_list",) or not container.constant:
        return None
    elements = container.run([])
    if not elements:
        return constant(False)
    if not all(type(element) in {int, float, Uint, bool, str} for element in elements):
        return None
    # Python takes a bool for a number.
    wanted = frozenset((type(element) is bool, element) for element in elements)
    run = value.run

    def check(frame: Frame) -> bool:
        found = run(frame)
        kind = type(found)
        return kind in {int, float, Uint, bool, str} and (kind is bool, found) in wanted

    return Code(check, value.cost)



def _equality(one: Run, two: Run, kinds: list[Kind], cost: int, *, equal: bool) -> Code:
    if kinds[0] in _SCALARS and kinds[0] is kinds[1]:
        if equal:
            return Code(lambda frame: one(frame) == two(frame), cost + 1)
        return Code(lambda frame: one(frame) != two(frame), cost + 1)

    if kinds == [Kind.STRING, Kind.STRING]:

        def run_text(frame: Frame) -> bool:
            first, second = one(frame), two(frame)
            if first is None or second is None:
                frame[0] += 1
            else:
                frame[0] += tenths(min(len(first), len(second)))
            return (first == second) is equal

        return Code(run_text, cost)

    def run(frame: Frame) -> bool:
        first, second = one(frame), two(frame)
        frame[0] += costs.equality(first, second)
        return equals(first, second) is equal

    return Code(run, cost)


def _int_add(one: Run, two: Run) -> Run:
    return lambda frame: checked_int(one(frame) + two(frame))


def _int_subtract(one: Run, two: Run) -> Run:
    return lambda frame: checked_int(one(frame) - two(frame))


_INT_OPERATORS: Mapping[str, Callable[[Run, Run], Run]] = {
    "_<_": lambda one, two: lambda frame: one(frame) < two(frame),
    "_<=_": lambda one, two: lambda frame: one(frame) <= two(frame),
    "_>_": lambda one, two: lambda frame: one(frame) > two(frame),
    "_>=_": lambda one, two: lambda frame: one(frame) >= two(frame),
    "_+_": _int_add,
    "_-_": _int_subtract,
}
"""Operators over ints, which Python has itself."""

