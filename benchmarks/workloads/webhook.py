"""What a list costs whose objects a webhook converts, in this process, without HTTP and without the webhook's own work.

The webhook here answers at once with the objects under another apiVersion: what is measured is decoding, asking in batches, checking
and keeping, beside the same list at the hub version, which copies bytes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import orjson
import trio

from benchmarks.figures import Figure, Run
from benchmarks.peers.peer import Peer
from benchmarks.widgets import widget
from benchmarks.workloads.case import Bench, Case, Setting, Workload
from conversion.json_codec import JsonCodec
from conversion.webhook import Call
from storage.memory_log import MemoryLog
from storage.types import Key, Op, Write
from watchd.crd.install import kind_of
from watchd.registry.registry import Endpoint, Registry
from watchd.registry.translated import ready
from watchd.registry.value import encode
from watchd.registry.view import View
from watchd.seams import SystemClock

Object = dict[str, Any]

GROUP = "hooked.example.com"
PAGE = 500
"""Objects shown in one go, as a list reads them."""


def _definition() -> Object:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    webhook = {"conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://localhost/"}}
    names = {"plural": "widgets", "kind": "Widget", "listKind": "WidgetList", "singular": "widget"}
    return {
        "metadata": {"name": f"widgets.{GROUP}", "uid": "u"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": names,
            "versions": [{"name": name, "served": True, "storage": name == "v1", "schema": schema} for name in ("v1", "v2")],
            "conversion": {"strategy": "Webhook", "webhook": webhook},
        },
        "status": {"acceptedNames": names},
    }


def _calls(config: Mapping[str, Any], bundle: bytes) -> Call:
    del config, bundle

    async def call(review: Object) -> Any:
        await trio.lowlevel.checkpoint()
        request = review["request"]
        objects = [{**obj, "apiVersion": request["desiredAPIVersion"]} for obj in request["objects"]]
        response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": objects}
        return {"kind": review["kind"], "apiVersion": review["apiVersion"], "response": response}

    return call


async def _listed(endpoint: Endpoint, log: MemoryLog, version: str) -> float:
    """Return the CPU seconds of one list."""
    view = View(endpoint.kind, version, JsonCodec())
    begin = time.process_time()
    start: Key | None = None
    while True:
        page = await log.scan(endpoint.prefix(), start=start, limit=PAGE)
        await ready(endpoint.kind, version, page.items)
        b",".join(map(view.item, page.items))
        start = page.next
        if start is None:
            return time.process_time() - begin


async def _measured(count: int, version: str, *, again: bool) -> float:
    log = MemoryLog(clock=SystemClock())
    registry = Registry(log)
    await registry.install(kind_of(_definition(), _calls, lambda: "uid"))
    endpoint = registry.hub(GROUP, "widgets")
    for index in range(count):
        obj = {**orjson.loads(widget(f"w{index}", index)), "apiVersion": f"{GROUP}/v1", "kind": "Widget"}
        obj["metadata"] = {**obj["metadata"], "uid": f"u{index}", "namespace": "default"}
        value = encode(endpoint.kind, obj, time_ms=0)
        await log.append(Write(endpoint.key("default", f"w{index}"), Op.PUT, value.header, value.body, value.stamp_at))
    first = await _listed(endpoint, log, version)
    return await _listed(endpoint, log, version) if again else first


def _run(bench: Bench, version: str, _peer: Peer, _repetition: int, *, again: bool = False) -> Run:
    count = bench.counts.large
    taken = trio.run(partial(_measured, count, version, again=again))
    return {Figure.CPU_OPERATION: taken * 1e6, Figure.THROUGHPUT: count / taken}


def cases(bench: Bench) -> list[Case]:
    """The list at the hub version, and at the other: for the first time, and once more."""
    count = bench.counts.large
    return [
        Case(f"{count:,} objects at the hub version", partial(_run, bench, "v1")),
        Case(f"{count:,} objects by the webhook", partial(_run, bench, "v2")),
        Case(f"{count:,} objects by the webhook, once more", partial(_run, bench, "v2", again=True)),
    ]


WORKLOAD = Workload("webhook", "a list whose objects a webhook converts", Setting.EMPTY, cases, only="watchd")
"""What a workload is made of."""
