"""Label and field selectors: parsed once, matched by closures (FEATURES rows 40, 41).

Grammar and error texts are those of apimachinery's labels.Parse and fields.ParseSelector (PROTOCOL.md section 2).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from functools import cached_property
from typing import NoReturn

import msgspec

from watchd.registry.formats import LABEL_MAX, label_value, qualified_name
from watchd.registry.strategy import UNKNOWN_FIELD
from watchd.status import FieldError, FieldProblem, bad_request, go_quote

NAME_FIELD = "metadata.name"
"""The field that names one object: authorization and watch indexes look for an equality on it."""

NAMESPACE_FIELD = "metadata.namespace"

_INT64 = range(-(1 << 63), 1 << 63)
_GO_INT = re.compile(r"[+-]?[0-9]+", re.ASCII)


class Operator(StrEnum):
    """How a label requirement relates its key and its values."""

    EQUALS = "="
    DOUBLE_EQUALS = "=="
    NOT_EQUALS = "!="
    IN = "in"
    NOT_IN = "notin"
    EXISTS = "exists"
    DOES_NOT_EXIST = "!"
    GREATER_THAN = "gt"
    LESS_THAN = "lt"


_BINARY = "in, notin, =, ==, !=, gt, lt"
_COMPARISONS = (Operator.GREATER_THAN, Operator.LESS_THAN)
_SIGNS = {Operator.GREATER_THAN: ">", Operator.LESS_THAN: "<", Operator.IN: " in ", Operator.NOT_IN: " notin "}

LabelMatcher = Callable[[Mapping[str, str]], bool]


def go_int64(text: str) -> int | None:
    """Read an integer as strconv.ParseInt(text, 10, 64) does, or return None."""
    if len(text) > LABEL_MAX or not _GO_INT.fullmatch(text):
        return None
    number = int(text)
    return number if number in _INT64 else None


class Requirement(msgspec.Struct, frozen=True):
    """One condition on the labels."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()
    """Sorted, without repetition."""

    def __str__(self) -> str:
        """Return the canonical text."""
        match self.operator:
            case Operator.EXISTS:
                return self.key
            case Operator.DOES_NOT_EXIST:
                return f"!{self.key}"
            case Operator.IN | Operator.NOT_IN:
                return f"{self.key}{_SIGNS[self.operator]}({','.join(self.values)})"
        return f"{self.key}{_SIGNS.get(self.operator, self.operator)}{self.values[0]}"

    def compile(self) -> LabelMatcher:
        """Return a function that tells whether labels meet the condition."""
        key, values = self.key, frozenset(self.values)
        matcher: LabelMatcher
        match self.operator:
            case Operator.EXISTS:
                matcher = lambda labels: key in labels  # noqa: E731  # a table of closures
            case Operator.DOES_NOT_EXIST:
                matcher = lambda labels: key not in labels  # noqa: E731  # a table of closures
            case Operator.GREATER_THAN | Operator.LESS_THAN:
                matcher = self._comparison()
            case Operator.NOT_IN | Operator.NOT_EQUALS:
                # A missing label is None, which no set of values holds.
                matcher = lambda labels: labels.get(key) not in values  # noqa: E731  # a table of closures
            case _:
                matcher = lambda labels: labels.get(key) in values  # noqa: E731  # a table of closures
        return matcher

    def _comparison(self) -> LabelMatcher:
        key, bound, sign = self.key, int(self.values[0]), 1 if self.operator is Operator.GREATER_THAN else -1

        def compare(labels: Mapping[str, str]) -> bool:
            number = go_int64(labels.get(key, ""))
            return number is not None and sign * (number - bound) > 0

        return compare


class LabelSelector(msgspec.Struct, frozen=True, dict=True):
    """All of some requirements; the empty one selects everything."""

    requirements: tuple[Requirement, ...] = ()
    """By key."""

    @cached_property
    def matches(self) -> LabelMatcher:
        """Whether a set of labels is selected."""
        return _all([requirement.compile() for requirement in self.requirements])

    @classmethod
    def parse(cls, text: str) -> LabelSelector:
        """Parse a labelSelector. Raises StatusError (400)."""
        return cls(tuple(sorted(_LabelParser(text).parse(), key=lambda r: r.key))) if text else EVERY_LABEL

    def exact(self, key: str) -> str | None:
        """Return the one value that a label must have, or None where there is no such requirement."""
        for requirement in self.requirements:
            if requirement.key == key:
                equal = requirement.operator in (Operator.EQUALS, Operator.DOUBLE_EQUALS, Operator.IN)
                return requirement.values[0] if equal and len(requirement.values) == 1 else None
        return None

    def __bool__(self) -> bool:
        """Tell whether anything is required."""
        return bool(self.requirements)

    def __str__(self) -> str:
        """Return the canonical text: what parses into an equal selector."""
        return ",".join(map(str, self.requirements))


