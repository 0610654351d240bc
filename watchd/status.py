"""metav1.Status as an exception tree: every answer that is not an object (PROTOCOL.md section 4).

The table CODES is the one place that decides HTTP statuses.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from conversion.codec import quote

go_quote = quote
"""Quotes a string as Go's %q does: messages of the protocol hold such strings."""


class Reason(StrEnum):
    """metav1.StatusReason."""

    UNKNOWN = ""
    BAD_REQUEST = "BadRequest"
    UNAUTHORIZED = "Unauthorized"
    FORBIDDEN = "Forbidden"
    NOT_FOUND = "NotFound"
    METHOD_NOT_ALLOWED = "MethodNotAllowed"
    NOT_ACCEPTABLE = "NotAcceptable"
    ALREADY_EXISTS = "AlreadyExists"
    CONFLICT = "Conflict"
    GONE = "Gone"
    EXPIRED = "Expired"
    REQUEST_ENTITY_TOO_LARGE = "RequestEntityTooLarge"
    UNSUPPORTED_MEDIA_TYPE = "UnsupportedMediaType"
    INVALID = "Invalid"
    TOO_MANY_REQUESTS = "TooManyRequests"
    INTERNAL_ERROR = "InternalError"
    SERVICE_UNAVAILABLE = "ServiceUnavailable"
    SERVER_TIMEOUT = "ServerTimeout"
    TIMEOUT = "Timeout"
    INSUFFICIENT_STORAGE = "InsufficientStorage"
    STORAGE_READ_ERROR = "StorageReadError"


CODES: dict[Reason, int] = {
    Reason.UNKNOWN: 500,
    Reason.BAD_REQUEST: 400,
    Reason.UNAUTHORIZED: 401,
    Reason.FORBIDDEN: 403,
    Reason.NOT_FOUND: 404,
    Reason.METHOD_NOT_ALLOWED: 405,
    Reason.NOT_ACCEPTABLE: 406,
    Reason.ALREADY_EXISTS: 409,
    Reason.CONFLICT: 409,
    Reason.GONE: 410,
    Reason.EXPIRED: 410,
    Reason.REQUEST_ENTITY_TOO_LARGE: 413,
    Reason.UNSUPPORTED_MEDIA_TYPE: 415,
    Reason.INVALID: 422,
    Reason.TOO_MANY_REQUESTS: 429,
    Reason.INTERNAL_ERROR: 500,
    Reason.SERVICE_UNAVAILABLE: 503,
    Reason.SERVER_TIMEOUT: 500,
    Reason.TIMEOUT: 504,
    Reason.INSUFFICIENT_STORAGE: 507,
    Reason.STORAGE_READ_ERROR: 500,
}
"""The one table of HTTP statuses."""


class Cause(msgspec.Struct, frozen=True):
    """metav1.StatusCause."""

    reason: str
    message: str
    field: str = ""


class StatusError(Exception):
    """An answer that is a metav1.Status."""

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        name: str = "",
        group: str = "",
        kind: str = "",
        uid: str = "",
        causes: Sequence[Cause] = (),
        retry_after: int = 0,
        continue_token: str = "",
        details: bool = False,
    ) -> None:
        """Describe the failure.

        Args:
            reason: decides the HTTP status, by CODES.
            message: for a person.
            name: of the object.
            group: of the resource.
            kind: the plural resource for NotFound, Conflict and AlreadyExists; the Kind for Invalid.
            uid: of the object.
            causes: what is wrong with which field.
            retry_after: seconds, also sent as the Retry-After header; 0 for none.
            continue_token: where an expired list can go on, inconsistently.
            details: whether `details` is written even where it is empty.

        """
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.name = name
        self.group = group
        self.kind = kind
        self.uid = uid
        self.causes = tuple(causes)
        self.retry_after = retry_after
        self.continue_token = continue_token
        self.details = details

    @property
    def code(self) -> int:
        """The HTTP status."""
        return CODES[self.reason]

    def to_object(self) -> dict[str, Any]:
        """Return the Status as an API object, fields in the reference's order."""
        details: dict[str, Any] = {}
        if self.name:
            details["name"] = self.name
        if self.group:
            details["group"] = self.group
        if self.kind:
            details["kind"] = self.kind
        if self.uid:
            details["uid"] = self.uid
        if self.causes:
            details["causes"] = [_cause(c) for c in self.causes]
        if self.retry_after:
            details["retryAfterSeconds"] = self.retry_after
        out: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": self.continue_token} if self.continue_token else {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            out["reason"] = str(self.reason)
        if details or self.details:
            out["details"] = details
        out["code"] = self.code
        return out


