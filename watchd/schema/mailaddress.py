"""The format `email`: one address as Go's net/mail reads it (RFC 5322, RFC 6532; encoded words are not decoded)."""

from __future__ import annotations

import ipaddress
import re
from functools import cache

_TEXT = r"[!#-'*+\-/-9=?A-Z^-~\x80-\U0010ffff]"
"""What an atom is made of (RFC 5322 section 3.2.3, and all of Unicode)."""
_QUOTED = r'"(?:[\t !#-\[\]-~\x80-\U0010ffff]|\\[\t -~\x80-\U0010ffff])%s"'

_SPACES = r"[ \t]*"
_LOCAL = rf"{_TEXT}+(?:\.{_TEXT}+)*(?!\.)|{_QUOTED % '+'}"
_DOMAIN = rf"{_TEXT}+(?:\.{_TEXT}+)*(?!\.)"
_LITERAL = r"\[([!-Z^-~\x80-\U0010ffff]*)\]"
_WORD = rf"(?:{_TEXT}|\.)+|{_QUOTED % '*'}"

_compiled = cache(re.compile)
"""Patterns over all of Unicode take milliseconds each: not at the start, for a format that few schemas name."""


class _Malformed(ValueError):
    """The text is no address."""


def is_email(text: str) -> bool:
    """Tell whether a text is one address: `a@b`, `A B <a@b>`, also as the only one of a group."""
    try:
        return _Scanner(text).single()
    except _Malformed:
        return False


class _Scanner:
    """A text and how far it is read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def single(self) -> bool:
        count = self.address(group=True)
        self.comments()
        return count == 1 and self.at == len(self.text)

    def address(self, *, group: bool) -> int:
        """Read an address or, where that is allowed, a group. Returns how many addresses there were."""
        self.take(_SPACES)
        if self.spec():
            self.take(_SPACES)
            if self.consume("("):
                self.comment()
            return 1
        if self.text[self.at : self.at + 1] != "<":
            self.phrase()
        self.take(_SPACES)
        if group and self.consume(":"):
            return self.group()
        if not (self.consume("<") and self.spec() and self.consume(">")):
            raise _Malformed
        return 1

    def group(self) -> int:
        self.take(_SPACES)
        if self.consume(";"):
            self.comments()
            return 0
        count = 0
        while True:
            count += self.address(group=False)
            self.comments()
            if self.consume(";"):
                self.comments()
                return count
            if not self.consume(","):
                raise _Malformed

    def spec(self) -> bool:
        """Read `local@domain`, or nothing."""
        start = self.at
        self.take(_SPACES)
        if self.take(_LOCAL) and self.consume("@"):
            self.take(_SPACES)
            literal = _compiled(_LITERAL).match(self.text, self.at)
            if literal is not None and _is_ip(literal[1]):
                self.at = literal.end()
                return True
            if self.take(_DOMAIN):
                return True
        self.at = start
        return False

    def phrase(self) -> None:
        """Read the words of a name."""
        if not self.take(_WORD):
            raise _Malformed
        while True:
            self.comments()
            if not self.take(_WORD):
                return

    def comments(self) -> None:
        self.take(_SPACES)
        while self.consume("("):
            self.comment()
            self.take(_SPACES)

    def comment(self) -> None:
        """Read a comment, which may hold others, after its first parenthesis."""
        depth = 1
        while depth:
            char = self.text[self.at : self.at + 1]
            if not char:
                raise _Malformed
            escaped = char == "\\" and self.at + 1 < len(self.text)
            self.at += 2 if escaped else 1
            depth += (char == "(") - (char == ")")

    def take(self, pattern: str) -> bool:
        match = _compiled(pattern).match(self.text, self.at)
        if match is None:
            return False
        self.at = match.end()
        return True

    def consume(self, char: str) -> bool:
        if not self.text.startswith(char, self.at):
            return False
        self.at += 1
        return True


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text
