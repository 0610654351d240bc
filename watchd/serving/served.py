"""What a door serves: the API, and how patient and how generous it is with clients."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from watchd.api.message import Request, Response
from watchd.seams import Entropy
from watchd.serving.sink import Patience

Handle = Callable[[Request], Awaitable[Response]]
"""The API. It raises nothing but cancellation."""

MAX_BODY = 3 * 1024 * 1024
"""Bytes of a request's body (FEATURES row 18): the reference's limit."""


class Served(msgspec.Struct, frozen=True):
    """The API as doors see it."""

    handle: Handle
    """Answers every path and method."""
    entropy: Entropy
    """For Audit-Ids."""
    patience: Patience = msgspec.field(default_factory=Patience)
    """With clients that read or send nothing."""
    max_body: int = MAX_BODY
    """Bytes of a request's body, whatever the handler allows."""