def _cause(cause: Cause) -> dict[str, str]:
    out = {}
    if cause.reason:
        out["reason"] = cause.reason
    if cause.message:
        out["message"] = cause.message
    if cause.field:
        out["field"] = cause.field
    return out


class FieldProblem(StrEnum):
    """The kinds of field errors; the value is the cause's reason, PROSE holds the words."""

    NOT_FOUND = "FieldValueNotFound"
    REQUIRED = "FieldValueRequired"
    DUPLICATE = "FieldValueDuplicate"
    INVALID = "FieldValueInvalid"
    NOT_SUPPORTED = "FieldValueNotSupported"
    FORBIDDEN = "FieldValueForbidden"
    TOO_LONG = "FieldValueTooLong"
    TOO_MANY = "FieldValueTooMany"
    INTERNAL = "InternalError"
    TYPE_INVALID = "FieldValueTypeInvalid"


PROSE: dict[FieldProblem, str] = {
    FieldProblem.NOT_FOUND: "Not found",
    FieldProblem.REQUIRED: "Required value",
    FieldProblem.DUPLICATE: "Duplicate value",
    FieldProblem.INVALID: "Invalid value",
    FieldProblem.NOT_SUPPORTED: "Unsupported value",
    FieldProblem.FORBIDDEN: "Forbidden",
    FieldProblem.TOO_LONG: "Too long",
    FieldProblem.TOO_MANY: "Too many",
    FieldProblem.INTERNAL: "Internal error",
    FieldProblem.TYPE_INVALID: "Invalid value",
}
"""How the reference words each problem."""

VALUELESS = frozenset(
    {
        FieldProblem.REQUIRED,
        FieldProblem.FORBIDDEN,
        FieldProblem.TOO_LONG,
        FieldProblem.INTERNAL,
    }
)
"""Problems whose text does not quote the value."""


class Written(str):
    """A value of a field error that is already written as it is quoted."""

    __slots__ = ()


OMITTED = object()
"""The value of a field error that quotes none although its kind usually does."""


class FieldError(msgspec.Struct, frozen=True):
    """One thing wrong with one field (the reference's field.Error)."""

    problem: FieldProblem
    field: str
    """The path, as in `spec.versions[0].name`; empty for the whole object."""
    value: Any = None
    detail: str = ""

    def body(self) -> str:
        """Return the text without the path: a cause's message."""
        prose = PROSE[self.problem]
        valueless = self.problem in VALUELESS or self.value is OMITTED
        text = prose if valueless else f"{prose}: {go_value(self.value)}"
        return f"{text}: {self.detail}" if self.detail else text

    def __str__(self) -> str:
        """Return path and text."""
        return f"{self.field or '<nil>'}: {self.body()}"

    def cause(self) -> Cause:
        """Return the metav1.StatusCause."""
        return Cause(self.problem, self.body(), self.field or "<nil>")


def go_value(value: Any) -> str:
    """Write a value as the reference quotes it in field errors."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Written):
        return str(value)
    if isinstance(value, str):
        return go_quote(value)
    if isinstance(value, int | float):
        return go_number(value)
    return go_json(value)


_GO_ESCAPES = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
"""What Go's encoding/json escapes beside what JSON demands."""


def go_json(value: Any, *, ordered: bool = False) -> str:
    """Write a value as Go's encoding/json does: a map, or where it is `ordered` a type whose fields are in their order."""
    text = json.dumps(_whole(value), separators=(",", ":"), sort_keys=not ordered, ensure_ascii=False)
    return text.translate(_GO_ESCAPES)


_JSON_WHOLE = 1e21
"""The floating point number from which encoding/json writes an exponent."""


