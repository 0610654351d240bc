"""The FieldManager: managedFields of one kind, for ordinary writes and for server-side apply.

The chain of apimachinery's util/managedfields/internal in one place: which managers count (fieldmanager.go), what is never
tracked (stripmeta.go), when a time moves (managedfieldsupdater.go), the first apply to an object without managers
(skipnonapplied.go) and kubectl's way over from client-side apply (lastappliedmanager.go, lastappliedupdater.go).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from operator import is_
from typing import Any

import msgspec
import orjson

from watchd.registry.managed.compare import compare, field_set
from watchd.registry.managed.entries import (
    APPLY,
    MAX_UPDATE_MANAGERS,
    UNKNOWN_MANAGER,
    UPDATE,
    Entry,
    Managers,
    Owned,
    capped,
    decode,
    encode,
    identity,
    is_reset,
    settled,
)
from watchd.registry.managed.errors import ApplyConflict, BadApply, InvalidManagedFields, ManagedError, TypeProblem
from watchd.registry.managed.fieldpath import FIELD, json_text
from watchd.registry.managed.fieldset import FieldSet, paths
from watchd.registry.managed.texts import TEXTS, Known
from watchd.registry.managed.typed import Object, Typing, validate
from watchd.registry.managed.updater import ResetFields, Updater
from watchd.registry.metadata import ANNOTATIONS_MAX

NEVER_TRACKED = paths(
    "apiVersion",
    "kind",
    "metadata",
    "metadata.name",
    "metadata.namespace",
    "metadata.creationTimestamp",
    "metadata.selfLink",
    "metadata.uid",
    "metadata.clusterName",
    "metadata.generation",
    "metadata.managedFields",
    "metadata.resourceVersion",
)
"""Fields that nobody owns (stripmeta.go); `metadata` itself only, not what is below it."""

BEFORE_FIRST_APPLY = "before-first-apply"
"""The manager of all that an object without managers holds when it is applied to for the first time."""

KUBECTL = "kubectl"
"""The one manager for which client-side apply's annotation counts."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which client-side apply keeps what it applied last."""


TOO_DEEP = (RecursionError, orjson.JSONEncodeError)
"""What comes of an object that is nested deeper than can be walked, or written: no log would take it."""

FORGOTTEN = Known([], {})
"""What an object says that has forgotten its managers."""

_NOBODY = identity("", UPDATE, "")

_NOTHING = FieldSet()

_EXISTING = "failed to create manager for existing fields: failed to convert new object ({}) to smd typed: {}"


class Applied(msgspec.Struct, frozen=True):
    """What came of an apply."""

    obj: Object
    """The merged object, with its managedFields. Shares parts with the live and the applied object."""
    changed: bool
    """Whether anything but managedFields differs from the live object."""


