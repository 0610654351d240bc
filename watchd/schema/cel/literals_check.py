"""Literals that can only fail when they are evaluated, found before: patterns, durations, timestamps, mixed lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from watchd.schema.cel.ast import Call, ListLiteral, Literal, MapLiteral, Node
from watchd.schema.cel.errors import Issue
from watchd.schema.cel.regex import BadPattern, compiled
from watchd.schema.cel.times import parse_duration, parse_timestamp
from watchd.schema.cel.types import Kind, Type, unwrap_optional


def issues(nodes: Iterable[Node]) -> list[Issue]:
    """Return what is wrong with the literals of a checked expression."""
    found: list[Issue] = []
    for node in nodes:
        match node:
            case Call(function="duration" | "timestamp", args=[Literal(value=str(text)) as literal]):
                parse = parse_duration if node.function == "duration" else parse_timestamp
                if parse(text) is None:
                    found.append(Issue(literal.position, f"invalid {node.function} argument"))
            case Call(function="matches", args=[*_, Literal(value=str(text)) as literal]):
                if not _is_pattern(text):
                    found.append(Issue(literal.position, "invalid matches argument"))
            case ListLiteral() | MapLiteral():
                found.extend(_mixed(node))
    return found


def _is_pattern(text: str) -> bool:
    try:
        compiled(text)
    except BadPattern:
        return False
    return True


def _mixed(node: ListLiteral | MapLiteral) -> Iterator[Issue]:
    if isinstance(node, ListLiteral):
        columns = [[(element, index in node.optional) for index, element in enumerate(node.elements)]]
    else:
        columns = [
            [(entry.key, False) for entry in node.entries],
            [(entry.value, entry.optional) for entry in node.entries],
        ]
    for column in columns:
        wanted: Type | None = None
        for element, optional in column:
            found = unwrap_optional(element.type)[0] if optional else element.type
            if wanted is None:
                wanted = found
            elif not _same(wanted, found):
                yield Issue(element.position, f"expected type '{wanted}' but found '{found}'")
                break


def _same(first: Type, second: Type) -> bool:
    if Kind.DYN in {first.kind, second.kind} and first.kind is second.kind:
        return True
    return first == second or first.kind is Kind.NULL or second.kind is Kind.NULL
