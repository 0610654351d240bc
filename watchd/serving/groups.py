"""Watchers that have seen everything, served in line (DESIGN section 5).

Those of one view and scope form a group, which has one cursor. What comes is read and framed once, and one walk hands the
same bytes to every member's socket, without a task that wakes and without a scope. A member that cannot go on so (its
socket is full, it joined meanwhile, it is shown its first event otherwise) leaves, and is given a task to help itself.
"""

from __future__ import annotations

import heapq
import logging
import math
from collections import deque
from collections.abc import Callable
from itertools import count
from time import perf_counter

import trio

from storage.bus import Cursor
from storage.errors import StorageError
from storage.types import Revision, Scope
from watchd.api.message import InlineSink
from watchd.api.metrics import WatchEvents
from watchd.api.plans import WatchCore, WatchPlan
from watchd.registry.frames import Watched
from watchd.serving.chunks import chunk
from watchd.status import StatusError

log = logging.getLogger(__name__)

BATCH_RECORDS = 1000
"""Records in one send at the most."""

BATCH_BYTES = 64 << 10
"""Bytes of bodies in one send, about: enough to make the cost of a send vanish, and all that a member whose socket is full
leaves behind."""

LINE_BYTES = 2 * BATCH_BYTES
"""Bytes of one send in line at the most. What is larger, which is a single large object, each member sends by itself, piece by
piece as its client takes it: all members' sockets would be full of it at once, and what they did not take would be kept for each.
"""

SLICE_SECONDS = 0.001
"""How long members are served before others have a turn of the loop, at the least."""

SHARE_SECONDS = 0.01
"""The same at the most, for a group that falls behind: it is served for as long as the others' last turn took. Where writers
keep the loop busy their turns take many milliseconds, and a group with one in each would fall behind for good."""

GATHER_SECONDS = 0.02
"""The longest that a group lets events gather behind a walk, those included that came within it: a send costs nearly the same
whatever it carries. It rests for twice as long as its walk took, so that the walks of large groups leave two thirds of the loop to
others; those of small ones, below SLICE_SECONDS, do not rest, nor does a group that is more than one send behind."""

GATHER_BYTES = BATCH_BYTES // 4
"""Bytes of one send from which on more of them make an event hardly cheaper, so that a group does not rest behind it: they cost as much
as the send itself. Where writers keep the loop busy, a group that rested would only come later."""


class Member:
    """One watcher's place in a group. `wake` is called, once, when it has to help itself."""

    __slots__ = ("_call", "_group", "_line", "after", "alone", "error")

    def __init__(self, group: Group, line: InlineSink, after: Revision, wake: Callable[[], object], *, alone: bool) -> None:
        self._group: Group | None = group
        self._line = line
        self._call = wake
        self.after = after
        """Up to where it was served, as far as its group does not say it."""
        self.alone = alone
        """Whether it is shown the next event otherwise than the others, and so not by the group."""
        self.error: Exception | None = None
        """Why nothing more can be written to it."""

    def wake(self) -> None:
        """Have it leave and help itself, unless it has left already."""
        if self._group is not None:
            self.leave()
            self._call()

    def leave(self) -> Revision:
        """Leave, and return up to where the watcher was served: what the kernel did not take of that is still to be flushed."""
        group, self._group = self._group, None
        if group is not None:
            self.after = max(self.after, group.served)
            group.remove(self)
        return self.after

    def serve(self, group: Group, data: bytes, framed: bytes, upto: Revision) -> bool:
        """Hand it what its group is sent; tell whether it took it. One that cannot take all of it is woken."""
        if self._group is not group:
            return False
        try:
            went = self._line.share(data, framed)
        except Exception as error:  # The boundary of one member: whatever it meets is raised where it helps itself.  # noqa: BLE001
            self.error = error
            self.wake()
            return False
        self.after = upto
        if not went:
            self.wake()
        return True


class Group:
    """The watchers of one view and scope that have seen everything up to their group's place."""

    __slots__ = ("_groups", "_served", "behind", "cursor", "events", "key", "members", "rest_until")

    def __init__(self, groups: Groups, key: tuple[Watched, Scope], cursor: Cursor, events: WatchEvents) -> None:
        self._groups = groups
        self.key = key
        self.cursor = cursor
        self.events = events
        self.members: dict[Member, None] = {}
        """In the order in which they joined."""
        self.rest_until = -math.inf
        """Trio's time before which it is not served again."""
        self.behind = False
        """Whether there was more to read behind what it was served last."""
        self._served: Revision | None = None

    @property
    def served(self) -> Revision:
        """Every member has been handed all changes up to here."""
        return self.cursor.position if self._served is None else self._served

    def begin(self) -> None:
        """Keep `served` where it is while members are handed what comes next."""
        self._served = self.cursor.position

    def end(self) -> None:
        """All members have what was read."""
        self._served = None

    def remove(self, member: Member) -> None:
        """Forget a member, and with the last one the group."""
        del self.members[member]
        if not self.members:
            self._groups.forget(self)

    def dissolve(self) -> None:
        """Have every member go on by itself."""
        for member in list(self.members):
            member.wake()


