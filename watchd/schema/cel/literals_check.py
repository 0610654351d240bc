"""Literals that can only fail when they are evaluated, found before: patterns, times, formats, lists of mixed types."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from watchd.schema.cel import formatting
from watchd.schema.cel.ast import Call, ListLiteral, Literal, MapLiteral, Node
from watchd.schema.cel.errors import EvaluationError, Issue
from watchd.schema.cel.regex import BadPattern, compiled
from watchd.schema.cel.times import MAX_SECONDS, MIN_SECONDS, parse_duration, parse_timestamp
from watchd.schema.cel.types import Kind, Type, unwrap_optional

_PLAIN = frozenset(
    {
        *(Kind.DYN, Kind.LIST, Kind.MAP, Kind.INT, Kind.UINT, Kind.DOUBLE, Kind.BOOL, Kind.STRING),
        *(Kind.TIMESTAMP, Kind.BYTES, Kind.DURATION, Kind.TYPE, Kind.NULL),
    }
)
"""Types that can be written."""

_NAMES = {
    Kind.NULL: "null_type",
    Kind.TIMESTAMP: "google.protobuf.Timestamp",
    Kind.DURATION: "google.protobuf.Duration",
}


def issues(nodes: Iterable[Node]) -> list[Issue]:  # noqa: C901 - a table of cases
    """Return what is wrong with the literals of a checked expression."""
    found: list[Issue] = []
    listed = list(nodes)
    # What is formatted may be of different types.
    exempt: set[int] = set()
    for node in listed:
        if isinstance(node, Call) and node.function == "format":
            exempt.update(map(id, _within(node)))
    for node in listed:
        match node:
            case Call(function="duration" | "timestamp", args=[Literal(value=str(text)) as literal]):
                parse = parse_duration if node.function == "duration" else parse_timestamp
                if parse(text) is None:
                    found.append(Issue(literal.position, f"invalid {node.function} argument"))
            case Call(function="timestamp", args=[Literal(value=int(seconds)) as literal]):
                if not MIN_SECONDS <= seconds <= MAX_SECONDS:
                    found.append(Issue(literal.position, "invalid timestamp argument"))
            case Call(function="matches", args=[*_, Literal(value=str(text)) as literal]):
                if not _is_pattern(text):
                    found.append(Issue(literal.position, "invalid matches argument"))
            case Call(function="format", target=Literal(value=str(text)), args=[ListLiteral(elements=elements)]):
                found.extend(_format(node, text, elements))
            case ListLiteral() | MapLiteral() if id(node) not in exempt:
                found.extend(_mixed(node))
    return found


def _within(node: Node) -> Iterator[Node]:
    yield node
    for below in node.below():
        yield from _within(below)


def _is_pattern(text: str) -> bool:
    try:
        compiled(text)
    except BadPattern:
        return False
    return True


def _format(node: Call, text: str, elements: list[Node]) -> Iterator[Issue]:
    used = 0
    try:
        for piece in formatting.clauses(text, len(elements), counted=False):
            if isinstance(piece, str):
                continue
            wrong = _wrong(piece.letter.lower(), elements[used])
            if wrong is not None:
                yield wrong
                return
            used += 1
    except EvaluationError as error:
        yield Issue(node.position, str(error))
        return
    if used < len(elements):
        counts = f"(expected {used}, got {len(elements)})"
        yield Issue(node.position, f"too many arguments supplied to string.format {counts}")


def _wrong(letter: str, element: Node) -> Issue | None:
    kind = formatting.KINDS[letter]
    if letter == "s":
        bad = _unwritable(element)
    else:
        fits = element.type.kind is Kind.DYN or _name(element.type) in kind.types
        bad = None if fits else element
    if bad is None:
        return None
    return Issue(bad.position, f"error during formatting: {kind.refusal.format(_name(bad.type))}")


def _name(value: Type) -> str:
    return _NAMES.get(value.kind, value.name)


def _unwritable(node: Node) -> Node | None:
    if node.type.kind not in _PLAIN:
        return node
    parts: list[Node] = []
    if isinstance(node, ListLiteral):
        parts = node.elements
    elif isinstance(node, MapLiteral):
        parts = [part for entry in node.entries for part in (entry.key, entry.value)]
    return next((bad for part in parts if (bad := _unwritable(part)) is not None), None)


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
    return first == second