class FieldManager(msgspec.Struct, frozen=True):
    """Tracks who owns which field of the objects of one kind."""

    kind: str
    typing_of: Callable[[str], Typing]
    """The types of a version, by apiVersion. Raises UnknownVersion for one that the kind no longer has."""
    convert: Callable[[Object, str], Object]
    """Make an object of another version of one; the result may share parts with it. Raises UnknownVersion."""

    def update(
        self,
        live: Object | None,
        new: Object,
        *,
        manager: str,
        api_version: str,
        time: str,
        subresource: str = "",
        reset_fields: ResetFields | None = None,
    ) -> list[Entry]:
        """Return the managedFields that an object has after a create, update or patch, as `track` makes them."""
        return self.track(
            live, new, None, manager=manager, api_version=api_version, time=time, subresource=subresource, reset_fields=reset_fields
        ).entries

    def track(
        self,
        live: Object | None,
        new: Object,
        known: Known | None,
        *,
        manager: str,
        api_version: str,
        time: str,
        subresource: str = "",
        reset_fields: ResetFields | None = None,
    ) -> Known:
        """Return the managedFields that an object has after a create, update or patch (FEATURES row 87).

        The managers of before are those in `new`, unless it names none or none that can be read: then those in `live`.
        An empty list, or one with one empty entry, makes the object forget all managers. Through a subresource, only those
        of `live` count. What differs belongs to the writer now and to nobody else.

        Args:
            live: the object as it was, at `api_version`; None for a create.
            new: the object as it will be, at `api_version`, with the managedFields that the client sent. Not changed.
            known: what the managedFields of `live` say, where that has been found out.
            manager: who writes.
            api_version: the request's.
            time: of the request, RFC 3339 in whole seconds.
            subresource: through which the object is written; empty for the object itself.
            reset_fields: fields that the subresource puts back, by version.

        Returns:
            What they say, which is not to be changed, for it is remembered (TEXTS) and shared; no entries where the object
            is to have no managedFields at all. Where an object does not fit its type, the live object's entries stay, as in
            the reference (UpdateNoErrors): validation refuses such an object anyway.

        """
        before = self._empty(api_version) if live is None else live
        managers = _managers(before, new, known, through_subresource=bool(subresource))
        if not managers and live is not None:
            return FORGOTTEN
        updater = Updater(self.typing_of, self.convert, reset_fields or {})
        try:
            if reset_fields:
                self._check_put_back(before, new, api_version, reset_fields.get(api_version))
            managers = _update(updater, before, new, managers, manager, api_version, subresource, time)
            return _remembered(settled(managers), known)
        except (ManagedError, *TOO_DEEP):
            return known or Known(list(_managed(before) or []), {}, b"")

    def _check_put_back(self, live: Object, new: Object, api_version: str, reset: FieldSet | None) -> None:
        """Hold the fields that a write puts back against their types. Raises TypeProblem.

        Validation never sees what was sent there, and the comparison does not look into what is atomic.
        """
        root = self.typing_of(api_version).root
        for element in reset.tree if reset else ():
            name = element.removeprefix(FIELD)
            # Metadata has its type from the decoder.
            if name != "metadata" and name in new and new[name] != live.get(name):
                validate(root, {name: new[name]}, duplicates=True)

    def apply(
        self,
        live: Object | None,
        applied: Object,
        *,
        manager: str,
        api_version: str,
        time: str,
        force: bool = False,
        subresource: str = "",
        reset_fields: ResetFields | None = None,
    ) -> Applied:
        """Apply an object to the live one (FEATURES rows 85 to 91).

        Args:
            live: the object as it is, at `api_version`; None where it is created.
            applied: what the manager wants; only what it cares for. Not changed.
            manager: who applies.
            api_version: the request's.
            time: of the request, RFC 3339 in whole seconds.
            force: whether other managers lose what this one wants otherwise.
            subresource: through which the object is written; empty for the object itself.
            reset_fields: fields that the subresource puts back, by version.

        Raises:
            ApplyConflict: other managers own what would change.
            BadApply: the applied object is of another kind or version, or has managedFields.
            TypeProblem: it does not fit its type.
            InvalidManagedFields: the live object's managedFields cannot be read.

        """
        self._check_kind(applied, api_version)
        with _bounded_depth():
            return self._apply(live, applied, manager, api_version, time, subresource, reset_fields or {}, force=force)

    def _apply(
        self,
        live: Object | None,
        applied: Object,
        manager: str,
        api_version: str,
        time: str,
        subresource: str,
        reset_fields: ResetFields,
        *,
        force: bool,
    ) -> Applied:
        before = self._empty(api_version) if live is None else live
        managers = decode(_managed(before), reuse=True)
        bare = _without_managed(before)
        updater = Updater(self.typing_of, self.convert, reset_fields)
        request = _Apply(updater, manager, api_version, subresource, time)
        if not managers:
            self._validate(bare, api_version, _EXISTING, duplicates=True)
            empty = self._empty(api_version)
            managers = _update(updater, empty, bare, {}, BEFORE_FIRST_APPLY, api_version, subresource, time)
        if isinstance(_managed(applied), list):
            raise BadApply("metadata.managedFields must be nil")
        self._validate(applied, api_version, "failed to create typed patch object ({}): {}")
        self._validate(bare, api_version, "failed to create typed live object ({}): {}", duplicates=True)
        try:
            merged, after = request.run(bare, applied, managers, force=force)
        except ApplyConflict as e:
            if manager != KUBECTL:
                raise
            _check_allowed(e, self._last_applied_fields(bare, api_version))
            merged, after = request.run(bare, applied, managers, force=True)
        obj = bare if merged is None else merged
        if manager == KUBECTL:
            obj = _with_last_applied(obj, applied)
        return Applied(_with_managed(obj, encode(after)), changed=merged is not None)

    def _empty(self, api_version: str) -> Object:
        return {"apiVersion": api_version, "kind": self.kind, **self.typing_of(api_version).empty}

    def _check_kind(self, applied: Object, api_version: str) -> None:
        if applied.get("apiVersion") != api_version or applied.get("kind") != self.kind:
            version, kind = _text(applied, "apiVersion"), _text(applied, "kind")
            raise BadApply(f"invalid object type: {_group_version(version)}, Kind={kind}")

    def _validate(self, obj: Object, api_version: str, text: str, *, duplicates: bool = False) -> None:
        try:
            validate(self.typing_of(api_version).root, obj, duplicates=duplicates)
        except TypeProblem as e:
            metadata = obj.get("metadata")
            names = metadata if isinstance(metadata, dict) else {}
            whose = f"{_text(names, 'namespace')}/{_text(names, 'name')}"
            name = f"{whose}; {_group_version(api_version)}, Kind={self.kind}"
            raise TypeProblem(text.format(name, e)) from e

    def _last_applied_fields(self, live: Object, api_version: str) -> FieldSet:
        """Return what client-side apply applied last and the object still holds: what kubectl may take over unasked."""
        text = _annotations(live).get(LAST_APPLIED)
        try:
            last = orjson.loads(text) if text else None
        except orjson.JSONDecodeError:
            return FieldSet()
        if not isinstance(last, dict) or last.get("apiVersion") != api_version:
            return FieldSet()
        root = self.typing_of(api_version).root
        try:
            validate(root, last)
            differs = compare(root, last, live)
            return field_set(root, last) - differs.modified - differs.added - differs.removed
        except ManagedError:
            return FieldSet()


