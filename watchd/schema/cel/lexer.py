"""An expression as tokens (the lexer rules of CEL's grammar)."""

from __future__ import annotations

import re

import attrs

from watchd.schema.cel.errors import Issue

_ESCAPE = r"""\\(?:[abfnrtv"'\\?`]|[0-3][0-7][0-7]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})"""
_QUOTED = (
    rf'"""(?:{_ESCAPE}|[^\\])*?"""',
    rf"'''(?:{_ESCAPE}|[^\\])*?'''",
    rf'"(?:{_ESCAPE}|[^\\"\n\r])*"',
    rf"'(?:{_ESCAPE}|[^\\'\n\r])*'",
)
_RAW = (r'[rR]"""[\s\S]*?"""', r"[rR]'''[\s\S]*?'''", r'[rR]"[^"\n\r]*"', r"[rR]'[^'\n\r]*'")
_STRING = "|".join((*_RAW, *_QUOTED))

_TOKEN = re.compile(
    rf"""
    (?P<hidden>[\t \r\n\f]+|//[^\n]*)
  | (?P<bytes>[bB](?:{_STRING.replace("#", "[#]")}))
  | (?P<string>{_STRING.replace("#", "[#]")})
  | (?P<float>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)
  | (?P<uint>0x[0-9a-fA-F]+[uU]|[0-9]+[uU])
  | (?P<int>0x[0-9a-fA-F]+|[0-9]+)
  | (?P<ident>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<escaped>`[A-Za-z0-9_./\ -]+`)
  | (?P<op>==|!=|<=|>=|&&|\|\||[<>\[\]{{}}().,\-!?:+*/%])
    """,
    re.VERBOSE,
)

KEYWORDS = frozenset({"in", "true", "false", "null"})


@attrs.frozen
class Token:
    """One token."""

    kind: str
    """`ident`, `string`, `int` and so on; of operators and keywords the text itself; `<EOF>` at the end."""
    text: str
    position: int


def tokens(source: str) -> tuple[list[Token], list[Issue]]:
    """Split a source into tokens, the last of which is `<EOF>`, and complaints about what is none."""
    found: list[Token] = []
    issues: list[Issue] = []
    position = 0
    while position < len(source):
        match = _TOKEN.match(source, position)
        if match is None:
            end = _bad_end(source, position)
            issues.append(Issue(position, f"Syntax error: token recognition error at: '{_shown(source[position:end])}'"))
            position = end
            continue
        kind = match.lastgroup or ""
        text = match.group()
        if kind == "op" or (kind == "ident" and text in KEYWORDS):
            kind = text
        if kind != "hidden":
            found.append(Token(kind, text, position))
        position = match.end()
    found.append(Token("<EOF>", "<EOF>", len(source)))
    return found, issues


_UNCLOSED = re.compile(rf"""[bB]?(?:"(?:{_ESCAPE}|[^\\"\n\r])*|'(?:{_ESCAPE}|[^\\'\n\r])*)(?:\\.?|[\n\r])?""")
"""A string that is not closed, with the character that ends it."""


def _bad_end(source: str, position: int) -> int:
    unclosed = _UNCLOSED.match(source, position)
    if unclosed is not None:
        return unclosed.end()
    # Half of an operator takes the character that should have been the other half.
    return min(len(source), position + (2 if source[position] in "=&|" else 1))


def _shown(text: str) -> str:
    return text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
