"""What the Store refuses a write with, in the reference's words."""

from __future__ import annotations

from typing import Any

from storage import errors as storage_errors
from storage.types import NOTHING, Key, Revision, Stored, path_of
from watchd.registry.registry import Endpoint
from watchd.registry.value import header_of
from watchd.registry.writes import Deletion
from watchd.status import Reason, StatusError, already_exists, conflict, expired, go_quote, internal

Object = dict[str, Any]

UINT64_LIMIT = 1 << 64
"""A resourceVersion is less: the reference's type for it."""

UINT64_DIGITS = len(str(UINT64_LIMIT))
"""Longer numbers are out of range, whatever they are; Python limits their conversion."""

GROUPS_IN_KEYS = frozenset({"apiextensions.k8s.io"})
"""The built-in groups that the reference's keys name."""


def storage_failure(error: storage_errors.StorageError) -> StatusError:
    """Say in the protocol's words what the log fails with."""
    match error:
        case storage_errors.LogFull():
            return StatusError(Reason.INSUFFICIENT_STORAGE, f"the write was not stored: {error}")
        case storage_errors.OutcomeUnknown():
            return StatusError(
                Reason.INTERNAL_ERROR, f"outcome unknown: the write may or may not have been stored: {error}"
            )
        case storage_errors.Compacted():
            return expired(f"the state that was being read has been compacted meanwhile: {error}")
        case storage_errors.LogClosed():
            return StatusError(Reason.SERVICE_UNAVAILABLE, f"the log takes no writes: {error}", retry_after=1)
        case _:
            return StatusError(Reason.INTERNAL_ERROR, f"Internal error occurred: {error}")


def parse_resource_version(text: str) -> Revision:
    """Read a resourceVersion; "" is 0. Raises StatusError 500 for anything else, as the reference does (PROTOCOL section 1)."""
    if not text:
        return NOTHING
    why = ""
    if not text.isascii() or not text.isdigit():
        why = "invalid syntax"
    elif len(text) > UINT64_DIGITS or int(text) >= UINT64_LIMIT:
        why = "value out of range"
    if why:
        raise internal(f"strconv.ParseUint: parsing {go_quote(text)}: {why}")
    return Revision(int(text))


def other_uid(endpoint: Endpoint, key: Key, asked: str, found: str) -> str:
    """Say that a uid is not the stored one: clients look for these words, and for the key that etcd would have."""
    group = f"{endpoint.group}/" if endpoint.kind.custom or endpoint.group in GROUPS_IN_KEYS else ""
    path = f"/registry/{group}{endpoint.resource}/{path_of(key)}"
    why = f"Precondition failed: UID in precondition: {asked}, UID in object meta: {found}"
    return f"StorageError: invalid object, Code: 4, Key: {path}, ResourceVersion: 0, AdditionalErrorMsg: {why}"


def taken(endpoint: Endpoint, name: str, found: Stored | None) -> StatusError:
    """409 for a name that is taken, or was a moment ago."""
    deleting = found is not None and header_of(found.header).deleting
    return already_exists(endpoint.group, endpoint.resource, name, deleting=deleting)


def no_name_left(error: StatusError) -> StatusError:
    """Say that no generated name was free (errors.NewGenerateNameConflict): the client may try again."""
    return StatusError(
        Reason.ALREADY_EXISTS,
        f"{error.message}, the server was not able to generate a unique name for the object",
        name=error.name,
        group=error.group,
        kind=error.kind,
        retry_after=1,
    )


def check_deletion(endpoint: Endpoint, name: str, deletion: Deletion, obj: Object) -> None:
    """Hold an object against the preconditions of its deletion. Raises StatusError 409."""
    kind, meta = endpoint.kind.names.kind, obj["metadata"]
    if endpoint.kind.strategy.delete_conflicts_briefly:
        asked = (("UID", deletion.uid, meta.get("uid")), ("ResourceVersion", deletion.resource_version, meta.get("resourceVersion")))
        for field, wanted, found in asked:
            if wanted and wanted != found:
                why = f"precondition failed: {field} in precondition: {wanted}, {field} in object meta: {found}"
                raise conflict(endpoint.group, endpoint.resource, name, why)
    if deletion.uid and deletion.uid != meta.get("uid"):
        why = (
            f"the UID in the precondition ({deletion.uid}) does not match the UID in record ({meta.get('uid')}). "
            "The object might have been deleted and then recreated"
        )
        raise conflict(endpoint.group, kind, name, why)
    revision = meta.get("resourceVersion")
    if deletion.resource_version and deletion.resource_version != revision:
        why = (
            f"the ResourceVersion in the precondition ({deletion.resource_version}) does not match the ResourceVersion in "
            f"record ({revision}). The object might have been modified"
        )
        raise conflict(endpoint.group, kind, name, why)
