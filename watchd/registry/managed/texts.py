"""managedFields by their text, as they stand in the bodies that this server has written, and that it gets back.

Most of an object that has a few managers is their managedFields, and a client that changes an object sends them back as it
read them. So what was written is remembered by its bytes: where they are found in a body, what stands there need not be
parsed, and what it means is known. A body is the slow way's whenever there is any doubt.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any

import attrs
import orjson

from watchd.registry.managed.entries import Entry, Managers

TEXT_BYTES = 1 << 20
"""Bytes of managedFields that are remembered: those of some hundred objects. What they mean takes up to ten times as much."""

TEXT_MAX_BYTES = 16 << 10
"""Bytes of the longest of them: one object with very many fields must not push out all others."""

_NAME = b"managedFields"
_OPENING = b'"%b":[' % _NAME
_CLOSING = b"}]"
"""Ends a list of objects. One that has these two bytes in a string is not found, and read the slow way."""

_ESCAPED_LETTER = re.compile(rb"\\u00[467]")
"""A letter that is spelled with an escape: `managedFields` may be, too."""


@attrs.frozen
class Known:
    """What some managedFields say. Shared by all who read them: nothing in here is ever changed."""

    entries: list[Entry]
    managers: Managers
    """As `decode` reads the entries, each with the very entry it was made of."""


class Texts:
    """What managedFields say, by their bytes; those that were written first go first.

    Safe to be asked by other threads than the one that remembers.
    """

    def __init__(self, limit: int = TEXT_BYTES) -> None:
        """Remember up to `limit` bytes."""
        self.limit = limit
        self.size = 0
        self._known: OrderedDict[bytes, Known] = OrderedDict()

    def remember(self, known: Known) -> None:
        """Keep what entries say that are being written."""
        text = orjson.dumps(known.entries)
        if not known.entries or len(text) > TEXT_MAX_BYTES or text in self._known:
            return
        self._known[text] = known
        self.size += len(text)
        while self.size > self.limit:
            oldest, _ = self._known.popitem(last=False)
            self.size -= len(oldest)

    def cut(self, body: bytes) -> tuple[bytes, Known] | None:
        """Take known managedFields out of a JSON body; None where there are none, or another look is needed.

        Returns the body with an empty list in their place, which `emptied` has to find there once it is decoded, and what
        they say.

        The opening that is looked for can only be the name of a field and the beginning of its value: within a string its
        quotes would be escaped. What stands there begins with the bytes of a whole list, so that a parser would read just
        these, and nothing else about the body changes with another list in their place.
        """
        at = body.find(_OPENING)
        if at <= 0 or body[at - 1] == _BACKSLASH:
            return None
        begin = at + len(_OPENING) - 1
        end = body.find(_CLOSING, begin) + len(_CLOSING)
        known = self._known.get(body[begin:end])
        if known is None:
            return None
        rest = b"%b[]%b" % (body[:begin], body[end:])
        # Another field of this name might be the one that counts, however it is spelled.
        if rest.count(_NAME) != 1 or _ESCAPED_LETTER.search(rest):
            return None
        return rest, known


def emptied(obj: Any) -> bool:
    """Take the empty list out of the decoded rest of a body, in place; tell whether it is where managedFields are."""
    meta = obj.get("metadata") if isinstance(obj, dict) else None
    return isinstance(meta, dict) and meta.get("managedFields") == [] and meta.pop("managedFields") == []


_BACKSLASH = ord("\\")

TEXTS = Texts()
"""Of this process."""
