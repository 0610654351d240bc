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

TEXT_BYTES = 2 << 20
"""Bytes of managedFields that are remembered: those of a thousand objects. What they mean takes twice as much where objects
are owned alike; where no two are, twelve times as much, which is the sets' own cache's too."""

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

    __slots__ = ("entries", "managers", "text", "uses")

    def __init__(self, entries: list[Entry], managers: Managers, text: bytes | None = None) -> None:
        """Know what entries say: `managers` are as `decode` reads them, each with the very entry it was made of."""
        self.entries = entries
        self.managers = managers
        self.text = orjson.dumps(entries) if text is None else text
        """As the entries are written; empty where they were not looked into."""
        self.uses = 0
        """Objects that have been written with them and not yet again, as far as is known."""


class Texts:
    """What managedFields say, by their bytes. What is written over is forgotten, and what was written first where there is no room.

    Safe to be asked by other threads than the one that remembers.
    """

    def __init__(self, limit: int = TEXT_BYTES) -> None:
        """Remember up to `limit` bytes."""
        self.limit = limit
        self.size = 0
        self._known: OrderedDict[bytes, Known] = OrderedDict()

    def remember(self, known: Known, before: Known | None = None) -> Known:
        """Keep what entries say that are being written, in the place of what the object said before.

        Returns what is kept: objects that say the same share it.
        """
        text = known.text
        if before is not None:
            self._release(before)
        if not known.entries or len(text) > TEXT_MAX_BYTES:
            return known
        known = self._known.setdefault(text, known)
        known.uses += 1
        if known.uses == 1:
            self.size += len(text)
            while self.size > self.limit:
                self._drop(next(iter(self._known.values())))
        return known

    def _release(self, known: Known) -> None:
        # Nobody will send back what has been written over. If the write fails, the next one goes the slow way.
        known.uses -= 1
        if known.uses == 0:
            self._drop(known)

    def _drop(self, known: Known) -> None:
        if self._known.pop(known.text, None) is not None:
            self.size -= len(known.text)
        known.uses = 0

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
