"""CommandFailed."""

from __future__ import annotations


class CommandFailed(Exception):
    """A command could not be done. The message is one line for the user."""
