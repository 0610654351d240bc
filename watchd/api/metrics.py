"""Metrics in the reference's names where it has them, and the log's own (FEATURES rows 154, 155)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
import trio
from prometheus_client import CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from watchd.api.discovery import page_not_found
from watchd.api.message import Request, Response
from watchd.api.requestinfo import RequestInfo
from watchd.api.tallies import Distribution, Distributions, Labels, Tallies, Tally
from watchd.seams import Clock

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from storage.log import Log

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


@attrs.frozen
class WatchEvents:
    """Counts the events of one resource's watches."""

    _total: Tally
    _bytes: Distribution

    def sent(self, events: int, size: int, watchers: int = 1) -> None:
        """Count events that were handed to each of some watchers, `size` bytes together."""
        if events:
            self._total.value += events * watchers
            self._bytes.observe(size / events, watchers)


@attrs.frozen
class _Requests:
    """Counts requests that are alike but for their answers' statuses."""

    durations: Distribution
    totals: dict[int, Tally] = attrs.field(factory=dict)
    """By HTTP status."""


OBJECTS_SECONDS = 60.0
"""Between two counts of all objects: they cost a walk over all keys (the reference counts each minute too)."""


class _Objects(Collector):
    """How many objects are stored, as they were counted last."""

    def __init__(self) -> None:
        self.counts: Mapping[str, int] = {}

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily("apiserver_storage_objects", "Number of stored objects by resource.", labels=["resource"])
        for resource, count in self.counts.items():
            family.add_metric([resource], count)
        yield family


class Metrics:
    """All metrics of one server, in a registry of its own: servers in one process do not meet."""

    def __init__(self, clock: Clock) -> None:
        """Begin with nothing; the clock says since when."""
        self.registry = CollectorRegistry()
        registry = self.registry
        self._total = Tallies(
            "apiserver_request_total", "Requests by verb, resource and HTTP status.", (*_REQUEST, "code"), clock
        )
        registry.register(self._total)
        self._duration = Distributions(
            "apiserver_request_duration_seconds", "Time until the answer was ready.", _REQUEST, clock, bounds=_SECONDS
        )
        registry.register(self._duration)
        self._long_running = Gauge(
            "apiserver_longrunning_requests",
            "Watches under way.",
            tuple(label for label in _REQUEST if label != "dry_run"),
            registry=registry,
        )
        inflight = Gauge(
            "apiserver_current_inflight_requests", "Requests under way, without watches.", ("request_kind",), registry=registry
        )
        self._reading = self._changing = 0
        inflight.labels("readOnly").set_function(lambda: self._reading)
        inflight.labels("mutating").set_function(lambda: self._changing)
        self._deprecated = Gauge(
            "apiserver_requested_deprecated_apis",
            "Deprecated APIs that were requested.",
            ("group", "version", "resource", "subresource", "removed_release"),
            registry=registry,
        )
        self._event_total = Tallies("apiserver_watch_events_total", "Events sent to watches.", _RESOURCE, clock)
        registry.register(self._event_total)
        self._event_sizes = Distributions(
            "apiserver_watch_events_sizes", "Bytes of events sent to watches.", _RESOURCE, clock, bounds=_EVENT_BYTES
        )
        registry.register(self._event_sizes)
        self._objects = _Objects()
        registry.register(self._objects)
        self._head = Gauge("watchd_log_head_revision", "The newest revision of the log.", registry=registry)
        self._floor = Gauge("watchd_log_floor_revision", "The highest compacted revision of the log.", registry=registry)
        appends = Distributions(
            "watchd_log_append_duration_seconds", "Time from an append to its answer.", (), clock, bounds=_APPEND_SECONDS
        )
        registry.register(appends)
        self.append_seconds = appends.under()
        """Observe each append, in seconds."""
        batches = Distributions(
            "watchd_log_batch_size", "Appends that were committed together.", (), clock, bounds=_BATCH_SIZES
        )
        registry.register(batches)
        self.batch_size = batches.under()
        """Observe each commit, in appends."""
        self.ring_bytes = Gauge("watchd_ring_bytes", "Bytes of recent records kept in memory.", registry=registry)
        """`set_function` it."""
        self.watchers = Gauge("watchd_watchers", "Watchers, parked ones too.", registry=registry)
        """`set_function` it."""
        self.watch_lag = Gauge("watchd_watch_lag_revisions", "Revisions that the slowest watcher is behind the head.", registry=registry)
        """`set_function` it."""
        ProcessCollector(registry=registry)
        self._count_objects: Callable[[], Awaitable[Mapping[str, int]]] | None = None
        self._counted_at = -OBJECTS_SECONDS
        self._requests: dict[Labels, _Requests] = {}

    def observe_log(self, log: Log) -> None:
        """Read head and floor from a log whenever metrics are read."""
        self._head.set_function(lambda: log.head)
        self._floor.set_function(lambda: log.floor)

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
        gauge = self._long_running.labels(verb, *rest)
        gauge.inc()
        try:
            yield
        finally:
            gauge.dec()

    def watch_events(self, group: str, version: str, resource: str) -> WatchEvents:
        """Return what counts the events of a resource; to be kept by whoever sends many."""
        labels = (group, version, resource)
        return WatchEvents(self._event_total.under(labels), self._event_sizes.under(labels))

    def deprecated(self, info: RequestInfo, removed_release: str = "") -> None:
        """Note that a deprecated version was asked for."""
        self._deprecated.labels(info.group, info.version, info.resource, info.subresource, removed_release).set(1)

    async def handle(self, request: Request) -> Response:
        """Answer /metrics, in Prometheus' text format or OpenMetrics as Accept says."""
        if request.path != METRICS_PATH:
            return page_not_found()
        if self._count_objects is not None and trio.current_time() - self._counted_at >= OBJECTS_SECONDS:
            self._counted_at = trio.current_time()
            self._objects.counts = await self._count_objects()
        encoder, content_type = choose_encoder(request.headers.get("accept", ""))
        await trio.lowlevel.checkpoint()
        return Response(200, [("content-type", content_type)], encoder(self.registry))


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
