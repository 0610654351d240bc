"""Metrics in the reference's names where it has them, and the log's own (FEATURES rows 154, 155)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
import trio

from watchd.api.discovery import page_not_found
from watchd.api.message import Request, Response
from watchd.api.requestinfo import RequestInfo
from watchd.api.tallies import Distribution, Distributions, Labels, Level, Levels, Tallies, Tally
from watchd.seams import Clock

if TYPE_CHECKING:
    from storage.log import Log
    from watchd.api.exposition import Exposition

MAX_SERIES = 4096
"""Resources and verbs counted apart; kinds come and go, and each series stays until the end."""

COMPONENT = "apiserver"

_VERBS = {
    "get": "GET",
    "list": "LIST",
    "watch": "WATCH",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETECOLLECTION",
}
METRICS_PATH = "/metrics"
"""Where they are, and nowhere below."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_READING = frozenset({"get", "list", "head", "options"})

_SECONDS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)
"""Buckets of request durations, as the reference has them."""

_APPEND_SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 4)
"""Buckets of appends: a synced commit takes a few milliseconds."""

_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_EVENT_BYTES = tuple(1024 << shift for shift in range(8))
"""Buckets of event sizes, as the reference has them."""

_REQUEST = ("verb", "dry_run", "group", "version", "resource", "subresource", "scope", "component")
_RESOURCE = ("group", "version", "resource")


class WatchEvents(msgspec.Struct, frozen=True):
    """Counts the events of one resource's watches."""

    _total: Tally
    _bytes: Distribution

    def sent(self, events: int, size: int, watchers: int = 1) -> None:
        """Count events that were handed to each of some watchers, `size` bytes together."""
        if events:
            self._total.value += events * watchers
            self._bytes.observe(size / events, watchers)


class _Requests(msgspec.Struct, frozen=True):
    """Counts requests that are alike but for their answers' statuses."""

    durations: Distribution
    totals: dict[int, Tally] = msgspec.field(default_factory=dict)
    """By HTTP status."""


OBJECTS_SECONDS = 60.0
"""Between two counts of all objects: they cost a walk over all keys (the reference counts each minute too)."""


