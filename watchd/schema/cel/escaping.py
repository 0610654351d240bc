"""Names of properties as identifiers of expressions (the reference's escaping rules)."""

from __future__ import annotations

import re

KEYWORDS = frozenset(
    {
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if"),
        *("import", "let", "loop", "package", "namespace", "return", "var", "void", "while"),
    }
)
"""Names that are words of the language, which are written between double underscores."""

_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_UNESCAPES = {"underscores": "__", "dot": ".", "dash": "-", "slash": "/"}
_VALID = re.compile(r"[A-Za-z_.\-/][A-Za-z0-9_.\-/]*")
_SPECIAL = re.compile(r"__|[.\-/]")
_ESCAPED = re.compile("__[^_]+__")


def escape(name: str) -> str | None:
    """Return the identifier of a property, or None where it cannot have one."""
    if name in KEYWORDS:
        return f"__{name}__"
    if _VALID.fullmatch(name) is None:
        return None
    return _SPECIAL.sub(lambda match: _ESCAPES[match[0]], name)


def unescape(identifier: str) -> str | None:
    """Return the property that an identifier stands for, or None where it stands for none."""
    if "__" not in identifier:
        return identifier
    if identifier[:2] == identifier[-2:] == "__" and identifier[2:-2] in KEYWORDS:
        return identifier[2:-2]
    if any(match[2:-2] not in _UNESCAPES for match in _ESCAPED.findall(identifier)):
        return None
    return _ESCAPED.sub(lambda match: _UNESCAPES[match[0][2:-2]], identifier)
