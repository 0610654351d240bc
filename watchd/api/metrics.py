"""Metrics in the reference's names where it has them, and the log's own (FEATURES rows 154, 155)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
import trio
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from watchd.api.discovery import page_not_found
from watchd.api.message import Request, Response
from watchd.api.requestinfo import RequestInfo

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
_READING = frozenset({"get", "list", "watch", "head", "options"})

_SECONDS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60)
"""Buckets of request durations, as the reference has them."""

_APPEND_SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 4)
"""Buckets of appends: a synced commit takes a few milliseconds."""

_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_EVENT_BYTES = tuple(1024 << shift for shift in range(8))
"""Buckets of event sizes, as the reference has them."""

_REQUEST = ("verb", "dry_run", "group", "version", "resource", "subresource", "scope", "component")
_RESOURCE = ("group", "version", "resource")


@attrs.define
class Observed:
    """One request while it is answered."""

    status: int = 0
    """HTTP status of its answer; 0 where none was made."""


@attrs.frozen
class WatchEvents:
    """Counts the events of one resource's watches."""

    _total: Counter
    _bytes: Histogram

    def sent(self, events: int, size: int) -> None:
        """Count events that were handed to a client, `size` bytes together."""
        if events:
            self._total.inc(events)
            self._bytes.observe(size / events)


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

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self._total = Counter(
            "apiserver_request_total", "Requests by verb, resource and HTTP status.", (*_REQUEST, "code"), registry=registry
        )
        self._duration = Histogram(
            "apiserver_request_duration_seconds", "Time until the answer was ready.", _REQUEST, buckets=_SECONDS, registry=registry
        )
        self._long_running = Gauge(
            "apiserver_longrunning_requests",
            "Watches under way.",
            tuple(label for label in _REQUEST if label != "dry_run"),
            registry=registry,
        )
        inflight = Gauge(
            "apiserver_current_inflight_requests", "Requests under way, without watches.", ("request_kind",), registry=registry
        )
        self._inflight = {True: inflight.labels("readOnly"), False: inflight.labels("mutating")}
        self._deprecated = Gauge(
            "apiserver_requested_deprecated_apis",
            "Deprecated APIs that were requested.",
            ("group", "version", "resource", "subresource", "removed_release"),
            registry=registry,
        )
        self._event_total = Counter("apiserver_watch_events_total", "Events sent to watches.", _RESOURCE, registry=registry)
        self._event_sizes = Histogram(
            "apiserver_watch_events_sizes", "Bytes of events sent to watches.", _RESOURCE, buckets=_EVENT_BYTES, registry=registry
        )
        self._objects = _Objects()
        registry.register(self._objects)
        self._head = Gauge("watchd_log_head_revision", "The newest revision of the log.", registry=registry)
        self._floor = Gauge("watchd_log_floor_revision", "The highest compacted revision of the log.", registry=registry)
        self.append_seconds = Histogram(
            "watchd_log_append_duration_seconds", "Time from an append to its answer.", buckets=_APPEND_SECONDS, registry=registry
        )
        """Observe each append, in seconds."""
        self.batch_size = Histogram("watchd_log_batch_size", "Appends that were committed together.", buckets=_BATCH_SIZES, registry=registry)
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
        self._totals: dict[tuple[str, ...], Counter] = {}
        self._durations: dict[tuple[str, ...], Histogram] = {}

    def observe_log(self, log: Log) -> None:
        """Read head and floor from a log whenever metrics are read."""
        self._head.set_function(lambda: log.head)
        self._floor.set_function(lambda: log.floor)

    def observe_objects(self, count: Callable[[], Awaitable[Mapping[str, int]]]) -> None:
        """Ask for the number of objects by resource (`things.example.com`) when metrics are read, once a minute at the most."""
        self._count_objects = count

    @contextmanager
    def request(self, request: Request, info: RequestInfo) -> Iterator[Observed]:
        """Count a request and the time of its answer; the status is to be set on what is yielded."""
        observed = Observed()
        started = trio.current_time()
        inflight = None if info.verb == "watch" else self._inflight[info.verb in _READING]
        if inflight is not None:
            inflight.inc()
        try:
            yield observed
        finally:
            if inflight is not None:
                inflight.dec()
            labels = _labels(info, "All" if request.param("dryRun") else "")
            self._count(labels, observed.status, trio.current_time() - started, timed=info.verb != "watch")

    def _count(self, labels: tuple[str, ...], status: int, seconds: float, *, timed: bool) -> None:
        # What was never answered well may not exist: paths made up by a client must not become series.
        if labels not in self._durations and (not 200 <= status < 400 or len(self._durations) >= MAX_SERIES):
            labels = (labels[0], labels[1], "", "", "", "", "", COMPONENT)
        duration = self._durations.get(labels)
        if duration is None:
            duration = self._durations[labels] = self._duration.labels(*labels)
        if timed:
            duration.observe(seconds)
        counted = (*labels, str(status))
        total = self._totals.get(counted)
        if total is None:
            total = self._totals[counted] = self._total.labels(*counted)
        total.inc()

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
        return WatchEvents(self._event_total.labels(*labels), self._event_sizes.labels(*labels))

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


def _labels(info: RequestInfo, dry_run: str) -> tuple[str, ...]:
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