def _whole(value: Any) -> Any:
    """Make floating point numbers without a fraction integers: encoding/json writes no `.0`."""
    if isinstance(value, dict):
        return {key: _whole(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_whole(child) for child in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < _JSON_WHOLE:
        # The fewest digits that tell it apart, and zeros: not the digits of its exact value.
        return int(Decimal(repr(value)))
    return value


_DIGITS = 6
"""The most digits before the point that Go's %v writes without an exponent."""

_ZEROS = 4
"""The zeros behind the point from which Go's %v writes an exponent."""


def go_number(number: float) -> str:
    """Write a number as Go's %v does: 1 for 1.0, 1e+06 for a million."""
    if isinstance(number, int):
        return str(number)
    if not math.isfinite(number):
        return {math.inf: "+Inf", -math.inf: "-Inf"}.get(number, "NaN")
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    minus, text, point = "-" if sign else "", "".join(map(str, digits)), len(digits) + int(exponent)
    if not any(digits):
        return f"{minus}0"
    if not -_ZEROS < point <= _DIGITS:
        fraction = f".{text[1:]}" if len(text) > 1 else ""
        return f"{minus}{text[0]}{fraction}e{'-' if point < 1 else '+'}{abs(point - 1):02d}"
    if point <= 0:
        return f"{minus}0.{'0' * -point}{text}"
    return f"{minus}{text.ljust(point, '0')[:point]}{'.' + text[point:] if len(text) > point else ''}"


_JSON_TYPES: dict[type, str] = {bool: "bool", int: "number", float: "number", str: "string", list: "array", type(None): "null"}


def json_type(value: Any) -> str:
    """Name the JSON type of a value as Go's decoder does in its errors."""
    return _JSON_TYPES.get(type(value), "object")


def qualified(group: str, resource: str) -> str:
    """Write a GroupResource or GroupKind as the reference does: `things.example.com`, or `configmaps`."""
    return f"{resource}.{group}" if group else resource


def invalid(group: str, kind: str, name: str, errors: Iterable[FieldError]) -> StatusError:
    """422: the object as a whole does not pass validation."""
    found = list(errors)
    texts: list[str] = []
    for error in found:
        text = str(error)
        if text not in texts:
            texts.append(text)
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    head = f"{qualified(group, kind)} {go_quote(name)} is invalid"
    return StatusError(
        Reason.INVALID,
        f"{head}: {listed}" if texts else head,
        name=name,
        group=group,
        kind=kind,
        causes=[error.cause() for error in found],
    )


def bad_request(message: str) -> StatusError:
    """400."""
    return StatusError(Reason.BAD_REQUEST, message)


def internal(message: str) -> StatusError:
    """500 without a reason, as the reference answers what it did not expect."""
    return StatusError(Reason.UNKNOWN, message)


def not_found(group: str, resource: str, name: str) -> StatusError:
    """404 for an object."""
    message = f"{qualified(group, resource)} {go_quote(name)} not found"
    return StatusError(Reason.NOT_FOUND, message, name=name, group=group, kind=resource)


def already_exists(group: str, resource: str, name: str, *, deleting: bool = False) -> StatusError:
    """409 for a create of what is there, and may be on its way out."""
    message = f"{qualified(group, resource)} {go_quote(name)} already exists"
    if deleting:
        message = f"object is being deleted: {message}"
    return StatusError(Reason.ALREADY_EXISTS, message, name=name, group=group, kind=resource)


OBJECT_MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"
"""What a stale resourceVersion is answered."""


def conflict(group: str, resource: str, name: str, why: str = OBJECT_MODIFIED) -> StatusError:
    """409 for a lost race or a precondition that does not hold."""
    message = f"Operation cannot be fulfilled on {qualified(group, resource)} {go_quote(name)}: {why}"
    return StatusError(Reason.CONFLICT, message, name=name, group=group, kind=resource)


def forbidden(group: str, resource: str, name: str, why: str, causes: Sequence[Cause] = ()) -> StatusError:
    """403 for a write that a rule of the server refuses."""
    head = f"{qualified(group, resource)} {go_quote(name)}" if name else qualified(group, resource)
    return StatusError(
        Reason.FORBIDDEN, f"{head} is forbidden: {why}", name=name, group=group, kind=resource, causes=causes
    )


def no_such_resource() -> StatusError:
    """404 for a path of a built-in group that nobody serves."""
    return StatusError(Reason.NOT_FOUND, "the server could not find the requested resource", details=True)


def method_not_allowed() -> StatusError:
    """405 for a method that a path does not take, whatever is there; custom kinds have `method_not_supported`."""
    what = "the server does not allow this method on the requested resource"
    return StatusError(Reason.METHOD_NOT_ALLOWED, what, details=True)


def method_not_supported(group: str, resource: str, action: str) -> StatusError:
    """405 for a verb that a resource does not have."""
    message = f"{action} is not supported on resources of kind {go_quote(qualified(group, resource))}"
    return StatusError(Reason.METHOD_NOT_ALLOWED, message, group=group, kind=resource)


def expired(message: str, continue_token: str = "") -> StatusError:
    """410 for a revision that is compacted."""
    return StatusError(Reason.EXPIRED, message, continue_token=continue_token)


def too_large_resource_version(asked: int, current: int) -> StatusError:
    """504 for a revision that has not come yet (PROTOCOL.md section 1)."""
    return StatusError(
        Reason.TIMEOUT,
        f"Timeout: Too large resource version: {asked}, current: {current}",
        causes=[Cause("ResourceVersionTooLarge", "Too large resource version")],
        retry_after=1,
    )


def success(*, name: str, group: str, kind: str, uid: str) -> dict[str, Any]:
    """The Status that answers a DELETE; it has no code."""
    details = {"name": name, "group": group, "kind": kind, "uid": uid}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {k: v for k, v in details.items() if v},
    }
