"""Judges what clients of a simulated cluster were told by what was committed (DESIGN.md section 2)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import attrs
import orjson

from storage.types import Op, Record, path_of
from tests.simulation.committer import Truth
from tests.simulation.history import (
    NAMES,
    SELECTED,
    Bookmark,
    Event,
    Expired,
    History,
    Listed,
    Read,
    Session,
    Window,
    Wrote,
)

PREFIX = "default/"


@attrs.frozen
class Change:
    """A change of one of the clients' ConfigMaps."""

    revision: int
    previous: int
    name: str
    value: str | None
    """None: it was deleted."""
    selected: bool

    @property
    def state(self) -> tuple[int, str] | None:
        """What the object is after it."""
        return None if self.value is None else (self.revision, self.value)


class Model:
    """What was committed, as clients must have seen it."""

    def __init__(self, committed: list[Record]) -> None:
        self.changes = list(_changes(committed))
        self.by_revision = {change.revision: change for change in self.changes}
        self.of: dict[str, list[Change]] = defaultdict(list)
        for change in self.changes:
            self.of[change.name].append(change)

    def last(self, name: str, revision: int) -> Change | None:
        """Return the last change of an object up to a revision."""
        return next((change for change in reversed(self.of[name]) if change.revision <= revision), None)

    def states(self, name: str, first: int, last: int) -> list[tuple[int, str] | None]:
        """Return every state that an object had at some revision in [first, last]."""
        begin = self.last(name, first)
        states = [None if begin is None else begin.state]
        return states + [change.state for change in self.of[name] if first < change.revision <= last]

    def at(self, revision: int, *, selected: bool) -> dict[str, tuple[int, str]]:
        """Return the state of all objects at a revision."""
        found = {name: self.last(name, revision) for name in NAMES}
        return {
            name: change.state
            for name, change in found.items()
            if change is not None and change.state is not None and (change.selected or not selected)
        }

    def events(self, after: int, upto: int, *, selected: bool) -> list[Event]:
        """Return what a watcher must be told of the changes in (after, upto]."""
        return [
            event
            for change in self.changes
            if after < change.revision <= upto and (event := self._event(change, selected=selected)) is not None
        ]

    def _event(self, change: Change, *, selected: bool) -> Event | None:
        before = self.last(change.name, change.revision - 1)
        was = before is not None and before.value is not None and (before.selected or not selected)
        now = change.value is not None and (change.selected or not selected)
        if now:
            assert change.value is not None
            return Event("MODIFIED" if was else "ADDED", change.name, change.revision, change.value)
        if was:
            assert before is not None
            assert before.value is not None
            return Event("DELETED", change.name, change.revision, before.value)
        return None


def _body(record: Record) -> dict[str, Any]:
    # One that compares nothing deletes what is not there.
    return orjson.loads(record.body) if record.body else {"kind": "", "metadata": {}}


def _changes(committed: list[Record]) -> Iterator[Change]:
    for record in committed:
        name = path_of(record.key).removeprefix(PREFIX)
        body = _body(record)
        if name in NAMES and body["kind"] == "ConfigMap":
            deleted = record.op is Op.DELETE
            selected = body["metadata"]["labels"]["app"] == SELECTED
            yield Change(record.revision, record.previous, name, None if deleted else body["data"]["value"], selected)


def violations(history: History, truth: Truth) -> list[str]:
    """Return what the clients' history breaks, each with the name of the promise first."""
    found = list(history.problems)
    revisions = [record.revision for record in truth.committed]
    if revisions != list(range(1, len(revisions) + 1)):
        found.append(f"dense: {revisions}")
    model = Model(truth.committed)
    found += _writes(history.writes, model)
    for read in history.reads:
        found += _read(read, model)
    for listed in history.lists:
        found += _list(listed, model)
    expired = [*history.expired, *(one for session in history.sessions for one in session.told if isinstance(one, Expired))]
    found += [f"retained: {one}" for one in expired if one.revision >= one.floor]
    for session in history.sessions:
        found += _beginning(session, model)
        found += _session(session, model, truth.head)
    found += _addresses(truth.committed)
    found += _namespaces(truth.committed)
    return found


