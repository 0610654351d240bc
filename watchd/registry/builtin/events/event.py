"""Event of events.k8s.io: the newer shape of the one stored object."""

from __future__ import annotations

from watchd.registry.builtin.core.event import EVENTS_FIELDS, EventStrategy, columns_of, series_problems, to_core
from watchd.registry.metadata import IMMUTABLE
from watchd.registry.strategy import NameFormat, Object
from watchd.status import FieldError, FieldProblem

FIXED = (
    "involvedObject",
    "reason",
    "message",
    "source",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "type",
    "eventTime",
    "action",
    "related",
    "reportingComponent",
    "reportingInstance",
)
"""What an update through events.k8s.io cannot change: all but the series."""


class EventsStrategy(EventStrategy):
    """The rules of Event in events.k8s.io, which admits new-style Events only.

    `validate` and `validate_update` take the events.k8s.io shape and name its fields as the reference does: by the core
    shape's names. `fields` takes the stored shape, as everywhere.
    """

    name_format = NameFormat.SUBDOMAIN
    selectable_fields = EVENTS_FIELDS
    controller_field = "reportingController"

    def validate(self, obj: Object) -> list[FieldError]:
        """Check what a new-style Event needs and must not have."""
        obj = to_core(obj)
        out = super().validate(obj) + series_problems(obj)
        if not obj.get("eventTime"):
            out.append(FieldError(FieldProblem.REQUIRED, "eventTime"))
        kind = obj.get("type", "")
        if kind not in {"Normal", "Warning"}:
            out.append(FieldError(FieldProblem.INVALID, "type", "", f"has invalid value: {kind}"))
        out.extend(
            FieldError(FieldProblem.INVALID, field, "", "needs to be unset")
            for field in ("firstTimestamp", "lastTimestamp", "count", "source")
            if obj.get(field)
        )
        return out

    def validate_update(self, obj: Object, old: Object, subresource: str) -> list[FieldError]:
        """Let only the series change."""
        del subresource
        obj, old = to_core(obj), to_core(old)
        out = super().validate(obj)
        if obj.get("series") != old.get("series"):
            out += series_problems(obj)
        out.extend(
            FieldError(FieldProblem.INVALID, field, obj.get(field), IMMUTABLE)
            for field in FIXED
            if (obj.get(field) or None) != (old.get(field) or None)
        )
        return out


STRATEGY = EventsStrategy()

COLUMNS = columns_of(to_core)
