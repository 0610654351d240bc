"""Exception groups, as nurseries raise them, seen from outside."""

from __future__ import annotations


def sole(error: BaseException) -> BaseException:
    """Return the one exception inside groups of one, or the error itself."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
