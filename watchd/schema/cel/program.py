"""Checked expressions compiled to closures.

A closure takes the frame of one evaluation, a list: what it has cost so far, `self`, `oldSelf`, then the variables of
folds. What a closure always costs is known when it is compiled and is counted by whoever decides that it runs: the
whole expression, a branch of `&&`, `||` or `?:`, or a turn of a fold. It counts itself what depends on values.
"""

from __future__ import annotations

from typing import Any

import attrs

from watchd.schema.cel import costs, functions
from watchd.schema.cel.ast import Call, Comprehension, Ident, ListLiteral, Literal, MapLiteral, Node, Select
from watchd.schema.cel.checker import TYPE_NAMES, Checked, qualified
from watchd.schema.cel.code import Code, Failed, Frame, Run, constant
from watchd.schema.cel.costs import LIMIT, LIST, MAP
from watchd.schema.cel.errors import CompileError, CostExceeded, EvaluationError
from watchd.schema.cel.fast import fast
from watchd.schema.cel.regex import BadPattern, compiled
from watchd.schema.cel.selection import has, index, optional_select, present
from watchd.schema.cel.types import unwrap_optional
from watchd.schema.cel.values import NONE, Optional, Struct, TypeValue, Uint, no_overload

_FIRST = 3
"""Where the variables of folds begin in a frame."""

_ABSENT = object()
"""In a frame: a variable without a value."""


@attrs.define
class Outcome:
    """What came of an evaluation."""

    value: Any
    cost: int
    error: Exception | None = None


class Program:
    """A compiled expression."""

    def __init__(self, checked: Checked) -> None:
        code = _Compiler().compile(checked.tree)
        self._run = code.run
        self._cost = code.cost
        self._frame: Frame = [code.cost, None, None, *[None] * _depth(checked.tree)]

    def evaluate(self, value: Any, old: Any = _ABSENT) -> Outcome:
        """Evaluate the expression for a value of `self`, and of `oldSelf` where there is one."""
        frame = self._frame.copy()
        frame[1] = value
        frame[2] = old
        try:
            found = self._run(frame)
        except EvaluationError as error:
            return Outcome(None, frame[0], CostExceeded() if frame[0] > LIMIT else error)
        except RecursionError:
            return Outcome(None, frame[0], EvaluationError("max recursion depth exceeded"))
        except CostExceeded as error:
            return Outcome(None, max(frame[0], LIMIT + 1), error)
        if frame[0] > LIMIT:
            return Outcome(None, frame[0], CostExceeded())
        return Outcome(found, frame[0])


def _depth(node: Node) -> int:
    """Return how many variables of folds are alive at once at most."""
    return max(map(_depth, node.below()), default=0) + (3 if isinstance(node, Comprehension) else 0)


