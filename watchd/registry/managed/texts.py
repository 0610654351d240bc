"""managedFields by their text, as they stand in the bodies that this server has written, and that it gets back.

Most of an object that has a few managers is their managedFields, and a client that changes an object sends them back as it
read them. So what was written is remembered by its bytes: where they are found in a body, what stands there need not be
parsed, and what it means is known. A body is the slow way's whenever there is any doubt.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import orjson

from watchd.registry.managed.entries import Entry, Managers
from watchd.seams import SystemEntropy

TEXT_BYTES = 1 << 20
"""Bytes of managedFields that are remembered: those of some hundred objects. What they mean takes up to ten times as much."""

TEXT_MAX_BYTES = 16 << 10
"""Bytes of the longest of them: one object with very many fields must not push out all others."""

_OPENING = b'"managedFields":['
_CLOSING = b"}]"
"""Ends a list of objects. One that has these two bytes in a string is not found, and read the slow way."""

_MARK = SystemEntropy().uid()
"""Stands in a body in the place of what has been taken out. No client knows it."""

_MARKED = [_MARK]
_MARKED_TEXT = orjson.dumps(_MARKED)


class Known:
    """What some managedFields say. Shared by all who read them: nothing in here is ever changed."""

    __slots__ = ("entries", "managers", "text")

    def __init__(self, entries: list[Entry], managers: Managers) -> None:
        """Know what entries say: `managers` are as `decode` reads them, each with the very entry it was made of."""
        self.entries = entries
        self.managers = managers
        self.text = orjson.dumps(entries)
        """As the entries are written."""


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
        text = known.text
        if not known.entries or len(text) > TEXT_MAX_BYTES or text in self._known:
            return
        self._known[text] = known
        self.size += len(text)
        while self.size > self.limit:
            oldest, _ = self._known.popitem(last=False)
            self.size -= len(oldest)

    def cut(self, body: bytes) -> tuple[bytes, Known] | None:
        """Take known managedFields out of a JSON body; None where there are none that are known.

        Returns the body with a mark in their place, which `unmark` has to find there once it is decoded, and what they say.

        The opening that is looked for can only be the end of a field's name and the beginning of its value: within a string
        its quotes would be escaped. What stands there begins with the bytes of a whole list, so that a parser would read
        just these, and with another list in their place it reads all else as before.
        """
        at = body.find(_OPENING)
        if at < 0:
            return None
        begin = at + len(_OPENING) - 1
        end = body.find(_CLOSING, begin) + len(_CLOSING)
        known = self._known.get(body[begin:end])
        return None if known is None else (body[:begin] + _MARKED_TEXT + body[end:], known)


def unmark(obj: Any) -> bool:
    """Take the mark out of a decoded body, in place; tell whether it is where managedFields are, and was the last word on them."""
    meta = obj.get("metadata") if type(obj) is dict else None
    if type(meta) is not dict or meta.get("managedFields") != _MARKED:
        return False
    del meta["managedFields"]
    return True


TEXTS = Texts()
"""Of this process."""