def _writes(writes: list[Wrote], model: Model) -> Iterator[str]:
    stored = Counter(change.value for change in model.changes if change.value is not None)
    yield from (f"once: {value} was stored {times} times" for value, times in stored.items() if times > 1)
    removed: Counter[int] = Counter()
    for wrote in writes:
        if wrote.unknown:
            continue
        if wrote.status >= 400:
            if stored[wrote.value]:
                yield f"honest: {wrote} was stored"
            elif not _may_be_refused(wrote, model):
                yield f"linearizable: {wrote} had no reason to be refused"
        elif wrote.verb == "delete":
            gone = [c for c in model.of[wrote.name] if c.value is None and c.previous == wrote.expected and _within(c, wrote.window)]
            removed.update(change.revision for change in gone)
            if not gone:
                yield f"durable: {wrote}"
        else:
            yield from _stored(wrote, model)
    yield from (f"compare-and-swap: {revision} is the end of several deletes" for revision, times in removed.items() if times > 1)


def _stored(wrote: Wrote, model: Model) -> Iterator[str]:
    """Judge a write that was answered with a revision."""
    change = model.by_revision.get(wrote.revision or 0)
    if change is None or (change.name, change.value) != (wrote.name, wrote.value):
        yield f"durable: {wrote}"
    elif wrote.verb == "update" and change.previous != wrote.expected:
        yield f"compare-and-swap: {wrote} replaced {change.previous}"
    elif not _within(change, wrote.window):
        yield f"linearizable: {wrote}"


def _within(change: Change, window: Window) -> bool:
    return window.since.head < change.revision <= window.until


def _may_be_refused(wrote: Wrote, model: Model) -> bool:
    if wrote.given_up:
        return True
    states = model.states(wrote.name, wrote.window.since.head, wrote.window.until)
    if wrote.status == 404:
        return None in states
    if wrote.verb == "create":
        return any(state is not None for state in states)
    # A patch gives up after some tries.
    return wrote.expected is None or any(state is None or state[0] != wrote.expected for state in states)


def _read(read: Read, model: Model) -> Iterator[str]:
    first = max(read.window.since.answered, read.minimum)
    if read.found not in model.states(read.name, first, read.window.until):
        yield f"linearizable: {read} since {first}"


def _list(listed: Listed, model: Model) -> Iterator[str]:
    first = listed.minimum if listed.exact else max(listed.window.since.answered, listed.minimum)
    last = listed.minimum if listed.exact else listed.window.until
    if not first <= listed.revision <= last:
        yield f"linearizable: {listed} is not of [{first}, {last}]"
    state = model.at(listed.revision, selected=listed.selected)
    if listed.items != state:
        yield f"snapshot: {listed} instead of {state}"


def _beginning(session: Session, model: Model) -> Iterator[str]:
    state = model.at(session.start, selected=session.selected)
    if session.state not in (None, state):
        yield f"snapshot: {session.state} instead of {state} at {session.start}"


def _session(session: Session, model: Model, head: int) -> Iterator[str]:
    def due_in(after: int, upto: int, told: Event | None = None) -> list[Event]:
        due = model.events(after, upto, selected=session.selected)
        return [event for event in due if event.revision > session.sure or event == told]

    covered = session.start
    for told in session.told:
        if isinstance(told, Event):
            due = due_in(covered, told.revision, told)
            if told.revision <= covered:
                yield f"ordered, unique: {told} after {covered}"
            elif due != [told]:
                yield f"reliable: {told} instead of {due} after {covered}"
        elif isinstance(told, Bookmark):
            if due := due_in(covered, told.revision):
                yield f"bookmarkable: {told} ahead of {due}"
            if not covered <= told.revision <= told.head:
                yield f"bookmarkable: {told} after {covered}"
        covered = max(covered, told.revision)
    if session.settled and (due := due_in(covered, head)):
        yield f"live: {due} never came after {covered}"


def _namespaces(committed: list[Record]) -> Iterator[str]:
    """Yield objects that were created in a namespace whose deletion had begun, or that was not there."""
    open_for_more: dict[str, bool] = {}
    for record in committed:
        body = _body(record)
        metadata = body["metadata"]
        if body["kind"] == "Namespace":
            open_for_more[metadata["name"]] = record.op is Op.PUT and "deletionTimestamp" not in metadata
        elif record.created == record.revision and not open_for_more.get(metadata.get("namespace", ""), True):
            yield f"namespaces: {record.key!r} was created at {record.revision} in one that was going"


def _addresses(committed: list[Record]) -> Iterator[str]:
    """Yield addresses that two Services have at one time."""
    holders: dict[str, bytes] = {}
    held: dict[bytes, str] = {}
    for record in committed:
        body = _body(record)
        if body["kind"] != "Service":
            continue
        holders.pop(held.pop(record.key, ""), None)
        address = body["spec"].get("clusterIP")
        if record.op is Op.PUT and address:
            if address in holders:
                yield f"addresses: {record.key!r} has {address}, which is of {holders[address]!r}"
            holders[address], held[record.key] = record.key, address