class _Compiler:
    def __init__(self) -> None:
        self._slots: dict[str, int] = {"self": 1, "oldSelf": 2}
        self._next = _FIRST

    def compile(self, node: Node) -> Code:  # noqa: PLR0911 - a table of cases
        match node:
            case Literal():
                return constant(node.value)
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

    # Variables and what is in them.

    def _ident(self, node: Ident) -> Code:
        slot = self._slots.get(node.name)
        if slot is None:
            return constant(_type_value(node.name))
        if slot == 1:
            return Code(lambda frame: frame[1], 1, own=1)
        name = node.name

        def run(frame: Frame) -> Any:
            value = frame[slot]
            if value is _ABSENT:
                raise EvaluationError(f"no such attribute(s): {name}")
            if type(value) is Failed:
                raise value.error
            return value

        return Code(run, 1, own=1)

    def _base(self, node: Node) -> tuple[Code, int]:
        """Return an operand that something is selected from, and what looking it up costs by itself."""
        code = self.compile(node)
        # What is no path yet becomes the beginning of one.
        return (code, max(code.own, 0)) if code.own >= 0 else (attrs.evolve(code, cost=code.cost + 1), 1)

    def _select(self, node: Select) -> Code:
        name = qualified(node)
        if name is not None and name in TYPE_NAMES and not node.test:
            return constant(_type_value(name))
        code, own = self._base(node.operand)
        inner, field = code.run, node.field
        if unwrap_optional(node.operand.type)[1]:
            return _from_optional(code, own, lambda _: field, test=node.test)
        if node.test:
            return Code(lambda frame: has(inner(frame), field), code.cost - own + 1, own=0)

        def run(frame: Frame) -> Any:
            value = inner(frame)
            try:
                # Of an object or a map: the usual case.
                return value[field]
            except (KeyError, TypeError):
                return index(value, field)

        return Code(run, code.cost + 1, own=own)

    def _optional_select(self, node: Call) -> Code:
        code, own = self._base(node.args[0])
        key = self.compile(node.args[1])
        inner, get = code.run, key.run
        cost = code.cost + (0 if key.constant else key.inner)

        def run(frame: Frame) -> Any:
            found = optional_select(inner(frame), get(frame))
            if found is not NONE:
                # What is not there was not looked at.
                frame[0] += 1
            return found

        return Code(run, cost, own=own)

    def _index(self, node: Call) -> Code:
        code, own = self._base(node.args[0])
        key = self.compile(node.args[1])
        inner, get = code.run, key.run
        if unwrap_optional(node.args[0].type)[1]:
            return _from_optional(attrs.evolve(code, cost=code.cost + key.inner), own, get)
        cost = code.cost + 1 + key.inner

        def run(frame: Frame) -> Any:
            return index(inner(frame), get(frame))

        return Code(run, cost, own=own)

    # Calls.

    def _call(self, node: Call) -> Code:  # noqa: PLR0911 - a table of cases
        match node.function:
            case "_&&_":
                return self._and_or(node, decides=False)
            case "_||_":
                return self._and_or(node, decides=True)
            case "_?_:_":
                return self._conditional(node)
            case "_[_]":
                return self._index(node)
            case "_?._" | "_[?_]":
                return self._optional_select(node)
            case "@not_strictly_false" | "__not_strictly_false__":
                return self._not_strictly_false(node)
            case "or" | "orValue":
                return self._or_value(node)
        codes = [self.compile(operand) for operand in node.operands]
        return fast(node, codes) or self._plain(node, codes)

    def _plain(self, node: Call, codes: list[Code]) -> Code:
        name = node.function
        overload = node.overloads[0] if len(node.overloads) == 1 else ""
        call = functions.named(name, overload)
        if name in functions.CONVERSIONS and codes[0].constant:
            try:
                return constant(call(codes[0].run([])))
            except EvaluationError as error:
                raise CompileError(str(error)) from error
        price = costs.of(name, overload)
        cost = sum(code.cost for code in codes) + (price is None)
        if name in {"matches", "find", "findAll"} and codes[1].constant:
            _compile_pattern(codes[1].run([]))
        runs = [code.run for code in codes]
        if price is None:
            return Code(_unpriced(call, runs), cost)

        def priced(frame: Frame) -> Any:
            args = tuple([run(frame) for run in runs])
            result = call(*args)
            frame[0] += price(result, args)
            return result

        return Code(priced, cost)

    def _and_or(self, node: Call, *, decides: bool) -> Code:
        one, two = (self.compile(operand) for operand in node.operands)
        first, second, extra = one.run, two.run, two.cost

        def after_error(frame: Frame, error: EvaluationError) -> Any:
            frame[0] += extra
            try:
                value = second(frame)
            except EvaluationError:
                raise error from None
            if value is not decides:
                raise error
            return decides

        def run(frame: Frame) -> Any:
            try:
                value = first(frame)
            except EvaluationError as error:
                return after_error(frame, error)
            if value is decides:
                return decides
            if type(value) is not bool:
                return after_error(frame, no_overload())
            frame[0] += extra
            value = second(frame)
            if value is decides:
                return decides
            if type(value) is not bool:
                raise no_overload()
            return not decides

        return Code(run, one.cost)

    def _conditional(self, node: Call) -> Code:
        condition, one, two = (self.compile(operand) for operand in node.operands)
        test, first, second = condition.run, one.run, two.run
        first_cost, second_cost = one.inner, two.inner

        def run(frame: Frame) -> Any:
            value = test(frame)
            if value is True:
                frame[0] += first_cost
                return first(frame)
            if value is False:
                frame[0] += second_cost
                return second(frame)
            raise no_overload()

        return Code(run, condition.cost, own=0)

    def _not_strictly_false(self, node: Call) -> Code:
        code = self.compile(node.args[0])
        inner = code.run

        def run(frame: Frame) -> bool:
            try:
                return inner(frame) is not False
            except EvaluationError:
                return True

        return Code(run, code.cost + 1)

    def _or_value(self, node: Call) -> Code:
        one, two = (self.compile(operand) for operand in node.operands)
        first, second, extra = one.run, two.run, two.cost
        unwrap = node.function == "orValue"

        def run(frame: Frame) -> Any:
            value = first(frame)
            if type(value) is not Optional:
                raise no_overload()
            if value.present:
                return value.value if unwrap else value
            frame[0] += extra
            other = second(frame)
            if not unwrap and type(other) is not Optional:
                raise no_overload()
            return other

        return Code(run, one.cost)

    # Literals.

    def _list(self, node: ListLiteral) -> Code:
        codes = [self.compile(element) for element in node.elements]
        runs = [code.run for code in codes]
        if not node.optional:
            if all(code.constant for code in codes):
                return constant([run([]) for run in runs])
            cost = sum(code.cost for code in codes) + LIST
            if len(runs) == 1:
                only = runs[0]
                return Code(lambda frame: [only(frame)], cost)
            return Code(lambda frame: [run(frame) for run in runs], cost)
        flags = [position in node.optional for position in range(len(runs))]

        def build(frame: Frame) -> list[Any]:
            out = []
            for run, optional in zip(runs, flags, strict=True):
                value = run(frame)
                if not optional:
                    out.append(value)
                elif present(value):
                    out.append(value.value)
            return out

        return Code(build, sum(code.cost for code in codes) + LIST)

    def _map(self, node: MapLiteral) -> Code:
        codes = [(self.compile(entry.key), self.compile(entry.value), entry.optional) for entry in node.entries]
        cost = sum(key.cost + value.cost for key, value, _ in codes) + MAP
        runs = [(key.run, value.run, optional) for key, value, optional in codes]

        def build(frame: Frame) -> dict[Any, Any]:
            out: dict[Any, Any] = {}
            for get_key, get_value, optional in runs:
                key, value = get_key(frame), get_value(frame)
                if isinstance(key, list | dict):
                    raise EvaluationError("unsupported key type")
                if not optional:
                    out[key] = value
                elif present(value):
                    out[key] = value.value
            return out

        if all(key.constant and value.constant for key, value, _ in codes):
            try:
                return constant(build([]))
            except EvaluationError:
                return Code(build, 0)
        return Code(build, cost)

    # Folds.

    def _fold(self, node: Comprehension) -> Code:
        over = self.compile(node.range)
        initial = self.compile(node.initial)
        outer, start = self._slots, self._next
        slot, first, second = start, start + 1, start + 2
        self._next += 3
        names = {node.accumulator: slot, node.variable: first}
        if node.second:
            names[node.second] = second
        self._slots = {**outer, **names}
        try:
            if node.macro and isinstance(node.step, Call):
                predicate = self.compile(node.step.args[1])
                return self._quantifier(node, over, predicate, first, second)
            condition, step = self.compile(node.condition), self.compile(node.step)
            self._slots = {**outer, node.accumulator: slot}
            result = self.compile(node.result)
        finally:
            self._slots, self._next = outer, start
        pairs = bool(node.second)
        ranged, begin, goes_on, advance, finish = over.run, initial.run, condition.run, step.run, result.run
        turn = condition.cost
        step_cost = step.cost
        always = condition.constant

        def run(frame: Frame) -> Any:
            values = ranged(frame)
            try:
                frame[slot] = begin(frame)
            except EvaluationError as error:
                frame[slot] = Failed(error)
            for entry in entries(values, pairs=pairs):
                if pairs:
                    frame[first], frame[second] = entry
                else:
                    frame[first] = entry
                frame[0] += turn
                if not always and goes_on(frame) is False:
                    break
                frame[0] += step_cost
                try:
                    frame[slot] = advance(frame)
                except EvaluationError as error:
                    frame[slot] = Failed(error)
                if frame[0] > LIMIT:
                    raise CostExceeded
            return finish(frame)

        return Code(run, over.cost + initial.cost + result.cost)

    def _quantifier(self, node: Comprehension, over: Code, predicate: Code, first: int, second: int) -> Code:  # noqa: C901 - a table of cases
        """Return code for `all` or `exists`."""
        stops = node.macro == "exists"
        pairs = bool(node.second)
        # A turn looks at what has come so far, asks whether to go on, and looks at it again.
        check = 3 if stops else 2
        turn = check + 1 + predicate.cost
        ranged, test = over.run, predicate.run

        def run(frame: Frame) -> bool:  # noqa: C901 - a table of cases
            failure: EvaluationError | None = None
            decided = False
            for entry in entries(ranged(frame), pairs=pairs):
                if decided:
                    frame[0] += check
                    break
                if pairs:
                    frame[first], frame[second] = entry
                else:
                    frame[first] = entry
                frame[0] += turn
                try:
                    value = test(frame)
                except EvaluationError as error:
                    failure = failure or error
                else:
                    if value is stops:
                        decided = True
                    elif type(value) is not bool:
                        failure = failure or no_overload()
                if frame[0] > LIMIT:
                    raise CostExceeded
            if decided:
                return stops
            if failure is not None:
                raise failure
            return not stops

        return Code(run, over.cost + 1)