def _all(matchers: list[LabelMatcher]) -> LabelMatcher:
    match matchers:
        case []:
            return lambda _: True
        case [only]:
            return only
        case [first, second]:
            return lambda values: first(values) and second(values)
    return lambda values: all(matcher(values) for matcher in matchers)


EVERY_LABEL = LabelSelector()
"""The selector that requires nothing."""

_SPECIAL = frozenset("=!(),><")
_BLANK = frozenset(" \t\r\n")
_IDENTIFIER, _END, _ERROR = "identifier", "end", "error"
_SYMBOLS = frozenset({")", ",", "!", "==", "=", ">", "<", "!=", "("})
_WORDS = {"in": Operator.IN, "notin": Operator.NOT_IN}
_OPERATORS = {
    "=": Operator.EQUALS,
    "==": Operator.DOUBLE_EQUALS,
    "!=": Operator.NOT_EQUALS,
    ">": Operator.GREATER_THAN,
    "<": Operator.LESS_THAN,
    **_WORDS,
}


def _tokens(text: str) -> list[tuple[str, str]]:
    """Cut a selector into (token, literal)."""
    out: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        if text[at] in _BLANK:
            at += 1
            continue
        start = at
        if text[at] not in _SPECIAL:
            while at < len(text) and text[at] not in _SPECIAL and text[at] not in _BLANK:
                at += 1
            literal = text[start:at]
            out.append((literal if literal in _WORDS else _IDENTIFIER, literal))
            continue
        # Symbols are at most two characters long; each single one but a leading one of those is a token itself.
        literal = text[at : at + 2] if text[at : at + 2] in _SYMBOLS else text[at]
        at += len(literal)
        out.append((literal, literal))
    out.append((_END, ""))
    return out


def _expected(found: str, what: str) -> NoReturn:
    raise bad_request(f"found '{found}', expected: {what}")