class Groups:
    """All groups, and the task that serves those for which something has come."""

    def __init__(self, core: WatchCore) -> None:
        """Serve from the watch core; `run` has to run."""
        self._core = core
        self._groups: dict[tuple[Watched, Scope], Group] = {}
        self._due: deque[Group] = deque()
        self._resting: list[tuple[float, int, Group]] = []
        """Those that are due at a time, as a heap."""
        self._order = count()
        self._work = trio.Event()
        self._slice_end = 0.0

    @property
    def watchers(self) -> int:
        """Cursors of the bus, with every member counted for the one of its group."""
        members = sum(len(group.members) for group in self._groups.values())
        return self._core.bus.statistics().cursors - len(self._groups) + members

    def join(
        self, plan: WatchPlan, line: InlineSink, after: Revision, wake: Callable[[], object], *, alone: bool
    ) -> Member:
        """Return a place for a watcher that has seen everything up to the head. No checkpoint.

        Args:
            plan: the watcher's.
            line: where it is served; nobody else writes there until it leaves.
            after: up to where it was served.
            wake: called, once, when it has left and has to help itself.
            alone: whether its next event is made for it alone.

        Raises:
            LogClosed: the bus is closed.

        """
        key = plan.watched, plan.scope
        group = self._groups.get(key)
        if group is None:
            bus = self._core.bus
            group = self._groups[key] = Group(self, key, bus.cursor(plan.scope, bus.head), plan.events)
            self._await(group)
        member = Member(group, line, after, wake, alone=alone)
        group.members[member] = None
        return member

    def forget(self, group: Group) -> None:
        """Drop a group without members."""
        group.cursor.close()
        del self._groups[group.key]

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve groups until cancelled."""
        async with trio.open_nursery() as nursery:
            task_status.started()
            while True:
                self._wake_rested()
                if not self._due:
                    with trio.move_on_at(self._resting[0][0] if self._resting else math.inf):
                        await self._work.wait()
                    self._work = trio.Event()
                    self._slice_end = perf_counter() + SLICE_SECONDS
                    continue
                group = self._due.popleft()
                if group.key[0].view.kind.translations is not None:
                    # A webhook converts its objects, which may take long: the others must not wait for it.
                    nursery.start_soon(self._serve, group)
                else:
                    await self._serve(group)
                await self._yield(behind=group.behind)

    def _await(self, group: Group) -> bool:
        """Have a group be due when something comes for it; tell whether it has seen everything, or is due already."""
        seen = group.cursor.notify(lambda: self._set_due(group))
        if not seen:
            self._set_due(group)
        return seen

    def _set_due(self, group: Group) -> None:
        if group.rest_until > trio.current_time():
            heapq.heappush(self._resting, (group.rest_until, next(self._order), group))
        else:
            self._due.append(group)
        self._work.set()

    def _wake_rested(self) -> None:
        now = trio.current_time()
        while self._resting and self._resting[0][0] <= now:
            self._due.append(heapq.heappop(self._resting)[2])

    async def _serve(self, group: Group) -> None:
        """Hand all members of a group what can be read in one go."""
        if not group.members:
            return
        group.begin()
        try:
            batch = await group.cursor.read(limit=BATCH_RECORDS, max_bytes=BATCH_BYTES)
            whole = batch.upto >= self._core.bus.head
            joined = await self._core.frames.join(group.key[0], batch.records)
        except (StorageError, StatusError, trio.ClosedResourceError):
            # Each of them meets it by itself, and tells its client.
            group.dissolve()
            return
        except Exception:  # The boundary of one group: each of them meets it by itself, and the other groups do not.
            log.exception("a group of watchers cannot be served in line")
            group.dissolve()
            return
        seconds = 0.0
        if joined.events:
            seconds = await self._walk(group, joined.data, joined.events, batch.records[0].revision, batch.upto)
        group.end()
        if group.members:
            if whole and seconds > SLICE_SECONDS and len(joined.data) < GATHER_BYTES:
                group.rest_until = trio.current_time() + min(2 * seconds, GATHER_SECONDS)
            group.behind = not self._await(group)

    async def _walk(self, group: Group, data: bytes, events: int, first: Revision, upto: Revision) -> float:
        """Hand bytes to the members who have seen everything before `first`; return the seconds that it took."""
        framed = chunk(data)
        took, seconds, begun = 0, 0.0, perf_counter()
        for member in list(group.members):
            if member.after >= upto:
                continue
            if member.after >= first or member.alone or len(data) > LINE_BYTES:
                member.wake()
            else:
                took += member.serve(group, data, framed, upto)
            now = perf_counter()
            if now >= self._slice_end:
                seconds += now - begun
                await self._yield(behind=group.behind)
                begun = perf_counter()
        group.events.sent(events, len(data), took)
        return seconds + perf_counter() - begun

    async def _yield(self, *, behind: bool) -> None:
        """Give others a turn once the slice is over."""
        begun = perf_counter()
        if begun >= self._slice_end:
            await trio.lowlevel.checkpoint()
            now = perf_counter()
            self._slice_end = now + (max(SLICE_SECONDS, min(now - begun, SHARE_SECONDS)) if behind else SLICE_SECONDS)
