"""Stock: what objects of a kind take from a common store of things, such as addresses and ports, and give back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from watchd.registry.attributes import Attributes

Object = dict[str, Any]

Settle = Callable[[bool], Awaitable[None]]
"""Told once whether the write was stored. Must not raise."""


class Stock(Protocol):
    """The things of one kind, called by the Store around each write of the object itself.

    The order is the reference's (Begin and Finish of its registry): admission has changed the object and it has its name;
    neither the strategy has prepared it nor anybody validated it. What is taken is held while the write goes on, and the
    Store does not let go of such a write before its end is known, whoever is cancelled.
    """

    async def take(self, attributes: Attributes) -> Settle:
        """Take what the new object needs and write it there, in place; a dry run only looks.

        Raises StatusError where there is none left or it is somebody else's: nothing is held then.
        """

    async def removed(self, obj: Object) -> None:
        """Take back what an object had that was removed. Must not raise."""
