"""Conditions of a CustomResourceDefinition's status: found, and set with the time of their last transition."""

from __future__ import annotations

from typing import Any

import msgspec

from watchd.seams import Clock, rfc3339

Object = dict[str, Any]

ESTABLISHED = "Established"
NAMES_ACCEPTED = "NamesAccepted"
TERMINATING = "Terminating"


class Condition(msgspec.Struct, frozen=True):
    """A condition without its time."""

    type: str
    status: bool
    reason: str
    message: str

    def matches(self, found: Object | None) -> bool:
        """Tell whether a condition of an object says the same."""
        return found is not None and all(
            found.get(field) == value
            for field, value in (("status", str(self.status)), ("reason", self.reason), ("message", self.message))
        )


INITIAL_NAMES_ACCEPTED = Condition(
    ESTABLISHED, status=True, reason="InitialNamesAccepted", message="the initial names have been accepted"
)
NOT_ACCEPTED = Condition(ESTABLISHED, status=False, reason="NotAccepted", message="not all names are accepted")
INSTALLING = Condition(ESTABLISHED, status=False, reason="Installing", message="the initial names have been accepted")
DELETION_PENDING = Condition(
    TERMINATING,
    status=True,
    reason="InstanceDeletionPending",
    message="CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
)
DELETION_IN_PROGRESS = Condition(
    TERMINATING,
    status=True,
    reason="InstanceDeletionInProgress",
    message="CustomResource deletion is in progress",
)
DELETION_COMPLETED = Condition(
    TERMINATING, status=False, reason="InstanceDeletionCompleted", message="removed all instances"
)
NEVER_ESTABLISHED = Condition(
    TERMINATING, status=False, reason="NeverEstablished", message="resource was never established"
)


def find(definition: Object, kind: str) -> Object | None:
    """Return a condition of a definition by its type."""
    for condition in definition.get("status", {}).get("conditions") or ():
        if condition.get("type") == kind:
            found: Object = condition
            return found
    return None


def is_true(definition: Object, kind: str) -> bool:
    """Tell whether a condition holds."""
    found = find(definition, kind)
    return found is not None and found.get("status") == "True"


def set_condition(definition: Object, condition: Condition, clock: Clock) -> None:
    """Write a condition into a definition's status, in place; its time moves only where its status does."""
    set_at(definition, condition, rfc3339(clock.now_ms()))


def set_at(definition: Object, condition: Condition, now: str) -> None:
    """Write a condition as `set_condition` does, at a time that is already written out."""
    status = definition.setdefault("status", {})
    if not status.get("conditions"):
        status["conditions"] = []
    found = find(definition, condition.type)
    if found is None:
        found = {"type": condition.type}
        status["conditions"].append(found)
    if found.get("status") != str(condition.status) or not found.get("lastTransitionTime"):
        found["lastTransitionTime"] = now
    found.update(status=str(condition.status), reason=condition.reason, message=condition.message)
