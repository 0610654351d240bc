"""Types of an expression, worked out before any object is seen (the checker of cel-go, with its messages)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import attrs

from watchd.schema.cel import literals_check
from watchd.schema.cel.ast import (
    Call,
    Comprehension,
    Ident,
    ListLiteral,
    Literal,
    MapLiteral,
    Message,
    Node,
    Select,
)
from watchd.schema.cel.declarations import FUNCTIONS, Overload
from watchd.schema.cel.errors import Issue, compile_error, too_deep
from watchd.schema.cel.parser import parse
from watchd.schema.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    ERROR,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    TYPE,
    UINT,
    Kind,
    Substitutions,
    Type,
    assignable,
    list_of,
    map_of,
    most_general,
    object_type,
    optional_of,
    parameter,
    substitute,
    type_of,
    unwrap_optional,
)
from watchd.schema.cel.values import Uint


class Fields(Protocol):
    """Knows the fields of structures."""

    def field(self, structure: str, name: str) -> Type | None:
        """Return the type of a field, or None."""


@attrs.frozen
class Environment:
    """What an expression may refer to."""

    variables: Mapping[str, Type]
    fields: Fields


@attrs.frozen
class Checked:
    """An expression whose types are known."""

    source: str
    tree: Node
    references: frozenset[str]
    """The variables of the environment that it names."""

    @property
    def type(self) -> Type:
        """What the expression evaluates to."""
        return self.tree.type


_LITERALS: dict[type, Type] = {
    bool: BOOL,
    int: INT,
    Uint: UINT,
    float: DOUBLE,
    str: STRING,
    bytes: BYTES,
    type(None): NULL,
}

TYPE_NAMES: Mapping[str, Type] = {
    **{str(one): type_of(one) for one in (BOOL, BYTES, DOUBLE, INT, STRING, UINT)},
    "null_type": type_of(NULL),
    "type": type_of(TYPE),
    "list": type_of(list_of(DYN)),
    "map": type_of(map_of(DYN, DYN)),
    "optional_type": type_of(optional_of(DYN)),
    "google.protobuf.Timestamp": type_of(TIMESTAMP),
    "google.protobuf.Duration": type_of(DURATION),
    **{
        name: type_of(object_type(name))
        for name in ("net.IP", "net.CIDR", "kubernetes.Quantity", "kubernetes.URL", "kubernetes.Semver")
    },
}
"""Names of types, which are values of expressions too."""


def check(source: str, environment: Environment) -> Checked:
    """Parse an expression and work out its types.

    Raises:
        CompileError: it is none, or its types do not fit.

    """
    checker = _Checker(environment)
    try:
        tree = parse(source)
        checker.run(tree)
        issues = [] if checker.issues else literals_check.issues(checker.nodes)
    except RecursionError:
        raise too_deep() from None
    if checker.issues:
        raise compile_error(source, checker.issues)
    if issues:
        raise compile_error(source, issues)
    return Checked(source, tree, frozenset(checker.references))


class _Checker:
    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._scopes: list[dict[str, Type]] = [dict(environment.variables)]
        self._known: Substitutions = {}
        self._opened = 0
        self.issues: list[Issue] = []
        self.nodes: list[Node] = []
        self.references: set[str] = set()

    def run(self, tree: Node) -> None:
        self._check(tree)
        for node in self.nodes:
            node.type = substitute(self._known, node.type, close=True)

    # Helpers.

    def _complain(self, node: Node, message: str) -> None:
        self.issues.append(Issue(node.position, message))

    def _fresh(self) -> Type:
        self._opened += 1
        return parameter(f"_var{self._opened - 1}")

    def _assignable(self, first: tuple[Type, ...], second: tuple[Type, ...]) -> bool:
        known = assignable(self._known, first, second)
        if known is None:
            return False
        self._known = known
        return True

    def _expect(self, node: Node, wanted: Type) -> None:
        if not self._assignable((wanted,), (node.type,)):
            self._complain(node, f"expected type '{wanted}' but found '{node.type}'")

    def _lookup(self, name: str) -> Type | None:
        for scope in reversed(self._scopes):
            if name in scope:
                if scope is self._scopes[0]:
                    self.references.add(name)
                return scope[name]
        return TYPE_NAMES.get(name)

    # Nodes.

    def _check(self, node: Node) -> Type:
        match node:
            case Literal():
                found = _LITERALS[type(node.value)]
            case Ident():
                found = self._ident(node)
            case Select():
                found = self._select(node)
            case Call():
                found = self._call(node)
            case ListLiteral():
                found = self._list(node)
            case MapLiteral():
                found = self._map(node)
            case Message():
                self._complain(node, f"undeclared reference to '{node.name}' (in container '')")
                found = ERROR
            case Comprehension():
                found = self._fold(node)
            case _:
                raise AssertionError(node)
        node.type = found
        self.nodes.append(node)
        return found

    def _ident(self, node: Ident) -> Type:
        name = node.name.removeprefix(".")
        found = self._lookup(name)
        if found is None:
            self._complain(node, f"undeclared reference to '{node.name}' (in container '')")
            return ERROR
        node.name = name
        return found

    def _select(self, node: Select) -> Type:
        name = qualified(node)
        if name is not None and name in TYPE_NAMES and not node.test:
            return TYPE_NAMES[name]
        found = self._field(node, node.operand, node.field, optional=False)
        return BOOL if node.test else substitute(self._known, found)

    def _field(self, node: Node, operand: Node, name: str, *, optional: bool) -> Type:
        target, was_optional = unwrap_optional(substitute(self._known, self._check(operand)))
        found = ERROR
        if target.kind is Kind.MAP:
            found = target.parameters[1]
        elif target.kind is Kind.OBJECT:
            declared = self._environment.fields.field(target.name, name)
            if target.name.startswith("kubernetes."):
                self._complain(node, f"unexpected failed resolution of '{target.name}'")
            elif declared is None:
                self._complain(node, f"undefined field '{name}'")
            else:
                found = declared
        elif target.kind is Kind.PARAMETER:
            self._assignable((DYN,), (target,))
            found = DYN
        else:
            if target.kind not in {Kind.DYN, Kind.ERROR}:
                self._complain(node, f"type '{target}' does not support field selection")
            found = DYN
        return optional_of(found) if was_optional or optional else found

    def _call(self, node: Call) -> Type:
        if node.function == "_?._":
            operand, name = node.args
            assert isinstance(name, Literal)  # noqa: S101 - the parser makes no other
            node.overloads = ("select_optional_field",)
            found = substitute(self._known, self._field(node, operand, name.value, optional=True))
            name.type = STRING
            return found
        for arg in node.args:
            self._check(arg)
        if node.target is not None:
            prefix = qualified(node.target)
            if prefix is not None and f"{prefix}.{node.function}" in FUNCTIONS:
                node.function, node.target = f"{prefix}.{node.function}", None
            else:
                self._check(node.target)
        overloads = FUNCTIONS.get(node.function.removeprefix("."))
        if overloads is None:
            self._complain(node, f"undeclared reference to '{node.function}' (in container '')")
            return ERROR
        node.function = node.function.removeprefix(".")
        return self._resolve(node, overloads)

    def _resolve(self, node: Call, overloads: tuple[Overload, ...]) -> Type:
        given = tuple(operand.type for operand in node.operands)
        member = node.target is not None
        if node.function in {"_&&_", "_||_"}:
            node.overloads = (overloads[0].id,)
            wrong = [operand for operand in node.operands if not self._assignable((operand.type,), (BOOL,))]
            for operand in wrong:
                self._complain(operand, f"expected type 'bool' but found '{operand.type}'")
            return ERROR if wrong else BOOL
        found: Type | None = None
        matched: list[str] = []
        for overload in overloads:
            if overload.member != member:
                continue
            fresh = {one: self._fresh() for one in overload.parameters}
            wanted = tuple(substitute(fresh, one) for one in overload.arguments)
            if not self._assignable(given, wanted):
                continue
            matched.append(overload.id)
            result = substitute(self._known, substitute(fresh, overload.result))
            if found is None:
                found = result
            elif found.kind is not Kind.DYN and result != found:
                found = DYN
        if found is None:
            shown = [str(substitute(self._known, one, close=True)) for one in given]
            target = f"{shown.pop(0)}." if member else ""
            text = f"found no matching overload for '{node.function}' applied to '{target}({', '.join(shown)})'"
            self._complain(node, text)
            return ERROR
        node.overloads = tuple(matched)
        return found

    def _join(self, previous: Type | None, current: Type) -> Type:
        if previous is None:
            return current
        if self._assignable((previous,), (current,)):
            return most_general(previous, current)
        return DYN

    def _optional_value(self, node: Node) -> Type:
        inner, is_optional = unwrap_optional(node.type)
        if not is_optional and inner.kind is not Kind.DYN:
            self._complain(node, f"expected type '{optional_of(inner)}' but found '{inner}'")
        return inner

    def _list(self, node: ListLiteral) -> Type:
        joined: Type | None = None
        for index, element in enumerate(node.elements):
            found = self._check(element)
            if index in node.optional:
                found = self._optional_value(element)
            joined = self._join(joined, found)
        return list_of(self._fresh() if joined is None else joined)

    def _map(self, node: MapLiteral) -> Type:
        keys: Type | None = None
        values: Type | None = None
        for entry in node.entries:
            keys = self._join(keys, self._check(entry.key))
            found = self._check(entry.value)
            if entry.optional:
                found = self._optional_value(entry.value)
            values = self._join(values, found)
        return map_of(keys or self._fresh(), values or self._fresh())

    def _fold(self, node: Comprehension) -> Type:
        over = substitute(self._known, self._check(node.range))
        accumulated = self._check(node.initial)
        self._scopes.append({node.accumulator: accumulated})
        first, second = self._variables(node.range, over)
        scope = {node.variable: first}
        if node.second:
            # Over a list the first of two variables is the index, over a map the key.
            scope = {node.variable: INT if over.kind is Kind.LIST else first, node.second: second}
        self._scopes.append(scope)
        self._check(node.condition)
        self._expect(node.condition, BOOL)
        self._check(node.step)
        self._expect(node.step, accumulated)
        self._scopes.pop()
        found = self._check(node.result)
        self._scopes.pop()
        return substitute(self._known, found)

    def _variables(self, node: Node, over: Type) -> tuple[Type, Type]:
        if over.kind is Kind.LIST:
            return over.parameters[0], over.parameters[0]
        if over.kind is Kind.MAP:
            return over.parameters[0], over.parameters[1]
        if over.kind in {Kind.DYN, Kind.ERROR, Kind.PARAMETER}:
            self._assignable((DYN,), (over,))
            return DYN, DYN
        text = f"expression of type '{over}' cannot be range of a comprehension (must be list, map, or dynamic)"
        self._complain(node, text)
        return ERROR, ERROR


def qualified(node: Node) -> str | None:
    """Return the dotted name that an expression is, if it is one."""
    if isinstance(node, Ident):
        return node.name.removeprefix(".")
    if isinstance(node, Select) and not node.test:
        prefix = qualified(node.operand)
        return None if prefix is None else f"{prefix}.{node.field}"
    return None
