"""What a version beside the hub costs: one GET, and one event for many who watch, in this process, without HTTP.

At the hub stored bytes are copied. A version that differs in its name sends them with another apiVersion. One that differs in its
fields decodes, fills in defaults, converts, fits the result to its type and encodes: once an event, whoever watches.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import attrs
import trio

from benchmarks.figures import Figure, Run
from benchmarks.peers.peer import Peer
from benchmarks.pods import pod
from benchmarks.workloads.case import Bench, Case, Setting, Workload
from conversion.json_codec import JsonCodec
from storage.memory_log import MemoryLog
from storage.types import Key, Op, Record, Write
from watchd.registry.builtin.table import load
from watchd.registry.frames import FrameCache
from watchd.registry.kind import Kind
from watchd.registry.registry import Registry
from watchd.registry.value import encode
from watchd.registry.view import View
from watchd.schema.typed import prune_and_check
from watchd.seams import SystemClock

Object = dict[str, Any]

WATCHERS = 1000
"""Of one view, as many as the fan-out over HTTPS has at the most."""

PATHS = 10
"""Of the Ingress."""


def _deployment() -> Object:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": pod()["spec"]}
    return {"spec": {"replicas": 3, "selector": {"matchLabels": labels}, "template": template}}


def _ingress() -> Object:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    paths = [{"path": f"/{index}", "pathType": "Prefix", "backend": backend} for index in range(PATHS)]
    return {"spec": {"defaultBackend": backend, "rules": [{"host": "web.example.com", "http": {"paths": paths}}]}}


@attrs.frozen
class Subject:
    """An object, and how it is looked at."""

    name: str
    group: str
    plural: str
    version: str
    made: Object


SUBJECTS: Sequence[Subject] = (
    Subject("Deployment at the hub, apps/v1", "apps", "deployments", "v1", _deployment()),
    Subject("Deployment at apps/v1beta2, which differs in its name", "apps", "deployments", "v1beta2", _deployment()),
    Subject("Deployment at apps/v1beta1, which is converted", "apps", "deployments", "v1beta1", _deployment()),
    Subject("Ingress at the hub, networking.k8s.io/v1", "networking.k8s.io", "ingresses", "v1", _ingress()),
    Subject("Ingress at networking.k8s.io/v1beta1, which is converted", "networking.k8s.io", "ingresses", "v1beta1", _ingress()),
)
"""What is timed."""


async def _stored(subject: Subject, count: int) -> tuple[MemoryLog, Kind, list[Record]]:
    """Return a log with one object and so many changes of it."""
    log = MemoryLog(clock=SystemClock())
    registry = Registry(log)
    kind = next(kind for kind in load() if (kind.group, kind.names.plural) == (subject.group, subject.plural))
    await registry.install(kind)
    endpoint = registry.hub(subject.group, subject.plural)
    hub = kind.hub_gvk
    metadata = {"name": "web", "namespace": "default", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    obj = {"apiVersion": str(hub.group_version), "kind": hub.kind, "metadata": metadata, **subject.made}
    prune_and_check(obj, endpoint.version.schema)
    kind.strategy.default(obj)
    value = encode(kind, obj, time_ms=0)
    key: Key = endpoint.key("default", "web")
    records = [await log.append(Write(key, Op.PUT, value.header, value.body, value.stamp_at)) for _ in range(count)]
    return log, kind, records


async def _get(subject: Subject, count: int) -> float:
    log, kind, records = await _stored(subject, 1)
    stored = await log.get(records[0].key)
    assert stored is not None  # it was put there above
    view = View(kind, subject.version, JsonCodec())
    view.body(stored)
    begin = time.process_time()
    for _ in range(count):
        view.body(stored)
    return time.process_time() - begin


async def _watch(subject: Subject, events: int) -> float:
    log, kind, records = await _stored(subject, events)
    frames = FrameCache(log)
    watched = frames.watched("all", View(kind, subject.version, JsonCodec()))
    begin = time.process_time()
    for record in records:
        for _ in range(WATCHERS):
            await frames.join(watched, [record])
    return time.process_time() - begin


def _run_get(bench: Bench, subject: Subject, _peer: Peer, _repetition: int) -> Run:
    count = bench.counts.gets
    taken = trio.run(_get, subject, count)
    return {Figure.CPU_OPERATION: taken / count * 1e6, Figure.THROUGHPUT: count / taken}


def _run_watch(bench: Bench, subject: Subject, _peer: Peer, _repetition: int) -> Run:
    events = max(bench.counts.fanouts.values())
    taken = trio.run(_watch, subject, events)
    return {Figure.CPU_EVENT: taken / events / WATCHERS * 1e6, Figure.EVENTS: events * WATCHERS / taken}


def cases(bench: Bench) -> list[Case]:
    """A GET and a fan-out for each."""
    gets = [Case(f"GET: {subject.name}", partial(_run_get, bench, subject)) for subject in SUBJECTS]
    return gets + [Case(f"{WATCHERS} watchers: {subject.name}", partial(_run_watch, bench, subject)) for subject in SUBJECTS]


WORKLOAD = Workload("versions", "an object at other versions than its hub", Setting.EMPTY, cases, only="watchd")
