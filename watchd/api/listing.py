"""The list verb: one snapshot, whole or in pages (PROTOCOL.md section 2)."""

from __future__ import annotations

from typing import Any

import msgspec
import trio

from storage.bodies import Cut
from storage.errors import Compacted, FutureRevision
from storage.log import Log
from storage.types import Key, Revision, Stored, path_of
from watchd.api.continuation import Continuation, expired_continuation
from watchd.api.options import ListOptions, Position
from watchd.api.plans import ListPlan, WatchCore
from watchd.registry.registry import Endpoint
from watchd.registry.translated import ready, ready_at_hub, wanted
from watchd.registry.view import View
from watchd.status import Cause, Reason, StatusError, expired, too_large_resource_version

FUTURE_WAIT_SECONDS = 3.0
"""How long a read waits for a revision that has not come yet (PROTOCOL section 1)."""

PAGE_KEYS = 500
"""Keys read in one turn: about a millisecond of the loop."""

PAGE_BYTES = 8 << 20
"""Bytes of a page at the most, about; a page that is full comes short, with a continue token."""

ENCODED_ITEMS = 20
"""Items encoded in one turn: about a millisecond of the loop."""

COUNT_KEYS = 20_000
"""Keys counted in one turn, for remainingItemCount: a few milliseconds of the loop."""

TOO_OLD = "The resourceVersion for the provided list is too old."


async def wait_until(core: WatchCore, revision: int) -> None:
    """Wait until a revision has come. Raises StatusError 504 when it does not (PROTOCOL section 1)."""
    if revision > core.bus.head and not await core.bus.wait_for(Revision(revision), FUTURE_WAIT_SECONDS):
        raise too_large_resource_version(revision, core.bus.head)


class Reading(msgspec.Struct):
    """A list on its way."""

    items: list[Stored]
    """What has been read of it, selected; empty where that is `encoded`."""
    revision: Revision
    """Of the snapshot."""
    next: Key | None
    """Where the reading can go on, or None at the end of the collection."""
    paged: bool
    """Whether what has been read is a page, and so the whole answer."""
    encoded: bytes | None = None
    """What has been read as it is sent, one item after the other, where it could be read so."""
    count: int = 0
    """How many objects have been read."""
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    """The list's."""


async def begin_list(
    core: WatchCore, endpoint: Endpoint, namespace: str, options: ListOptions, view: View, *, cut: Cut | None = None
) -> Reading:
    """Read a page, or the first part of a whole list; encoded, where a cut is given and all of it can be.

    Raises StatusError: 400, 410, 504.
    """
    position = options.position()
    await wait_until(core, position.minimum)
    prefix = endpoint.prefix(namespace)
    limit = options.limit if position.paged else 0
    try:
        reading = None
        # A page of a selection ends in the midst of what is looked at together.
        if cut is not None and not (limit and cut.wanted):
            reading = await _read_encoded(core.log, prefix, position, limit, cut)
        if reading is None:
            reading = await _read(core.log, prefix, position, limit, view)
    except FutureRevision as error:
        raise too_large_resource_version(error.revision, error.head) from error
    except Compacted as error:
        if position.continuation is not None:
            raise expired_continuation(position.continuation) from error
        raise expired(TOO_OLD) from error
    if endpoint.kind.custom and view.form is None:
        reading.metadata["continue"] = ""
    reading.metadata["resourceVersion"] = str(reading.revision)
    try:
        await ready(endpoint.kind, view.version, reading.items)
    except StatusError as error:
        raise _unreadable(endpoint, reading.items[0], error) from error
    if reading.paged and reading.next is not None:
        await _point_onwards(core.log, prefix, position, reading, view)
    return reading


def _unreadable(endpoint: Endpoint, first: Stored, error: StatusError) -> StatusError:
    """Return what the reference says of a list whose objects cannot be shown; it names the first."""
    cause = Cause("UnexpectedServerResponse", error.message, f"/registry/{endpoint.group}/{endpoint.resource}/{path_of(first.key)}")
    return StatusError(
        Reason.STORAGE_READ_ERROR, error.message, name="list", group=endpoint.group, kind=endpoint.resource, causes=[cause]
    )


