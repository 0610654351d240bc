"""The tree of an expression. The checker writes types and overloads into it; nothing else changes it after parsing."""

from __future__ import annotations

from typing import Any

import attrs

from watchd.schema.cel.types import DYN, Type


@attrs.define(eq=False, kw_only=True)
class Node:
    """Any expression."""

    position: int
    """Code points from the start of the source, of the token that errors point at."""
    type: Type = DYN
    """Known after checking."""

    def below(self) -> list[Node]:
        """Return the expressions directly below."""
        return []


@attrs.define(eq=False)
class Literal(Node):
    """A constant: int, Uint, float, str, bytes, bool or None."""

    value: Any


@attrs.define(eq=False)
class Ident(Node):
    """A variable, or the name of a type."""

    name: str


@attrs.define(eq=False)
class Select(Node):
    """`operand.field`, or `has(operand.field)`."""

    operand: Node
    field: str
    test: bool = False

    def below(self) -> list[Node]:
        """Return the operand."""
        return [self.operand]


@attrs.define(eq=False)
class Call(Node):
    """A function or operator."""

    function: str
    target: Node | None
    args: list[Node]
    overloads: tuple[str, ...] = ()
    """What the function may be, as far as types tell; known after checking."""

    def below(self) -> list[Node]:
        """Return the operands."""
        return self.operands

    @property
    def operands(self) -> list[Node]:
        """The target and the arguments."""
        return self.args if self.target is None else [self.target, *self.args]


@attrs.define(eq=False)
class ListLiteral(Node):
    """`[a, ?b]`."""

    elements: list[Node]
    optional: frozenset[int] = frozenset()
    """Indices of the elements that are left out where they have no value."""

    def below(self) -> list[Node]:
        """Return the elements."""
        return self.elements


@attrs.frozen(eq=False)
class Entry:
    """One key and value of a map, or one field of a message."""

    position: int
    key: Node
    value: Node
    optional: bool = False


@attrs.define(eq=False)
class MapLiteral(Node):
    """`{a: b, ?c: d}`."""

    entries: list[Entry]

    def below(self) -> list[Node]:
        """Return keys and values."""
        return [part for entry in self.entries for part in (entry.key, entry.value)]


@attrs.define(eq=False)
class Message(Node):
    """`Type{field: value}`; no type of this server can be made so."""

    name: str
    entries: list[Entry]


@attrs.define(eq=False)
class Comprehension(Node):
    """What the macros over lists and maps stand for: a fold."""

    range: Node
    variable: str
    second: str
    """The second variable, or empty."""
    accumulator: str
    initial: Node
    condition: Node
    step: Node
    result: Node
    macro: str = ""
    """The quantifier that it stands for, if it stands for one: `all` or `exists`."""

    def below(self) -> list[Node]:
        """Return all parts."""
        return [self.range, self.initial, self.condition, self.step, self.result]
