"""What commands and the server's start fail with."""

from __future__ import annotations

from typing import ClassVar


class Failure(Exception):
    """Something that its caller has to set right. The message is one line for them, without a traceback and without secrets."""

    exit_status: ClassVar[int] = 1
    """Of the command that ends with it: the command could not be done."""
