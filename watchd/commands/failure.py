"""CommandFailed."""

from __future__ import annotations

from watchd.failures import Failure


class CommandFailed(Failure):
    """A command could not be done. The message is one line for the user."""
