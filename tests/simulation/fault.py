"""Faults that are put in on purpose, to see that the validators find them."""

from __future__ import annotations

from collections.abc import Callable

import attrs

Patch = Callable[[object, str, object], None]


@attrs.frozen
class Fault:
    """A bug, and the promise whose breach gives it away."""

    name: str
    breaks: str
    put_in: Callable[[Patch], None]
