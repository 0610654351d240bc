"""A compiled part of an expression: a closure over the frame of an evaluation, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from watchd.schema.cel.errors import EvaluationError

Frame = list[Any]
Run = Callable[[Frame], Any]

@attrs.frozen
class Code:
    """A compiled part of an expression."""

    run: Run
    cost: int
    """What running it always costs."""
    constant: bool = False
    own: int = -1
    """Of a path from a variable or value (an attribute): what looking it up costs by itself, 0 or 1; else -1."""

    @property
    def inner(self) -> int:
        """What it costs as a branch or an index: there the look-up of an attribute is free."""
        return self.cost - max(self.own, 0)


@attrs.define
class Failed:
    """In a frame: the error that a variable stands for."""

    error: EvaluationError


def constant(value: Any) -> Code:
    """Return the code of a value that is known before."""
    return Code(lambda _: value, 0, constant=True)
