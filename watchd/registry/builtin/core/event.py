"""Event: what happened to an object. One stored object, served by the core group and by events.k8s.io.

What is stored is the core shape; `to_core` and `from_core` are the conversions of the events.k8s.io shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from watchd.registry import formats
from watchd.registry.columns import NAME_DESCRIPTION, Cell, Column, age, name_cell
from watchd.registry.strategy import NameFormat, Object, Strategy
from watchd.status import FieldError, FieldProblem

STORAGE_NAME = "events"

TEXT_MAX = 128
"""Characters of action, reason and reportingInstance of a new-style Event (KEP-383)."""

NOTE_MAX = 1024
"""Characters of the message of a new-style Event (KEP-383)."""

_REFERENCE = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")

CORE_FIELDS = (*(f"involvedObject.{field}" for field in _REFERENCE), "reason", "reportingComponent", "source", "type")
"""What field selectors of core Events may name."""

EVENTS_FIELDS = (*(f"regarding.{field}" for field in _REFERENCE), "reason", "reportingController", "type")
"""What field selectors of events.k8s.io may name."""

ALL_FIELDS = tuple(dict.fromkeys((*CORE_FIELDS, *EVENTS_FIELDS)))
"""What the header of a stored Event carries, whichever group it was written through."""

_RENAMED = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_RENAMED_BACK = {core: events for events, core in _RENAMED.items()}

_ALWAYS: dict[str, Any] = {
    "involvedObject": {},
    "source": {},
    "firstTimestamp": None,
    "lastTimestamp": None,
    "eventTime": None,
    "reportingComponent": "",
    "reportingInstance": "",
}
"""Fields that a core Event is never written without."""



def to_core(obj: Object) -> Object:
    """Return an events.k8s.io Event as a core Event; the parts are shared, not copied."""
    out = {_RENAMED.get(field, field): value for field, value in obj.items()}
    out["apiVersion"] = "v1"
    for field, value in _ALWAYS.items():
        out.setdefault(field, {} if value == {} else value)
    return out


def from_core(obj: Object) -> Object:
    """Return a core Event as an events.k8s.io Event; the parts are shared, not copied."""
    out = {_RENAMED_BACK.get(field, field): value for field, value in obj.items()}
    out["apiVersion"] = "events.k8s.io/v1"
    for field in ("reportingController", "reportingInstance"):
        if out.get(field) == "":
            del out[field]
    return out


class EventStrategy(Strategy):
    """The rules of Event in the core group."""

    create_on_update = True
    name_format = NameFormat.PATH_SEGMENT
    selectable_fields = CORE_FIELDS
    controller_field = "reportingComponent"

    def validate(self, obj: Object) -> list[FieldError]:
        """Check what every Event needs: new-style ones, which have an eventTime, need more."""
        return _new_style(obj, self.controller_field) if obj.get("eventTime") else _old_style(obj)

    def fields(self, obj: Object) -> dict[str, str]:
        """Return the fields under the names of both groups: the stored object is one."""
        about = obj.get("involvedObject") or {}
        component = obj.get("reportingComponent", "")
        out = {
            "reason": obj.get("reason", ""),
            "reportingComponent": component,
            "reportingController": component,
            "source": (obj.get("source") or {}).get("component", "") or component,
            "type": obj.get("type", ""),
        }
        for field in _REFERENCE:
            out[f"involvedObject.{field}"] = out[f"regarding.{field}"] = about.get(field, "")
        return out


def _old_style(obj: Object) -> list[FieldError]:
    about = (obj.get("involvedObject") or {}).get("namespace", "")
    namespace = obj["metadata"].get("namespace", "")
    if (about or "default") == namespace:
        return []
    return [_invalid("involvedObject.namespace", about, "does not match event.namespace")]


def _new_style(obj: Object, controller_field: str) -> list[FieldError]:
    out: list[FieldError] = []
    about = (obj.get("involvedObject") or {}).get("namespace", "")
    if not about and obj["metadata"].get("namespace", "") not in {"default", "kube-system"}:
        out.append(_invalid("involvedObject.namespace", about, "does not match event.namespace"))
    controller = obj.get("reportingComponent", "")
    if not controller:
        out.append(FieldError(FieldProblem.REQUIRED, controller_field))
    out.extend(_invalid(controller_field, controller, text) for text in formats.qualified_name(controller))
    for field in ("reportingInstance", "action", "reason"):
        text = obj.get(field, "")
        if not text:
            out.append(FieldError(FieldProblem.REQUIRED, field))
        elif len(text.encode()) > TEXT_MAX:
            out.append(_invalid(field, "", f"can have at most {TEXT_MAX} characters"))
    if len(obj.get("message", "").encode()) > NOTE_MAX:
        out.append(_invalid("message", "", f"can have at most {NOTE_MAX} characters"))
    return out


def series_problems(obj: Object) -> list[FieldError]:
    """Return what is wrong with the series of a core Event."""
    series = obj.get("series")
    if series is None:
        return []
    out: list[FieldError] = []
    if series.get("count", 0) < 2:
        out.append(_invalid("series.count", "", "should be at least 2"))
    if not series.get("lastObservedTime"):
        out.append(FieldError(FieldProblem.REQUIRED, "series.lastObservedTime"))
    return out


def _invalid(field: str, value: Any, text: str) -> FieldError:
    return FieldError(FieldProblem.INVALID, field, value, text)


def _last_seen(event: Object) -> Any:
    series = event.get("series") or {}
    return series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp")


def _object(event: Object) -> str:
    involved = event.get("involvedObject", {})
    kind, name = involved.get("kind", "").lower(), involved.get("name", "")
    return f"{kind}/{name}" if kind else name


def _source(event: Object) -> str:
    source = event.get("source", {})
    component = source.get("component") or event.get("reportingComponent", "")
    host = source.get("host") or event.get("reportingInstance", "")
    return f"{component}, {host}" if host else component


def _count(event: Object) -> int:
    series = event.get("series") or {}
    return int(series.get("count") or event.get("count") or 1)


def columns_of(core: Callable[[Object], Object]) -> tuple[Column, ...]:
    """Return the columns of Events; `core` brings an object to the core shape."""

    def text(read: Callable[[Object], Any]) -> Cell:
        return lambda obj, _: read(core(obj))

    return (
        Column("Last Seen", lambda obj, now_ms: age(_last_seen(core(obj)), now_ms), description="When it was seen last"),
        Column("Type", text(lambda event: event.get("type", "")), description="Normal or Warning"),
        Column("Reason", text(lambda event: event.get("reason", "")), description="Why it happened"),
        Column("Object", text(_object), description="What it is about"),
        Column(
            "Subobject",
            text(lambda event: event.get("involvedObject", {}).get("fieldPath", "")),
            description="The part of the object",
            priority=1,
        ),
        Column("Source", text(_source), description="Who reported it", priority=1),
        Column("Message", text(lambda event: event.get("message", "").strip()), description="What happened"),
        Column(
            "First Seen",
            lambda obj, now_ms: age(core(obj).get("firstTimestamp") or core(obj).get("eventTime"), now_ms),
            description="When it was seen first",
            priority=1,
        ),
        Column("Count", text(_count), description="How often it was seen", priority=1),
        Column("Name", name_cell, format="name", description=NAME_DESCRIPTION, priority=1),
    )


STRATEGY = EventStrategy()

COLUMNS = columns_of(lambda event: event)
