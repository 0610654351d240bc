"""Streams: the bodies of answers that are produced while they are sent, lists and watches."""

from __future__ import annotations

from contextlib import closing

import msgspec
import trio

from storage.types import Key
from watchd.api.listing import read_on
from watchd.api.message import InlineSink, Sink
from watchd.api.plans import ListPlan, WatchPlan
from watchd.serving.groups import Groups
from watchd.serving.watch import InlineWatch, Watch


class WatchStream(msgspec.Struct, frozen=True):
    """A watch as the body of an answer."""

    plan: WatchPlan
    groups: Groups

    async def run(self, sink: Sink) -> None:
        """Send its events (see `Watch.run`)."""
        with closing(Watch(self.plan, sink)) as watch:
            await watch.run()

    def on(self, line: InlineSink) -> InlineWatch:
        """Begin it on a line."""
        return InlineWatch(self.plan, line, self.groups)


class ListStream(msgspec.Struct, frozen=True):
    """A long list as the body of an answer."""

    plan: ListPlan

    async def run(self, sink: Sink) -> None:
        """Send its parts (see `run_list`)."""
        await run_list(self.plan, sink)


class Streams(msgspec.Struct, frozen=True):
    """Makes plans into bodies (watchd.api.plans.Streams)."""

    groups: Groups

    def watch(self, plan: WatchPlan) -> WatchStream:
        """Return the body of a watch."""
        return WatchStream(plan, self.groups)

    def list(self, plan: ListPlan) -> ListStream:
        """Return the body of a long list."""
        return ListStream(plan)


async def run_list(plan: ListPlan, sink: Sink) -> None:
    """Send a list, part by part, all of one snapshot.

    Raises SinkClosed when the client leaves, and Compacted when the snapshot is gone before its end: the answer is then cut
    off without its end, so that the client sees an error and no short list.
    """
    before, _, behind = plan.parts
    part, follows = plan.first, False
    start: Key | None = plan.next
    with plan.log.hold(plan.revision):
        await sink.send_all(before)
        while True:
            if part:
                await sink.send_all(part)
                follows = True
            if start is None:
                break
            await trio.lowlevel.checkpoint()
            # The next part takes its memory: with two of them the allocator would give some back each time, to ask for it anew.
            part = b""
            part, start = await read_on(plan, start, follows=follows)
    await sink.send_all(behind)