async def list_objects(
    core: WatchCore, endpoint: Endpoint, namespace: str, options: ListOptions, view: View, *, pretty: bool
) -> bytes | ListPlan:
    """Answer a list: bytes where it is short or a page, else a plan that streams it.

    Raises StatusError: 400, 410, 504.
    """
    reading = await begin_list(core, endpoint, namespace, options, view, cut=None if pretty else view.cut)
    prefix = endpoint.prefix(namespace)
    if pretty or view.codec.stream_media_type is None:
        await finish_list(core.log, prefix, reading, view)
        encode = view.codec.encode_pretty if pretty else view.codec.encode
        return encode(_object(endpoint, reading, view))
    if view.codec.sized_lists:
        await finish_list(core.log, prefix, reading, view)
    elif not reading.paged and reading.next is not None:
        parts = _parts(endpoint, reading, view)
        first = reading.encoded if reading.encoded is not None else parts[1].join(await _encode_items(reading.items, view))
        return ListPlan(core.log, view, prefix, first, reading.next, reading.revision, parts)
    return await encode_list(endpoint, reading, view)


async def encode_list(endpoint: Endpoint, reading: Reading, view: View) -> bytes:
    """Encode a list that has been read whole."""
    if view.codec.stream_media_type is None:
        return view.codec.encode(_object(endpoint, reading, view))
    if reading.encoded is not None:
        before, _, after = _parts(endpoint, reading, view)
        return b"".join([before, reading.encoded, after])
    items = await _encode_items(reading.items, view)
    before, between, after = _parts(endpoint, reading, view, len(items), sum(map(len, items)))
    return b"".join([before, between.join(items), after])


async def _encode_items(items: list[Stored], view: View) -> list[bytes]:
    """Encode items, without holding the loop for long."""
    encoded = []
    made = 0
    for stored in items:
        item = view.kept_item(stored)
        if item is None:
            item = view.item(stored)
            made += 1
            if made % ENCODED_ITEMS == 0:
                await trio.lowlevel.checkpoint()
        encoded.append(item)
    return encoded


async def read_on(plan: ListPlan, start: Key, *, follows: bool) -> tuple[bytes, Key | None]:
    """Read and encode the next part of a long list, which follows another or does not; return it and where the reading goes on.

    Raises Compacted; StatusError 500.
    """
    view, log, cut = plan.view, plan.log, plan.view.cut
    if cut is not None:
        bodies = await log.bodies(plan.prefix, start=start, limit=PAGE_KEYS, at=plan.revision, cut=cut, follows=follows)
        if bodies is not None:
            return bodies.data, bodies.next
    page = await log.scan(plan.prefix, start=start, limit=PAGE_KEYS, at=plan.revision)
    items = await _encode_items(await wanted(view, page.items), view)
    return plan.parts[1].join([b"", *items] if follows and items else items), page.next


def _object(endpoint: Endpoint, reading: Reading, view: View) -> dict[str, Any]:
    """Return a list as one object."""
    field = "items" if view.form is None else view.form.field
    return {**_envelope(endpoint, reading, view), field: [view.list_object(stored) for stored in reading.items]}


def _parts(
    endpoint: Endpoint, reading: Reading, view: View, count: int | None = None, size: int | None = None
) -> tuple[bytes, bytes, bytes]:
    """Return what stands before, between and after the encoded items."""
    envelope = _envelope(endpoint, reading, view)
    form = view.form
    if form is None or form.field == "items":
        return view.codec.list_parts(envelope["apiVersion"], envelope["kind"], reading.metadata, count, size)
    # Tables are JSON (or YAML, which is not put together from parts).
    head = view.codec.encode(envelope)[:-1]
    return b'%b,"%b":[' % (head, form.field.encode()), b",", b"]}" + view.codec.terminator


def _envelope(endpoint: Endpoint, reading: Reading, view: View) -> dict[str, Any]:
    if view.form is not None:
        form = view.form
        return {"kind": form.kind, "apiVersion": form.api_version, "metadata": reading.metadata, **form.extra}
    kind = endpoint.kind
    return {
        "kind": kind.names.list_kind,
        "apiVersion": kind.api_version(endpoint.version.name),
        "metadata": reading.metadata,
    }


