"""What is done with the values of a schema, by the Python class that their JSON type comes in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

R = TypeVar("R")


class ByClass(dict[type, "Callable[[Any], R] | None"]):
    """What is done with values of each class, None where nothing is; made when the first value of a class comes by.

    A schema may be large, and one of which nothing is said stands for values of any depth.
    """

    __slots__ = ("_make",)

    def __init__(self, make: Callable[[type], Callable[[Any], R] | None]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, kind: type) -> Callable[[Any], R] | None:
        """Make what is done with values of a class."""
        made = self[kind] = self._make(kind)
        return made

    def __call__(self, value: Any) -> R | None:
        """Do it."""
        found = self[value.__class__]
        return found(value) if found is not None else None