class _LabelParser:
    """A recursive descent over the symbols of a label selector."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def parse(self) -> list[Requirement]:
        """Parse the whole text."""
        out: list[Requirement] = []
        while True:
            symbol, literal = self._look()
            if symbol == _END:
                return out
            if symbol not in (_IDENTIFIER, "!"):
                _expected(literal, "!, identifier, or 'end of string'")
            out.append(self._requirement())
            symbol, literal = self._take()
            if symbol == _END:
                return out
            if symbol != ",":
                _expected(literal, "',' or 'end of string'")
            symbol, literal = self._look()
            if symbol not in (_IDENTIFIER, "!"):
                _expected(literal, "identifier after ','")

    def _look(self) -> tuple[str, str]:
        """Return the next symbol; `in` and `notin` are identifiers wherever no operator is asked for."""
        symbol, literal = self._tokens[min(self._at, len(self._tokens) - 1)]
        return (_IDENTIFIER if symbol in _WORDS else symbol), literal

    def _take(self) -> tuple[str, str]:
        found = self._look()
        self._at += 1
        return found

    def _refuse(self, why: str) -> NoReturn:
        raise bad_request(f"unable to parse requirement: {why}")

    def _requirement(self) -> Requirement:
        symbol, key = self._take()
        absent = symbol == "!"
        if absent:
            symbol, key = self._take()
        if symbol != _IDENTIFIER:
            self._refuse(f"found '{key}', expected: identifier")
        if errors := qualified_name(key):
            self._refuse(str(FieldError(FieldProblem.INVALID, "", key, "; ".join(errors))))
        if absent:
            return Requirement(key, Operator.DOES_NOT_EXIST)
        if self._look()[0] in (_END, ","):
            return Requirement(key, Operator.EXISTS)
        symbol, literal = self._tokens[self._at]
        self._at += 1
        operator = _OPERATORS.get(symbol)
        if operator is None:
            self._refuse(f"found '{literal}', expected: {_BINARY}")
        found = self._values() if operator in (Operator.IN, Operator.NOT_IN) else {self._exact_value()}
        values = tuple(sorted(found))
        self._check_values(key, operator, values)
        return Requirement(key, operator, values)

    def _check_values(self, key: str, operator: Operator, values: tuple[str, ...]) -> None:
        errors = []
        if operator in _COMPARISONS and go_int64(values[0]) is None:
            why = "for 'Gt', 'Lt' operators, the value must be an integer"
            errors.append(FieldError(FieldProblem.INVALID, "values[0]", values[0], why))
        for index, value in enumerate(values):
            if wrong := label_value(value):
                errors.append(FieldError(FieldProblem.INVALID, f"values[{index}][{key}]", value, "; ".join(wrong)))
        if errors:
            texts = list(dict.fromkeys(map(str, errors)))
            self._refuse(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")

    def _exact_value(self) -> str:
        if self._look()[0] in (_END, ","):
            return ""
        symbol, literal = self._take()
        if symbol != _IDENTIFIER:
            self._refuse(f"found '{literal}', expected: identifier")
        return literal

    def _values(self) -> set[str]:
        symbol, literal = self._take()
        if symbol != "(":
            self._refuse(f"found '{literal}' expected: '('")
        symbol, literal = self._look()
        if symbol == ")":
            self._take()
            return {""}
        if symbol not in (_IDENTIFIER, ","):
            self._refuse(f"found '{literal}', expected: ',', ')' or identifier")
        values: set[str] = set()
        while True:
            symbol, literal = self._take()
            if symbol == _IDENTIFIER:
                values.add(literal)
                symbol, literal = self._look()
                if symbol not in (",", ")"):
                    self._refuse(f"found '{literal}', expected: ',' or ')'")
            elif symbol == ",":
                # An empty place before, between or behind commas is the empty value.
                if not values or self._look()[0] in (",", ")"):
                    values.add("")
            else:
                self._refuse(f"found '{literal}', expected: ',', or identifier")
            if self._look()[0] == ")":
                self._take()
                return values


class FieldTerm(msgspec.Struct, frozen=True):
    """One condition on a field."""

    field: str
    value: str
    equal: bool = True
    """False for `!=`."""

    def __str__(self) -> str:
        """Return the canonical text."""
        escaped = self.value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
        return f"{self.field}{'=' if self.equal else '!='}{escaped}"

    def compile(self) -> LabelMatcher:
        """Return a function that tells whether fields meet the condition; a missing field is empty."""
        field, value = self.field, self.value
        if self.equal:
            return lambda fields: fields.get(field, "") == value
        return lambda fields: fields.get(field, "") != value


class FieldSelector(msgspec.Struct, frozen=True, dict=True):
    """All of some terms; the empty one selects everything."""

    terms: tuple[FieldTerm, ...] = ()

    @cached_property
    def matches(self) -> LabelMatcher:
        """Whether a set of field values is selected."""
        return _all([term.compile() for term in self.terms])

    @classmethod
    def parse(cls, text: str) -> FieldSelector:
        """Parse a fieldSelector. Raises StatusError (400)."""
        terms = [_field_term(text, part) for part in sorted(_field_parts(text)) if part]
        # A term of nothing at all asks nothing, as in the reference.
        return cls(tuple(term for term in terms if term.field or term.value)) if text else EVERY_FIELD

    def exact(self, field: str) -> str | None:
        """Return the one value that a field must have, or None where there is no such term."""
        for term in self.terms:
            if term.equal and term.field == field:
                return term.value
        return None

    def and_name(self, name: str) -> FieldSelector:
        """Narrow to the one object of a name: the path of a legacy watch names it."""
        return self if self.exact(NAME_FIELD) == name else FieldSelector((*self.terms, FieldTerm(NAME_FIELD, name)))

    def check_fields(self, known: Collection[str], refusal: str = UNKNOWN_FIELD) -> None:
        """Refuse fields that the kind cannot be selected by.

        Args:
            known: the fields it can, metadata.name among them.
            refusal: how the kind answers (Strategy.unknown_field).

        Raises:
            StatusError: 400.

        """
        for term in self.terms:
            if term.field in known:
                continue
            raise bad_request(refusal.format(field=term.field, quoted=go_quote(term.field)))

    def __bool__(self) -> bool:
        """Tell whether anything is required."""
        return bool(self.terms)

    def __str__(self) -> str:
        """Return the canonical text: what parses into an equal selector."""
        return ",".join(map(str, self.terms))


EVERY_FIELD = FieldSelector()
"""The selector that requires nothing."""

_FIELD_OPERATOR = re.compile("!=|==|=")
_FIELD_PART = re.compile(r"(?:\\.|[^\\,])*(?:\\$)?", re.DOTALL)
_ESCAPED = re.compile(r"\\(.?)|([,=])", re.DOTALL)


def _field_parts(text: str) -> list[str]:
    """Cut at the commas that no backslash protects."""
    parts, at = [], 0
    while True:
        found = _FIELD_PART.match(text, at)
        end = found.end() if found else at
        parts.append(text[at:end])
        if end >= len(text):
            return parts
        at = end + 1


def _field_term(selector: str, part: str) -> FieldTerm:
    operator = _FIELD_OPERATOR.search(part)
    if operator is None:
        raise bad_request(f"invalid selector: '{selector}'; can't understand '{part}'")
    return FieldTerm(part[: operator.start()], _unescape(part[operator.end() :]), equal=operator[0] != "!=")


def _unescape(value: str) -> str:
    def replace(found: re.Match[str]) -> str:
        escaped, bare = found.groups()
        if bare:
            # The reference prints the character's number.
            raise bad_request(f"invalid field selector: unescaped character in value: {ord(bare)}")
        if escaped not in ("\\", ",", "="):
            raise bad_request(f"invalid field selector: invalid escape sequence: \\{escaped}")
        return str(escaped)

    return _ESCAPED.sub(replace, value)
