"""YAML texts inside OpenAPI documents in protobuf: defaults, enums, examples and extensions, as gnostic writes them.

Gnostic reads a JSON document and has go-yaml v3 write such a value again, in block style four columns wide. What go-yaml
itself would read back as something else (a literal that begins with a space, the key `<<`) stands in double quotes here.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from conversion.errors import Unencodable

STEP: Final = 4
"""Columns of a level of mappings."""

ITEM: Final = 2
"""Columns of `- `: what a level of sequences within another takes."""

SIMPLE_KEY_BYTES: Final = 128
"""Keys beyond it stand behind a question mark."""

_WORDS = frozenset(
    ("", "~", *(form for word in ("true", "false", "null") for form in (word, word.capitalize(), word.upper())))
) | frozenset(f"{sign}{form}" for sign in ("", "+", "-") for form in (".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"))
"""What is read as a boolean, null or a number that is none. YAML 1.1's yes, no, on and off are texts since go-yaml v3."""

_NUMBER = re.compile(
    r"[-+]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|\.[0-9][0-9_]*(?:[eE][-+]?[0-9_]+)?"
    r"|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9_]+)?)",
    re.ASCII,
)
_MOMENT = re.compile(r"\d{4}-\d{1,2}-\d{1,2}(?:[Tt ].*)?", re.ASCII)

_INDICATED = re.compile(r"---|\.\.\.|[#,\[\]{}&*!|>'\"%@`]|[-?:](?:[ \t]|$)|.*:(?:[ \t]|$)|.*[ \t]#", re.DOTALL)
"""Text that without quotes would be read as something else, by its beginning or by a colon or number sign within."""

_ESCAPED = re.compile("[^\n -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
"""What stands in no text but between double quotes: controls, the other line breaks, and all beyond the first plane."""

_BREAK = re.compile("[\n\r\x85\u2028\u2029]")
_IN_QUOTES = re.compile(f'["\\\\\n]|{_ESCAPED.pattern}')
_SHORT = {
    "\0": "0",
    "\a": "a",
    "\b": "b",
    "\t": "t",
    "\n": "n",
    "\v": "v",
    "\f": "f",
    "\r": "r",
    "\x1b": "e",
    '"': '"',
    "\\": "\\",
    "\x85": "N",
    "\u2028": "L",
    "\u2029": "P",
}


def yaml_text(value: Any) -> str:
    """Return a JSON value as a YAML document. Raises Unencodable for what JSON does not have."""
    return _block(value, 0) if _has_parts(value) else _line(_whole(value, STEP))


def _has_parts(value: Any) -> bool:
    return isinstance(value, (dict, list)) and bool(value)


def _line(text: str) -> str:
    """End a line, if that is not done yet, as it is behind a literal."""
    return text if text.endswith("\n") else f"{text}\n"


def _block(value: Any, indent: int) -> str:
    """Write what has parts; its first line is the caller's to indent."""
    out: list[str] = []
    margin = " " * indent
    if isinstance(value, list):
        for item in value:
            if _has_parts(item):
                out.append(f"- {_block(item, indent + ITEM)}")
            else:
                out.append(_line(f"- {_whole(item, indent + ITEM)}"))
        return margin.join(out)
    below = indent - indent % STEP + STEP
    for key, item in value.items():
        name, simple = _key(key, below)
        start = f"{name}:" if simple else f"{_line(f'? {name}')}{margin}:"
        if not _has_parts(item):
            out.append(_line(f"{start} {_whole(item, below)}"))
        elif simple:
            out.append(f"{start}\n{' ' * below}{_block(item, below)}")
        else:
            out.append(f"{start}{' ' * (below - indent - 1)}{_block(item, below)}")
    return margin.join(out)


def _whole(value: Any, indent: int) -> str:
    """Write what has no parts; the lines of a text stand at `indent`."""
    if isinstance(value, str):
        return _text(value, indent)
    if value is None or isinstance(value, (bool, int, float, dict, list)):
        # An empty object and an empty list are written as in JSON; so is a number, whose digits gnostic keeps.
        return orjson.dumps(value).decode()
    raise Unencodable("a JSON value", value)


def _key(key: str, indent: int) -> tuple[str, bool]:
    """Return a key's text and whether it may stand before its colon."""
    simple = len(key.encode()) <= SIMPLE_KEY_BYTES and not _BREAK.search(key)
    return (_quoted(key) if key == "<<" else _text(key, indent)), simple


def _text(text: str, indent: int) -> str:
    # A tab needs no escape in a literal.
    if _ESCAPED.search(text.replace("\t", "") if "\n" in text else text):
        return _quoted(text)
    if "\n" in text:
        return _literal(text, indent)
    if text in _WORDS or _NUMBER.fullmatch(text) or _MOMENT.fullmatch(text):
        return _quoted(text)
    if text[0] == " " or text[-1] == " " or _INDICATED.match(text):
        return "'" + text.replace("'", "''") + "'"
    return text


def _literal(text: str, indent: int) -> str:
    if text[0] in " \t\n" or text[-1] == " " or " \n" in text:
        return _quoted(text)
    kept = "" if not text.endswith("\n\n") else "+"
    chomped = kept if text.endswith("\n") else "-"
    margin = " " * indent
    lines = "\n".join(margin + line if line else "" for line in text.removesuffix("\n").split("\n"))
    return f"|{chomped}\n{lines}\n"


def _quoted(text: str) -> str:
    return '"' + _IN_QUOTES.sub(_escape, text) + '"'


def _escape(match: re.Match[str]) -> str:
    found = match.group()
    short = _SHORT.get(found)
    if short is not None:
        return f"\\{short}"
    code = ord(found)
    return f"\\x{code:02X}" if code <= 0xFF else f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