async def finish_list(log: Log, prefix: bytes, reading: Reading, view: View) -> None:
    """Read what is missing of a list that is no page. Raises Compacted where the snapshot is gone meanwhile."""
    if reading.paged:
        return
    with log.hold(reading.revision):
        while reading.next is not None:
            await trio.lowlevel.checkpoint()
            page = await log.scan(prefix, start=reading.next, limit=PAGE_KEYS, at=reading.revision)
            reading.items += await wanted(view, page.items)
            reading.next = page.next


async def _read_encoded(log: Log, prefix: bytes, position: Position, limit: int, cut: Cut) -> Reading | None:
    """Read as `_read` does what is sent as it is stored, None where something is not. Raises Compacted, FutureRevision."""
    at, start = _begin(position, prefix)
    parts: list[bytes] = []
    count = size = 0
    last = None
    while True:
        most = min(limit - count, PAGE_KEYS) if limit else PAGE_KEYS
        bodies = await log.bodies(prefix, start=start, limit=most, at=at, cut=cut, follows=count > 0)
        if bodies is None:
            return None
        at, start = bodies.revision, bodies.next
        if bodies.count:
            parts.append(bodies.data)
            count, size, last = count + bodies.count, size + len(bodies.data), bodies.last
        if start is None or not limit or count == limit or size >= PAGE_BYTES:
            break
        await trio.lowlevel.checkpoint()
    if limit and last is not None:
        start = await _following(log, prefix, at, last, start)
    return Reading([], at, start, paged=bool(limit), encoded=b"".join(parts), count=count)


async def _read(log: Log, prefix: bytes, position: Position, limit: int, view: View) -> Reading:
    """Read a page, or the first part of a whole list. Raises Compacted, FutureRevision."""
    at, start = _begin(position, prefix)
    items: list[Stored] = []
    size = 0
    while True:
        page = await log.scan(prefix, start=start, limit=PAGE_KEYS, at=at)
        at = page.revision
        await ready_at_hub(view.kind, page.items)
        for stored in page.items:
            if not view.wants(stored):
                continue
            items.append(stored)
            size += len(stored.body)
            if limit and (len(items) == limit or size >= PAGE_BYTES):
                more = page.next if stored is page.items[-1] else Key(stored.key + b"\0")
                following = await _following(log, prefix, at, stored.key, more)
                return Reading(items, at, following, paged=True, count=len(items))
        start = page.next
        if start is None or not limit:
            return Reading(items, at, start, paged=bool(limit), count=len(items))
        await trio.lowlevel.checkpoint()


def _begin(position: Position, prefix: bytes) -> tuple[Revision | None, Key | None]:
    """Return the revision that is asked for and the key to begin at, each None where it is not said."""
    at = Revision(position.exact) if position.exact is not None else None
    start = Key(prefix + position.continuation.start.encode()) if position.continuation is not None else None
    return at, start


async def _following(log: Log, prefix: bytes, at: Revision, last: Key, start: Key | None) -> Key | None:
    """Return the key behind the last one of a page, or None where nothing follows from `start` on."""
    # `start` says where the scan goes on, not that there is anything; most often there is at once.
    limit = 1
    while start is not None:
        following = await log.scan(prefix, start=start, limit=limit, at=at)
        if following.items:
            return Key(last + b"\0")
        start, limit = following.next, PAGE_KEYS
    return None


async def _point_onwards(
    log: Log, prefix: bytes, position: Position, reading: Reading, view: View
) -> None:
    """Write `continue` and, without a selector, `remainingItemCount`: counted once, carried in the token."""
    if reading.next is None:
        return
    remaining = None
    if view.selector is None:
        known = position.continuation.remaining if position.continuation is not None else None
        if known is not None and position.exact is not None:
            remaining = known - reading.count
        else:
            remaining = await _count(log, prefix, reading.next, reading.revision)
        reading.metadata["remainingItemCount"] = remaining
    last = reading.next[len(prefix) : -1].decode()
    reading.metadata["continue"] = Continuation.after(reading.revision, last, remaining).encode()


async def _count(log: Log, prefix: bytes, start: Key | None, at: Revision) -> int:
    total = 0
    while True:
        counted = await log.count(prefix, start=start, limit=COUNT_KEYS, at=at)
        total += counted.keys
        start = counted.next
        if start is None:
            return total
        await trio.lowlevel.checkpoint()