class Metrics:
    """All metrics of one server, apart from those of others in the process."""

    def __init__(self, clock: Clock) -> None:
        """Begin with nothing; the clock says since when."""
        self._all: list[Tallies | Distributions | Levels] = []

        def tallies(name: str, documentation: str, labels: Labels) -> Tallies:
            self._all.append(made := Tallies(name, documentation, labels, clock))
            return made

        def distributions(name: str, documentation: str, labels: Labels, bounds: Sequence[float]) -> Distributions:
            self._all.append(made := Distributions(name, documentation, labels, clock, bounds=bounds))
            return made

        def levels(name: str, documentation: str, labels: Labels = ()) -> Levels:
            self._all.append(made := Levels(name, documentation, labels, clock))
            return made

        def level(name: str, documentation: str) -> Level:
            return levels(name, documentation).under()

        self._total = tallies("apiserver_request_total", "Requests by verb, resource and HTTP status.", (*_REQUEST, "code"))
        self._duration = distributions(
            "apiserver_request_duration_seconds", "Time until the answer was ready.", _REQUEST, _SECONDS
        )
        self._long_running = levels(
            "apiserver_longrunning_requests", "Watches under way.", tuple(label for label in _REQUEST if label != "dry_run")
        )
        inflight = levels("apiserver_current_inflight_requests", "Requests under way, without watches.", ("request_kind",))
        self._reading = self._changing = 0
        inflight.under(("readOnly",)).read = lambda: self._reading
        inflight.under(("mutating",)).read = lambda: self._changing
        self._deprecated = levels(
            "apiserver_requested_deprecated_apis",
            "Deprecated APIs that were requested.",
            ("group", "version", "resource", "subresource", "removed_release"),
        )
        self._event_total = tallies("apiserver_watch_events_total", "Events sent to watches.", _RESOURCE)
        self._event_sizes = distributions(
            "apiserver_watch_events_sizes", "Bytes of events sent to watches.", _RESOURCE, _EVENT_BYTES
        )
        self._objects = levels("apiserver_storage_objects", "Number of stored objects by resource.", ("resource",))
        self._head = level("watchd_log_head_revision", "The newest revision of the log.")
        self._floor = level("watchd_log_floor_revision", "The highest compacted revision of the log.")
        self.append_seconds = distributions(
            "watchd_log_append_duration_seconds", "Time from an append to its answer.", (), _APPEND_SECONDS
        ).under()
        """Observe each append, in seconds."""
        self.batch_size = distributions(
            "watchd_log_batch_size", "Appends that were committed together.", (), _BATCH_SIZES
        ).under()
        """Observe each commit, in appends."""
        self.ring_bytes = level("watchd_ring_bytes", "Bytes of recent records kept in memory.")
        """To be read from who knows it."""
        self.watchers = level("watchd_watchers", "Watchers, parked ones too.")
        """The same."""
        self.watch_lag = level("watchd_watch_lag_revisions", "Revisions that the slowest watcher is behind the head.")
        """The same."""
        self._count_objects: Callable[[], Awaitable[Mapping[str, int]]] | None = None
        self._counted_at = -OBJECTS_SECONDS
        self._requests: dict[Labels, _Requests] = {}

    @cached_property
    def exposition(self) -> Exposition:
        """All of them as Prometheus reads them."""
        # Only here: the library is a large one, and many servers are never asked.
        from watchd.api.exposition import Exposition  # noqa: PLC0415 - see above

        return Exposition(self._all)

    def observe_log(self, log: Log) -> None:
        """Read head and floor from a log whenever metrics are read."""
        self._head.read = lambda: log.head
        self._floor.read = lambda: log.floor

    def observe_objects(self, count: Callable[[], Awaitable[Mapping[str, int]]]) -> None:
        """Ask for the number of objects by resource (`things.example.com`) when metrics are read, once a minute at the most."""
        self._count_objects = count

    def begin(self, info: RequestInfo) -> float:
        """Count a request that is under way; returns when it began, for `end`."""
        if info.verb in _READING:
            self._reading += 1
        elif info.verb != "watch":
            self._changing += 1
        return trio.current_time()

    def end(self, info: RequestInfo, began: float, status: int, *, dry_run: bool) -> None:
        """Count an answered request and its time; `status` is 0 where it has no answer."""
        if info.verb in _READING:
            self._reading -= 1
        elif info.verb != "watch":
            self._changing -= 1
        labels = _labels(info, "All" if dry_run else "")
        requests = self._requests.get(labels) or self._known(labels, status)
        if info.verb != "watch":
            requests.durations.observe(trio.current_time() - began)
        total = requests.totals.get(status)
        if total is None:
            total = requests.totals[status] = self._total.under((*labels, str(status)))
        total.value += 1

    def _known(self, labels: Labels, status: int) -> _Requests:
        # What was never answered well may not exist: paths made up by a client must not become series.
        if not 200 <= status < 400 or len(self._requests) >= MAX_SERIES:
            labels = (labels[0], labels[1], "", "", "", "", "", COMPONENT)
        found = self._requests.get(labels)
        if found is None:
            found = self._requests[labels] = _Requests(self._duration.under(labels))
        return found

    @contextmanager
    def long_running(self, info: RequestInfo) -> Iterator[None]:
        """Count a watch for as long as it runs. For resources that exist only."""
        verb, _, *rest = _labels(info, "")
        level = self._long_running.under((verb, *rest))
        level.value += 1
        try:
            yield
        finally:
            level.value -= 1

    def watch_events(self, group: str, version: str, resource: str) -> WatchEvents:
        """Return what counts the events of a resource; to be kept by whoever sends many."""
        labels = (group, version, resource)
        return WatchEvents(self._event_total.under(labels), self._event_sizes.under(labels))

    def deprecated(self, info: RequestInfo, removed_release: str = "") -> None:
        """Note that a deprecated version was asked for."""
        self._deprecated.under((info.group, info.version, info.resource, info.subresource, removed_release)).value = 1

    async def handle(self, request: Request) -> Response:
        """Answer /metrics, in Prometheus' text format or OpenMetrics as Accept says."""
        if request.path != METRICS_PATH:
            return page_not_found()
        if self._count_objects is not None and trio.current_time() - self._counted_at >= OBJECTS_SECONDS:
            self._counted_at = trio.current_time()
            counts = await self._count_objects()
            self._objects.found.clear()
            for resource, count in counts.items():
                self._objects.under((resource,)).value = count
        await trio.lowlevel.checkpoint()
        content_type, body = self.exposition.page(request.headers.get("accept", ""))
        return Response(200, [("content-type", content_type)], body)


def _labels(info: RequestInfo, dry_run: str) -> Labels:
    if not info.is_resource:
        verb = info.verb.upper()
        return (verb if verb in _METHODS else "other", "", "", "", "", "", "", COMPONENT)
    return (
        _VERBS.get(info.verb, "other"),
        dry_run,
        info.group,
        info.version,
        info.resource,
        info.subresource,
        _scope(info),
        COMPONENT,
    )


def _scope(info: RequestInfo) -> str:
    """Return how much a request is about, as the reference cleans it."""
    if info.name or info.verb == "create":
        return "resource"
    return "namespace" if info.namespace else "cluster"
