"""What can be wrong with an applied object, a type or managedFields."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from watchd.registry.managed.fieldpath import Path, path_text
from watchd.status import Cause, Reason, StatusError, bad_request, go_quote, internal

CONFLICT_REASON = "FieldManagerConflict"
"""metav1.CauseTypeFieldManagerConflict."""


class ManagedError(Exception):
    """The root of this package's errors."""

    def to_status(self) -> StatusError:
        """Return what the client is told; an error that names no fault of the client's is a 500, as in the reference."""
        return internal(str(self))


class InvalidManagedFields(ManagedError):
    """managedFields that cannot be read."""


class TypeProblem(ManagedError):
    """A value that does not fit its type; the message is `PATH: what is wrong`."""

    def __init__(self, message: str, path: Path = ()) -> None:
        """Say what is wrong where."""
        super().__init__(f"{path_text(path)}: {message}" if path else message)


class UnknownVersion(ManagedError):
    """A version that the kind no longer has: its entries are dropped. Raised by typing_of and convert."""


class BadApply(ManagedError):
    """An applied object that cannot be one."""

    def to_status(self) -> StatusError:
        """Return a 400."""
        return bad_request(str(self))


class Conflict(msgspec.Struct, frozen=True):
    """One field that an applied object would change although another manager owns it."""

    manager: str
    """As messages name it: `"m1"`, `"m2" using v1`, `"m3" with subresource "status" using v1`."""
    path: Path

    @property
    def cause(self) -> Cause:
        """The cause of a Status."""
        return Cause(reason=CONFLICT_REASON, message=f"conflict with {self.manager}", field=path_text(self.path))


class ApplyConflict(ManagedError):
    """Fields of other managers would change, and force was not asked for (FEATURES row 86)."""

    def __init__(self, conflicts: Sequence[Conflict]) -> None:
        """Say which."""
        self.conflicts = tuple(conflicts)
        super().__init__(_message(self.conflicts))

    def to_status(self) -> StatusError:
        """Return the 409 with a cause for each field."""
        return StatusError(Reason.CONFLICT, str(self), causes=[conflict.cause for conflict in self.conflicts])


def _message(conflicts: Sequence[Conflict]) -> str:
    if len(conflicts) == 1:
        return f"Apply failed with 1 conflict: conflict with {conflicts[0].manager}: {path_text(conflicts[0].path)}"
    lines: list[str] = []
    for manager, paths in _by_manager(conflicts).items():
        lines.append(f"conflicts with {manager}:")
        lines.extend(f"- {path_text(path)}" for path in paths)
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)


def _by_manager(conflicts: Iterable[Conflict]) -> dict[str, list[Path]]:
    out: dict[str, list[Path]] = {}
    for conflict in conflicts:
        out.setdefault(conflict.manager, []).append(conflict.path)
    return out


def manager_text(manager: str, api_version: str, subresource: str, *, applied: bool) -> str:
    """Name a manager as conflicts do (apimachinery's printManager)."""
    text = go_quote(manager)
    if subresource:
        text += f" with subresource {go_quote(subresource)}"
    return text if applied else f"{text} using {api_version}"
