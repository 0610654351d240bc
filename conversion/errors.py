"""What can go wrong between versions."""

from __future__ import annotations

from conversion.gvk import GroupVersionKind


class ConversionError(Exception):
    """Root of the tree."""


class UnknownKind(ConversionError):
    """No such kind, or not at that version; the message is the reference's."""

    def __init__(self, gvk: GroupVersionKind) -> None:
        super().__init__(f'no kind "{gvk.kind}" is registered for version "{gvk.group_version}"')
        self.gvk = gvk


class AlreadyRegistered(ConversionError):
    """A kind is registered once in a group."""

    def __init__(self, group: str, kind: str) -> None:
        super().__init__(f'kind "{kind}" of group "{group}" is registered already')
        self.group, self.kind = group, kind


class NotConvertible(ConversionError):
    """Two kinds that have no hub in common."""

    def __init__(self, source: GroupVersionKind, target: GroupVersionKind) -> None:
        super().__init__(f"{source} cannot be converted to {target}: they are stored as different kinds")
        self.source, self.target = source, target


class ConversionFailed(ConversionError):
    """A conversion function raised, or returned what it may not; its own error is the cause."""

    def __init__(self, source: GroupVersionKind, target: GroupVersionKind, why: str) -> None:
        super().__init__(f"conversion from {source} to {target} failed: {why}")
        self.source, self.target, self.why = source, target, why


class Unencodable(ConversionError, ValueError):
    """A value that its field cannot hold in the format asked for; `path` says where it stands."""

    def __init__(self, expected: str, value: object) -> None:
        super().__init__(expected, value)
        self.expected, self.value = expected, value
        self.path: list[str] = []

    def __str__(self) -> str:
        """Say which field wants what; the value itself may be secret and is not said."""
        return f"{'.'.join(self.path) or 'the value'} must be {self.expected}, not {type(self.value).__name__}"
