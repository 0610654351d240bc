"""Files in the data directory that hold credentials: read whole, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from watchd.failures import Failure

PRIVATE = 0o600
"""Mode of every file but the CA's certificate."""

PUBLIC = 0o644
"""Mode of what clients may read."""


class CredentialsError(Failure):
    """A credential that cannot be read or written. The message is one line and holds no secret."""


def read_file(path: Path) -> bytes | None:
    """Return a file's content, None where there is none. Raises CredentialsError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CredentialsError(f"{path}: {error.strerror}") from error


def write_file(path: Path, data: bytes, mode: int) -> None:
    """Write a file whole or not at all, durably, with its mode from the first moment on. Raises CredentialsError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        # O_EXCL: never through a link that somebody laid here. fchmod: the umask may take bits away.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            os.fchmod(descriptor, mode)
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                file.write(data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
        directory = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise CredentialsError(f"{path}: {error.strerror}") from error
