"""An expression's source as a tree, with macros expanded (CEL's grammar; the messages are those of the reference's parser)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from watchd.schema.cel import macros
from watchd.schema.cel.ast import Call, Entry, Ident, ListLiteral, Literal, MapLiteral, Message, Node, Select
from watchd.schema.cel.errors import Issue, compile_error, too_deep
from watchd.schema.cel.lexer import Token, tokens
from watchd.schema.cel.literals import BadLiteral, bytes_value, string_value
from watchd.schema.cel.values import MAX_INT, MAX_UINT, MIN_INT, Uint, whole

MAX_DEPTH = 250
"""Nested expressions; the reference's limit, which also keeps Python's stack."""

MAX_TREE = 252
"""Levels of the tree of an expression."""

MAX_SIZE = 100_000
"""Code points of an expression."""

RESERVED = frozenset(
    "as break const continue else false for function if import in let loop package namespace null return true var void while".split()  # noqa: SIM905 - a list of words
)
"""Words that name no variable."""

_RELATIONS = {"<": "_<_", "<=": "_<=_", ">=": "_>=_", ">": "_>_", "==": "_==_", "!=": "_!=_", "in": "@in"}
_SUMS = {"+": "_+_", "-": "_-_"}
_PRODUCTS = {"*": "_*_", "/": "_/_", "%": "_%_"}

_NAMED = {
    "float": "NUM_FLOAT",
    "int": "NUM_INT",
    "uint": "NUM_UINT",
    "string": "STRING",
    "bytes": "BYTES",
    "ident": "IDENTIFIER",
    "escaped": "ESC_IDENTIFIER",
    "<EOF>": "<EOF>",
}
_ORDER = ("]", "}", ",", "[", "{", "(", ")", ".", "-", "!", "?", ":", "true", "false", "null")
_ORDER_NAMED = ("float", "int", "uint", "string", "bytes", "ident", "escaped", "<EOF>")
_STARTS = frozenset(
    {"[", "{", "(", ".", "-", "!", "true", "false", "null", "float", "int", "uint", "string", "bytes", "ident"}
)


class _Stop(Exception):
    """Parsing cannot go on."""


def parse(source: str) -> Node:
    """Parse an expression.

    Raises:
        CompileError: it is none, or is too large or nested too deeply.

    """
    if len(source) > MAX_SIZE:
        text = f"expression code point size exceeds limit: size: {len(source)}, limit {MAX_SIZE}"
        raise compile_error(source, [Issue(-1, text)])
    tree = _Parser(source).parse()
    # Each level takes a character at least.
    if len(source) > MAX_TREE and _is_deep(tree):
        raise too_deep()
    return tree


def _is_deep(tree: Node) -> bool:
    """Tell whether a chain of operators or calls is longer than those who walk over trees may bear."""
    waiting = [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        if depth > MAX_TREE:
            return True
        waiting += [(below, depth + 1) for below in node.below()]
    return False


def _expected(kinds: frozenset[str]) -> str:
    names = [f"'{kind}'" for kind in _ORDER if kind in kinds] + [_NAMED[kind] for kind in _ORDER_NAMED if kind in kinds]
    return names[0] if len(names) == 1 else "{" + ", ".join(names) + "}"


class _Parser:
    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens, self._issues = tokens(source)
        self._at = 0
        self._depth = 0
        self._may_close = -1
        """Where a parenthesis may close as well as an expression begin."""

    def parse(self) -> Node:
        try:
            tree = self._expression()
            if self._token.kind != "<EOF>":
                self._unexpected(frozenset({"<EOF>"}))
        except _Stop:
            tree = None
        if self._issues or tree is None:
            raise compile_error(self._source, self._issues)
        return tree

    # Tokens.

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _take(self, kind: str) -> Token | None:
        token = self._tokens[self._at]
        if token.kind != kind:
            return None
        self._at += 1
        return token

    def _next(self) -> Token:
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _complain(self, position: int, message: str) -> None:
        self._issues.append(Issue(position, message))

    def _unexpected(self, expected: frozenset[str]) -> NoReturn:
        token = self._token
        after = self._tokens[min(self._at + 1, len(self._tokens) - 1)]
        # One token too many is called extraneous where the next one would do.
        word = "extraneous" if token.kind != "<EOF>" and after.kind in expected else "mismatched"
        self._complain(token.position, f"Syntax error: {word} input '{token.text}' expecting {_expected(expected)}")
        raise _Stop

    def _close(self, kind: str) -> None:
        if self._take(kind) is None:
            token = self._token
            if token.kind == "<EOF>":
                self._complain(token.position, f"Syntax error: missing '{kind}' at '{token.text}'")
                raise _Stop
            self._unexpected(frozenset({kind}))

    # Grammar.

    def _expression(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._issues = [Issue(-1, f"expression recursion limit exceeded: {MAX_DEPTH}")]
            raise _Stop
        condition = self._logic("||", "_||_", self._conjunction)
        mark = self._take("?")
        if mark is not None:
            first = self._logic("||", "_||_", self._conjunction)
            if self._take(":") is None:
                self._unexpected(frozenset({":"}))
            condition = self._call(mark.position, "_?_:_", [condition, first, self._expression()])
        self._depth -= 1
        return condition

    def _conjunction(self) -> Node:
        return self._logic("&&", "_&&_", self._relation)

    def _logic(self, operator: str, function: str, operand: Callable[[], Node]) -> Node:
        terms, positions = [operand()], []
        while (token := self._take(operator)) is not None:
            positions.append(token.position)
            terms.append(operand())

        # A long chain becomes a tree of low depth, as in the reference.
        def balanced(low: int, high: int) -> Node:
            middle = (low + high + 1) // 2
            left = terms[middle] if middle == low else balanced(low, middle - 1)
            right = terms[middle + 1] if middle == high else balanced(middle + 1, high)
            return Call(function, None, [left, right], position=positions[middle])

        return balanced(0, len(positions) - 1) if positions else terms[0]

    def _relation(self) -> Node:
        return self._binary(_RELATIONS, self._sum)

    def _sum(self) -> Node:
        return self._binary(_SUMS, self._product)

    def _product(self) -> Node:
        return self._binary(_PRODUCTS, self._unary)

    def _binary(self, operators: dict[str, str], operand: Callable[[], Node]) -> Node:
        left = operand()
        while self._token.kind in operators:
            token = self._next()
            left = Call(operators[token.kind], None, [left, operand()], position=token.position)
        return left

    def _unary(self) -> Node:
        first = self._token
        if first.kind not in {"!", "-"} or self._is_signed_number():
            return self._member()
        count = 0
        while self._token.kind == first.kind:
            self._at += 1
            count += 1
        operand = self._member()
        if count % 2 == 0:
            return operand
        return Call("!_" if first.kind == "!" else "-_", None, [operand], position=first.position)

    def _is_signed_number(self) -> bool:
        return self._token.kind == "-" and self._tokens[self._at + 1].kind in {"int", "float"}

    def _member(self) -> Node:
        node = self._primary()
        while True:
            token = self._token
            if token.kind == ".":
                self._at += 1
                node = self._field(node, token)
            elif token.kind == "[":
                self._at += 1
                optional = self._take("?")
                if self._token.kind not in _STARTS:
                    self._unexpected(_STARTS if optional else _STARTS | {"?"})
                index = self._expression()
                self._close("]")
                node = self._call(token.position, "_[?_]" if optional else "_[_]", [node, index])
            elif token.kind == "{" and (name := _qualified(node)):
                self._at += 1
                node = self._message(name, token)
            else:
                return node

    def _field(self, operand: Node, dot: Token) -> Node:
        optional = self._take("?")
        token = self._token
        if token.kind not in {"ident", "escaped"}:
            if token.kind in {"in", "true", "false", "null"} and token.kind != "in":
                message = f"mismatched input '{token.text}' expecting IDENTIFIER"
            else:
                text = self._source[dot.position : token.position] if token.kind == "<EOF>" else dot.text + token.text
                message = f"no viable alternative at input '{text.rstrip()}'"
            self._complain(token.position, f"Syntax error: {message}")
            raise _Stop
        self._at += 1
        name = token.text
        if token.kind == "escaped":
            name = name[1:-1]
        if optional:
            literal = Literal(name, position=token.position)
            return Call("_?._", None, [operand, literal], position=dot.position)
        opening = self._take("(") if token.kind == "ident" else None
        if opening is None:
            return Select(operand, name, position=dot.position)
        return self._receiver(opening.position, name, operand, self._arguments(")"))

    def _arguments(self, closing: str) -> list[Node]:
        if self._take(closing):
            return []
        self._may_close = self._at
        found = [self._expression()]
        while self._take(","):
            found.append(self._expression())
        self._close(closing)
        return found

    def _primary(self) -> Node:  # noqa: PLR0911 - a table of cases
        token = self._next()
        kind = token.kind
        if kind in {"ident", "."}:
            return self._name(token)
        if kind == "(":
            node = self._expression()
            self._close(")")
            return node
        if kind == "[":
            return self._list(token)
        if kind == "{":
            return MapLiteral(self._entries(self._map_key), position=token.position)
        if kind in {"true", "false", "null"}:
            return Literal({"true": True, "false": False, "null": None}[kind], position=token.position)
        if kind == "-" and self._token.kind in {"int", "float"}:
            return self._number(self._next(), token)
        if kind in {"int", "uint", "float", "string", "bytes"}:
            return self._number(token, None)
        self._at -= 1
        return self._unexpected(_STARTS | {")"} if self._at == self._may_close else _STARTS)

    def _name(self, token: Token) -> Node:
        leading = ""
        if token.kind == ".":
            leading, token = ".", self._token
            if token.kind != "ident":
                self._unexpected(frozenset({"ident"}))
            self._at += 1
        if token.text in RESERVED:
            self._complain(token.position, f"reserved identifier: {token.text}")
            raise _Stop
        opening = self._take("(")
        if opening is None:
            return Ident(leading + token.text, position=token.position)
        return self._call(opening.position, leading + token.text, self._arguments(")"))

    def _number(self, token: Token, sign: Token | None) -> Node:
        position = token.position if sign is None else sign.position
        try:
            value = _literal(token, negative=sign is not None)
        except BadLiteral as error:
            self._complain(position, str(error))
            value = 0
        return Literal(value, position=position)

    def _list(self, opening: Token) -> Node:
        elements: list[Node] = []
        optional: set[int] = set()
        while self._token.kind != "]":
            if self._take("?"):
                optional.add(len(elements))
            elements.append(self._expression())
            if not self._take(","):
                break
        if not self._take("]"):
            self._unexpected(frozenset({"]", ","}))
        return ListLiteral(elements, frozenset(optional), position=opening.position)

    def _map_key(self) -> Node:
        return self._expression()

    def _field_key(self) -> Node:
        token = self._token
        if token.kind != "ident":
            self._unexpected(frozenset({"ident"}))
        self._at += 1
        return Literal(token.text, position=token.position)

    def _entries(self, key: Callable[[], Node]) -> list[Entry]:
        entries: list[Entry] = []
        while self._token.kind != "}":
            optional = self._take("?") is not None
            name = key()
            colon = self._take(":")
            if colon is None:
                self._unexpected(frozenset({":"}))
            entries.append(Entry(colon.position, name, self._expression(), optional))
            if not self._take(","):
                break
        if not self._take("}"):
            self._unexpected(frozenset({"}", ","}))
        return entries

    def _message(self, name: str, opening: Token) -> Node:
        return Message(name, self._entries(self._field_key), position=opening.position)

    # Macros.

    def _call(self, position: int, function: str, args: list[Node]) -> Node:
        return self._expanded(position, function, None, args) or Call(function, None, args, position=position)

    def _receiver(self, position: int, function: str, target: Node, args: list[Node]) -> Node:
        return self._expanded(position, function, target, args) or Call(function, target, args, position=position)

    def _expanded(self, position: int, function: str, target: Node | None, args: list[Node]) -> Node | None:
        macro = macros.find(function, len(args), receiver=target is not None)
        if macro is None:
            return None
        try:
            return macro(position, target, args)
        except macros.Misuse as error:
            self._complain(error.position, str(error))
            return Literal(None, position=position)


def _qualified(node: Node) -> str:
    if isinstance(node, Ident):
        return node.name
    if isinstance(node, Select) and not node.test:
        prefix = _qualified(node.operand)
        return f"{prefix}.{node.field}" if prefix else ""
    return ""


def _literal(token: Token, *, negative: bool) -> Any:
    text = token.text
    if token.kind == "string":
        return string_value(text)
    if token.kind == "bytes":
        return bytes_value(text)
    if token.kind == "float":
        value = float(text)
        if value in {float("inf"), float("-inf")}:
            raise BadLiteral("invalid double literal")
        return -value if negative else value
    if token.kind == "uint":
        number = _unsigned(text[:-1])
        if number > MAX_UINT:
            raise BadLiteral("invalid uint literal")
        return Uint(number)
    number = _unsigned(text)
    number = -number if negative else number
    if not MIN_INT <= number <= MAX_INT:
        raise BadLiteral("invalid int literal")
    return number


def _unsigned(text: str) -> int:
    return whole(text[2:], 16) if text.startswith("0x") else whole(text)
