"""Chain: admission members in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from watchd.registry.attributes import Admission, Attributes


class Member(Admission, Protocol):
    """One of a chain."""

    @property
    def custom_kinds(self) -> bool:
        """Whether it has to be asked of objects of custom kinds; those of built-in kinds it is asked of always."""


class Chain:
    """Asks each member in turn: first all that may change the object, then all that may refuse it."""

    custom_kinds = True

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = tuple(members)
        self._of_custom = tuple(member for member in members if member.custom_kinds)

    async def mutate(self, attributes: Attributes) -> None:
        """Let each member change the object. Raises StatusError when one refuses."""
        for member in self._of_custom if attributes.kind.custom else self._members:
            await member.mutate(attributes)

    async def validate(self, attributes: Attributes) -> None:
        """Let each member refuse. Raises StatusError."""
        for member in self._of_custom if attributes.kind.custom else self._members:
            await member.validate(attributes)
