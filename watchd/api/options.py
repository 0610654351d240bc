"""The options of each verb, read from the query (or a DELETE's body) and checked (PROTOCOL.md sections 1 to 3).

Each class has `parse`, which raises StatusError: 400 for what does not parse, 422 for what may not be combined.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TypeVar

import msgspec

from watchd.api.continuation import Continuation
from watchd.api.requestinfo import flag
from watchd.api.selectors import EVERY_FIELD, EVERY_LABEL, FieldSelector, LabelSelector
from watchd.status import FieldError, FieldProblem, bad_request, go_json, go_quote, internal, invalid, json_type

Query = Mapping[str, Sequence[str]]

TYPE_META = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
"""What the reference reads apiVersion and kind into, as its messages call it."""

META_GROUP = "meta.k8s.io"
"""The group that refused options are of."""

FIELD_MANAGER_MAX_BYTES = 128
"""The longest name of a field manager, in bytes (the reference's FieldManagerMaxLength)."""

EXACT = "Exact"
NOT_OLDER_THAN = "NotOlderThan"

_INT64 = range(-(1 << 63), 1 << 63)
_UINT64_LIMIT = 1 << 64
_DIGITS_MAX = 4000
"""Digits that are converted at all; longer numbers are out of any range, and Python limits such conversions."""

_SIGNED = re.compile(r"[+-]?[0-9]+", re.ASCII)
_UNSIGNED = re.compile(r"[0-9]+", re.ASCII)


def _text(query: Query, name: str) -> str:
    values = query.get(name)
    return values[0] if values else ""


def _flag_or_none(query: Query, name: str) -> bool | None:
    values = query.get(name)
    return flag(values) if values else None


def _integer(query: Query, name: str) -> int | None:
    """Read a parameter as strconv.ParseInt does. Raises StatusError (400)."""
    values = query.get(name)
    if not values:
        return None
    text = values[0]
    if not _SIGNED.fullmatch(text):
        raise bad_request(f"strconv.ParseInt: parsing {go_quote(text)}: invalid syntax")
    if len(text) > _DIGITS_MAX or int(text) not in _INT64:
        raise bad_request(f"strconv.ParseInt: parsing {go_quote(text)}: value out of range")
    return int(text)


def _revision(text: str) -> int:
    """Read a resourceVersion; the empty one is 0. Raises ValueError with the reference's text."""
    if text in ("", "0"):
        return 0
    why = ""
    if not _UNSIGNED.fullmatch(text):
        why = "invalid syntax"
    elif len(text) > _DIGITS_MAX or int(text) >= _UINT64_LIMIT:
        why = "value out of range"
    if why:
        error = FieldError(
            FieldProblem.INVALID, "resourceVersion", text, f"strconv.ParseUint: parsing {go_quote(text)}: {why}"
        )
        raise ValueError(str(error))
    return int(text)


def parse_revision(text: str) -> int:
    """Read the resourceVersion of a GET or a watch; the empty one is 0.

    Raises StatusError: 500, not 400, as the reference answers these two (PROTOCOL.md section 1).
    """
    try:
        return _revision(text)
    except ValueError as e:
        raise internal(str(e)) from e


def _forbidden(field: str, why: str) -> FieldError:
    return FieldError(FieldProblem.FORBIDDEN, field, detail=why)


def _unsupported(field: str, value: Any, supported: Sequence[str]) -> FieldError:
    detail = f"supported values: {', '.join(map(go_quote, supported))}"
    return FieldError(FieldProblem.NOT_SUPPORTED, field, value, detail)


def _refuse(kind: str, errors: list[FieldError]) -> None:
    if errors:
        raise invalid(META_GROUP, kind, "", errors)


class Position(msgspec.Struct, frozen=True):
    """Where in time, and from which key, a list is read."""

    exact: int | None
    """The revision whose state is asked for, or None for the newest."""
    minimum: int
    """The revision that the newest state must have reached; 0 for any."""
    continuation: Continuation | None
    """Where a paged list goes on, or None at its start."""
    paged: bool
    """Whether `limit` counts: not with resourceVersion=0 (FEATURES row 39)."""


class ListOptions(msgspec.Struct, frozen=True):
    """The options of list, watch and deletecollection."""

    label_selector: LabelSelector = EVERY_LABEL
    field_selector: FieldSelector = EVERY_FIELD
    watch: bool = False
    allow_watch_bookmarks: bool = False
    resource_version: str = ""
    """As it came; `position` and `watch_revision` read it."""
    resource_version_match: str = ""
    timeout_seconds: int | None = None
    limit: int = 0
    """Items a page; 0 for no limit."""
    continue_token: str = ""
    send_initial_events: bool | None = None
    """Of a watch: whether the present state comes first. Defaulted, see `parse`."""

    @classmethod
    def parse(cls, query: Query, *, legacy_watch: bool = False) -> ListOptions:
        """Read and check a query.

        A watch with resourceVersion unset or 0 that says nothing else is one with sendInitialEvents, as the reference
        defaults it under WatchList. A legacy watch path makes a watch of options that are checked as the query has
        them: without `watch` as a list's, which is what the reference does.

        Raises StatusError (400, 422).
        """
        timeout_seconds = _integer(query, "timeoutSeconds")
        limit = _integer(query, "limit")
        watch = flag(query.get("watch"))
        resource_version = _text(query, "resourceVersion")
        match = _text(query, "resourceVersionMatch")
        send_initial_events = _flag_or_none(query, "sendInitialEvents")
        if watch and resource_version in ("", "0") and not match and send_initial_events is None:
            send_initial_events, match = True, NOT_OLDER_THAN
        options = cls(
            label_selector=LabelSelector.parse(_text(query, "labelSelector")),
            field_selector=FieldSelector.parse(_text(query, "fieldSelector")),
            watch=watch,
            allow_watch_bookmarks=flag(query.get("allowWatchBookmarks")),
            resource_version=resource_version,
            resource_version_match=match,
            timeout_seconds=timeout_seconds,
            limit=max(limit or 0, 0),
            continue_token=_text(query, "continue"),
            send_initial_events=send_initial_events,
        )
        _refuse("ListOptions", options._watch_errors() if watch else options._list_errors())
        if legacy_watch and not watch:
            initial = True if resource_version in ("", "0") else None
            options = msgspec.structs.replace(options, watch=True, send_initial_events=initial)
        return options

    def _list_errors(self) -> list[FieldError]:
        field, match, errors = "resourceVersionMatch", self.resource_version_match, []
        if match:
            if not self.resource_version:
                errors.append(_forbidden(field, f"{field} is forbidden unless resourceVersion is provided"))
            if self.continue_token:
                errors.append(_forbidden(field, f"{field} is forbidden when continue is provided"))
            if match not in (EXACT, NOT_OLDER_THAN):
                errors.append(_unsupported(field, match, (EXACT, NOT_OLDER_THAN, "")))
            if match == EXACT and self.resource_version == "0":
                errors.append(_forbidden(field, f'{field} "exact" is forbidden for resourceVersion "0"'))
        if self.send_initial_events is not None:
            errors.append(_forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
        return errors

    def _watch_errors(self) -> list[FieldError]:
        field, match, errors = "resourceVersionMatch", self.resource_version_match, []
        if self.send_initial_events is not None and match != NOT_OLDER_THAN:
            errors.append(_forbidden(field, f"sendInitialEvents requires setting {field} to {NOT_OLDER_THAN}"))
        if match:
            if self.send_initial_events is None:
                errors.append(_forbidden(field, f"{field} is forbidden for watch unless sendInitialEvents is provided"))
            if match != NOT_OLDER_THAN:
                errors.append(_unsupported(field, match, (NOT_OLDER_THAN,)))
            if self.continue_token:
                errors.append(_forbidden(field, f"{field} is forbidden when continue is provided"))
        return errors

    def read_in_pages(self) -> ListOptions:
        """Return the options of the list behind a deletecollection: the reference reads it with a limit of its own.

        Hence a revision alone means that very one, by its legacy rule.
        """
        if self.resource_version in ("", "0") or self.resource_version_match or self.continue_token:
            return self
        return msgspec.structs.replace(self, resource_version_match=EXACT)

    def position(self) -> Position:
        """Tell what a list reads (the table of PROTOCOL.md section 2). Raises StatusError (400)."""
        paged = self.limit > 0 and self.resource_version != "0"
        if self.continue_token:
            continuation = Continuation.decode(self.continue_token)
            if self.resource_version not in ("", "0"):
                raise bad_request("specifying resource version is not allowed when using continue")
            exact = continuation.revision if continuation.revision > 0 else None
            return Position(exact, 0, continuation, paged)
        try:
            revision = _revision(self.resource_version)
        except ValueError as e:
            raise bad_request(f"invalid resource version: {e}") from e
        # A limit and a revision without a match mean that very revision: the reference's legacy rule.
        legacy_exact = not self.resource_version_match and self.limit > 0 and revision > 0
        if self.resource_version_match == EXACT or legacy_exact:
            return Position(revision, revision, None, paged)
        return Position(None, revision, None, paged)

    def watch_revision(self) -> int:
        """Return the revision a watch starts behind, 0 for none given. Raises StatusError (500)."""
        return parse_revision(self.resource_version)


class GetOptions(msgspec.Struct, frozen=True):
    """The options of get."""

    resource_version: str = ""

    @classmethod
    def parse(cls, query: Query) -> GetOptions:
        """Read a query."""
        return cls(_text(query, "resourceVersion"))

    def minimum(self) -> int:
        """Return the revision that the answer must have reached, 0 for any. Raises StatusError (500)."""
        return parse_revision(self.resource_version)


FIELD_VALIDATION = ("", "Ignore", "Strict", "Warn")
"""What fieldValidation may be; "" is Warn."""


class _WriteOptions(msgspec.Struct, frozen=True):
    """What create, update and patch have in common."""

    dry_run: bool = False
    field_manager: str = ""
    field_validation: str = ""

    @property
    def strict(self) -> bool:
        """Whether unknown and duplicate fields are refused."""
        return self.field_validation == "Strict"

    @property
    def warn(self) -> bool:
        """Whether unknown and duplicate fields are warned of (the default)."""
        return self.field_validation in ("", "Warn")

    def manager(self, user_agent: str) -> str:
        """Return the field manager: the one that was given, or the program's name in the User-Agent."""
        if self.field_manager:
            return self.field_manager
        name = user_agent.partition("/")[0]
        if not name.isprintable():
            name = "".join(char for char in name if char.isprintable())
        return name.encode()[:FIELD_MANAGER_MAX_BYTES].decode("utf-8", "ignore")


_W = TypeVar("_W", bound="CreateOptions | UpdateOptions | PatchOptions")


def _dry_run_errors(values: Sequence[str]) -> list[FieldError]:
    return [] if all(value == "All" for value in values) else [_unsupported("dryRun", list(values), ("All",))]


def _write_errors(query: Query) -> list[FieldError]:
    """Check what create, update and patch have in common, in the reference's order."""
    errors = []
    manager = _text(query, "fieldManager")
    if len(manager.encode("utf-8", "replace")) > FIELD_MANAGER_MAX_BYTES:
        why = f"may not be more than {FIELD_MANAGER_MAX_BYTES} bytes"
        errors.append(FieldError(FieldProblem.TOO_LONG, "fieldManager", manager, why))
    position = 0
    for char in manager:
        if not char.isprintable():
            why = f"invalid character U+{ord(char):04X} (at position {position})"
            errors.append(FieldError(FieldProblem.INVALID, "fieldManager", manager, why))
        position += len(char.encode("utf-8", "replace"))
    errors += _dry_run_errors(query.get("dryRun", ()))
    validation = _text(query, "fieldValidation")
    if validation not in FIELD_VALIDATION:
        errors.append(_unsupported("fieldValidation", validation, FIELD_VALIDATION))
    return errors


def _written(kind: type[_W], query: Query) -> _W:
    return kind(
        dry_run=bool(query.get("dryRun")),
        field_manager=_text(query, "fieldManager"),
        field_validation=_text(query, "fieldValidation"),
    )


class CreateOptions(_WriteOptions, frozen=True):
    """The options of create."""

    @classmethod
    def parse(cls, query: Query) -> CreateOptions:
        """Read and check a query. Raises StatusError (422)."""
        if not query:
            return cls()
        _refuse("CreateOptions", _write_errors(query))
        return _written(cls, query)


class UpdateOptions(_WriteOptions, frozen=True):
    """The options of update."""

    @classmethod
    def parse(cls, query: Query) -> UpdateOptions:
        """Read and check a query. Raises StatusError (422)."""
        if not query:
            return cls()
        _refuse("UpdateOptions", _write_errors(query))
        return _written(cls, query)


class PatchOptions(_WriteOptions, frozen=True):
    """The options of patch."""

    force: bool = False
    """Of server-side apply: whether to take fields from other managers."""

    @classmethod
    def parse(cls, query: Query, *, apply: bool) -> PatchOptions:
        """Read and check a query; `apply` tells whether this is server-side apply. Raises StatusError (422)."""
        force = _flag_or_none(query, "force")
        errors = []
        if not apply and force is not None:
            errors.append(_forbidden("force", "may not be specified for non-apply patch"))
        if apply and not _text(query, "fieldManager"):
            errors.append(FieldError(FieldProblem.REQUIRED, "fieldManager", detail="is required for apply patch"))
        _refuse("PatchOptions", errors + _write_errors(query))
        return msgspec.structs.replace(_written(cls, query), force=bool(force))


FOREGROUND = "Foreground"
BACKGROUND = "Background"
ORPHAN = "Orphan"


class DeleteOptions(msgspec.Struct, frozen=True):
    """The options of delete and deletecollection."""

    dry_run: bool = False
    grace_period_seconds: int | None = None
    """None where the kind's own default holds; never negative."""
    propagation_policy: str = ""
    """Foreground, Background, Orphan, or "" where the kind's own default holds; orphanDependents is translated."""
    uid: str | None = None
    """Precondition."""
    resource_version: str | None = None
    """Precondition."""

    @classmethod
    def parse(cls, query: Query, body: Any = None) -> DeleteOptions:
        """Read and check a DELETE's options.

        Args:
            query: used where there is no body: a body rules alone, as in the reference.
            body: decoded, or None for an empty one.

        Raises:
            StatusError: 400, 422.

        """
        if body is not None:
            return cls._checked(*_delete_body(body))
        orphan = _flag_or_none(query, "orphanDependents")
        policy = query["propagationPolicy"][0] if query.get("propagationPolicy") else None
        grace = _integer(query, "gracePeriodSeconds")
        dry_run = list(query.get("dryRun", ()))
        # The fields of the preconditions stand in the query by their own names.
        return cls._checked(
            dry_run, grace, policy, orphan, _text(query, "uid") or None, _text(query, "resourceVersion") or None
        )

    @classmethod
    def _checked(
        cls,
        dry_run: list[str],
        grace: int | None,
        policy: str | None,
        orphan: bool | None,  # noqa: FBT001  # one field of six, called from `parse` alone
        uid: str | None,
        resource_version: str | None,
    ) -> DeleteOptions:
        errors = []
        if orphan is not None and policy is not None:
            why = "orphanDependents and deletionPropagation cannot be both set"
            errors.append(FieldError(FieldProblem.INVALID, "propagationPolicy", policy, why))
        if policy is not None and policy not in (FOREGROUND, BACKGROUND, ORPHAN):
            errors.append(_unsupported("propagationPolicy", policy, (FOREGROUND, BACKGROUND, ORPHAN, "nil")))
        _refuse("DeleteOptions", errors + _dry_run_errors(dry_run))
        if orphan is not None:
            policy = ORPHAN if orphan else BACKGROUND
        if grace is not None and grace < 0:
            # The reference: a negative grace period is the shortest one there is.
            grace = 1
        return cls(bool(dry_run), grace, policy or "", uid, resource_version)


_GO_TYPES: dict[type, str] = {str: "string", bool: "bool", int: "int64", list: "[]string", dict: "v1.Preconditions"}


_GO_NAMES = {"propagationPolicy": "v1.DeletionPropagation", "uid": "types.UID"}
"""Types that have names of their own in Go."""


def _typed(body: Mapping[str, Any], name: str, kind: type, struct: str = "DeleteOptions", path: str = "") -> Any:
    """Return a field of a DeleteOptions body, or None where it is absent or null. Raises StatusError (400)."""
    value = body.get(name)
    if value is None:
        return None
    if type(value) is not kind or (kind is int and value not in _INT64):
        _mismatch(path + name, value, _GO_NAMES.get(name, _GO_TYPES[kind]), struct)
    return value


def _mismatch(name: str, value: Any, go_type: str, struct: str = "DeleteOptions") -> NoReturn:
    found = json_type(value)
    if found == "number" and go_type == "int64":
        found = f"number {go_json(value)}"
    raise bad_request(f"json: cannot unmarshal {found} into Go struct field {struct}.{name} of type {go_type}")


def _delete_body(body: Any) -> tuple[list[str], int | None, str | None, bool | None, str | None, str | None]:
    """Read the fields of a DeleteOptions body, of any group: old clients name their resource's."""
    if not isinstance(body, dict):
        what = f"json: cannot unmarshal {json_type(body)} into Go value of type {TYPE_META}"
        raise bad_request(f"couldn't get version/kind; json parse error: {what}")
    kind = body.get("kind", "DeleteOptions")
    if kind not in ("DeleteOptions", ""):
        version = body.get("apiVersion", "v1")
        raise bad_request(f"no kind {go_quote(str(kind))} is registered for version {go_quote(str(version))}")
    preconditions = _typed(body, "preconditions", dict) or {}
    dry_run = _typed(body, "dryRun", list) or []
    for item in dry_run:
        if not isinstance(item, str):
            _mismatch("dryRun", item, "string")
    return (
        dry_run,
        _typed(body, "gracePeriodSeconds", int),
        _typed(body, "propagationPolicy", str),
        _typed(body, "orphanDependents", bool),
        _typed(preconditions, "uid", str, "Preconditions", "preconditions."),
        _typed(preconditions, "resourceVersion", str, "Preconditions", "preconditions."),
    )