class _Apply(msgspec.Struct, frozen=True):
    """One apply request."""

    updater: Updater
    manager: str
    api_version: str
    subresource: str
    time: str

    def run(self, live: Object, applied: Object, managers: Managers, *, force: bool) -> tuple[Object | None, Managers]:
        who = identity(self.manager or UNKNOWN_MANAGER, APPLY, self.api_version, self.subresource)
        last = managers.get(who)
        merged, after = self.updater.apply(live, applied, self.api_version, managers, who, force=force)
        mine = after.pop(who, None)
        fields = mine.fields - NEVER_TRACKED if mine is not None else FieldSet()
        if fields:
            # An apply that leaves the object as it is moves no time; a new owner then has none (managedfieldsupdater.go).
            time = self.time if merged is not None else last.time if last is not None else ""
            after[who] = Owned(fields, self.api_version, applied=True, time=time)
        return merged, after


def _update(
    updater: Updater,
    live: Object,
    new: Object,
    managers: Managers,
    manager: str,
    api_version: str,
    subresource: str,
    time: str,
) -> Managers:
    """Give the writer what differs; its entry's time moves only if it comes to own something."""
    if _managed(live) is not _managed(new):
        live, new = _without_managed(live), _without_managed(new)
    managers = updater.reconciled(managers)
    comparison = updater.compared(live, new, api_version)
    who = identity(manager or UNKNOWN_MANAGER, UPDATE, api_version, subresource)
    if not managers:
        fields = comparison.changed.without(updater.reset_fields.get(api_version, _NOTHING)) - NEVER_TRACKED
        return {who: Owned(fields, api_version, applied=False, time=time)} if fields else {}
    tracked = len(managers) <= MAX_UPDATE_MANAGERS and not comparison.changed & NEVER_TRACKED
    if tracked and updater.stays(managers, who, api_version, comparison):
        return {**managers, who: managers[who].at(time)}
    # The writer's own earlier entry loses what changed like all others, and gets it back with the new time.
    live, new = _without_managed(live), _without_managed(new)
    out, fields = updater.followed(live, new, api_version, managers, _NOBODY, comparison)
    fields -= NEVER_TRACKED
    if fields:
        left, before = out.get(who), managers.get(who)
        if left is not None:
            fields = left.fields | fields
        mine = Owned(fields, api_version, applied=False, time=time)
        out[who] = mine if before is None else before.again(mine)
    return capped(out)


