"""Chain: admission members in their order."""

from __future__ import annotations

from collections.abc import Sequence

from watchd.registry.attributes import Admission, Attributes


class Chain:
    """Asks each member in turn: first all that may change the object, then all that may refuse it."""

    def __init__(self, members: Sequence[Admission]) -> None:
        self._members = tuple(members)

    async def mutate(self, attributes: Attributes) -> None:
        """Let each member change the object. Raises StatusError when one refuses."""
        for member in self._members:
            await member.mutate(attributes)

    async def validate(self, attributes: Attributes) -> None:
        """Let each member refuse. Raises StatusError."""
        for member in self._members:
            await member.validate(attributes)