def entries(values: Any, *, pairs: bool) -> Any:
    """Return what a fold goes over: elements or keys, or pairs of index or key and element or value."""
    if isinstance(values, list):
        return enumerate(values) if pairs else values
    if isinstance(values, Struct):
        names = values.names()
        return [(name, values.find(name)) for name in names] if pairs else names
    if isinstance(values, dict):
        return list(values.items()) if pairs else list(values)
    if pairs:
        raise EvaluationError(f"unsupported comprehension range type: {_go_type(values)}")
    raise EvaluationError(f"got '{_go_type(values)}', expected iterable type")


_GO_TYPES: dict[type, str] = {
    str: "types.String",
    int: "types.Int",
    Uint: "types.Uint",
    float: "types.Double",
    bool: "types.Bool",
    bytes: "types.Bytes",
    type(None): "types.Null",
    Optional: "*types.Optional",
}


def _go_type(value: Any) -> str:
    return _GO_TYPES.get(type(value), type(value).__name__)


def _type_value(name: str) -> TypeValue:
    return TypeValue(name)


def _from_optional(code: Code, own: int, get: Run, *, test: bool = False) -> Code:
    """Return code that goes on from an optional; where it has no value nothing is looked at."""
    inner = code.run
    if test:

        def check(frame: Frame) -> bool:
            value = inner(frame)
            if type(value) is Optional and not value.present:
                return False
            found = has(value, get(frame))
            frame[0] += found
            return found

        return Code(check, code.cost - own, own=0)

    def run(frame: Frame) -> Any:
        found = index(inner(frame), get(frame))
        if found is not NONE:
            frame[0] += 1
        return found

    return Code(run, code.cost, own=own)


def _unpriced(call: functions.Function, runs: list[Run]) -> Run:
    match runs:
        case [first]:
            return lambda frame: call(first(frame))
        case [first, second]:
            return lambda frame: call(first(frame), second(frame))
        case _:
            return lambda frame: call(*[run(frame) for run in runs])


def _compile_pattern(pattern: Any) -> None:
    try:
        compiled(pattern)
    except BadPattern as error:
        raise CompileError(str(error)) from error