def _remembered(managers: Managers, known: Known | None) -> Known:
    """Return what settled managers say, which are about to be written: they will be met again by their text."""
    entries = [owned.entry for owned in managers.values() if owned.entry is not None]
    if known is not None and len(entries) == len(known.entries) and all(map(is_, entries, known.entries)):
        return known
    return TEXTS.remember(Known(entries, managers), known)


def _managers(live: Object, new: Object, known: Known | None, *, through_subresource: bool) -> Managers:
    """Return the managers that count before a write (fieldmanager.go, decodeLiveOrNew)."""
    sent, stored = _managed(new), _managed(live)
    if not through_subresource and sent is not None and sent is not stored and sent != stored:
        if is_reset(sent):
            return {}
        try:
            managers = decode(sent, known=stored or ())
        except InvalidManagedFields:
            managers = {}
        if managers:
            return managers
    if known is not None:
        return known.managers
    try:
        return decode(stored, reuse=True)
    except InvalidManagedFields:
        return {}


@contextmanager
def _bounded_depth() -> Iterator[None]:
    """Tell of an object that is nested too deeply."""
    try:
        yield
    except TOO_DEEP as e:
        raise TypeProblem(f"the object cannot be walked: {e}") from e


def _managed(obj: Object) -> Any:
    metadata = obj.get("metadata")
    return metadata.get("managedFields") if isinstance(metadata, dict) else None


def _without_managed(obj: Object) -> Object:
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return obj
    metadata = metadata.copy()
    del metadata["managedFields"]
    return {**obj, "metadata": metadata}


def _with_managed(obj: Object, entries: list[Entry]) -> Object:
    metadata = {name: item for name, item in (obj.get("metadata") or {}).items() if name != "managedFields"}
    if entries:
        metadata["managedFields"] = entries
    return {**obj, "metadata": metadata}


def _annotations(obj: Object) -> Mapping[str, Any]:
    annotations = (obj.get("metadata") or {}).get("annotations")
    return annotations if isinstance(annotations, dict) else {}


def _check_allowed(error: ApplyConflict, allowed: FieldSet) -> None:
    """Raise the conflicts that client-side apply does not explain."""
    left = [conflict for conflict in error.conflicts if conflict.path not in allowed]
    if left:
        raise ApplyConflict(left) from error


def _with_last_applied(obj: Object, applied: Object) -> Object:
    """Keep client-side apply's annotation up to date, where the object has one: kubectl may go back to it."""
    if not _annotations(obj).get(LAST_APPLIED):
        return obj
    annotations = {**_annotations(obj), LAST_APPLIED: _last_applied(applied)}
    if sum(len(name.encode()) + len(text.encode()) for name, text in annotations.items()) > ANNOTATIONS_MAX:
        del annotations[LAST_APPLIED]
    return {**obj, "metadata": {**obj["metadata"], "annotations": annotations}}


def _last_applied(applied: Object) -> str:
    """Write an applied object as Go's encoder does, without the annotation itself."""
    metadata = applied.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("annotations"), dict):
        annotations = {name: text for name, text in metadata["annotations"].items() if name != LAST_APPLIED}
        applied = {**applied, "metadata": {**metadata, "annotations": annotations}}
    return json_text(applied) + "\n"


def _text(fields: Mapping[str, Any], name: str) -> str:
    """Return a field that is a string, or none."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _group_version(api_version: str) -> str:
    """Write a version as Go writes its group and version: the core group is empty, not left out."""
    return api_version if "/" in api_version else f"/{api_version}"
