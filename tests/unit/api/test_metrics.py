from __future__ import annotations

import pytest

from watchd.api.message import Request
from watchd.api.metrics import MAX_SERIES, Metrics
from watchd.api.requestinfo import RequestInfo
from watchd.api.version import handle as answer_version


class Noon:
    def now_ms(self):
        return 1_000_000


async def no_body(limit):
    raise AssertionError(limit)


def request(path, method="GET", query="", **headers):
    return Request(method, path, query, headers, no_body)


def count(metrics, path, status, method="GET", query=""):
    info = RequestInfo.parse(method, path, request(path, method, query).query)
    metrics.end(info, metrics.begin(info), status, dry_run="dryRun" in query)


def value(metrics, name, **labels):
    return metrics.exposition.registry.get_sample_value(name, labels)


PODS = {"group": "", "version": "v1", "resource": "pods", "subresource": "", "component": "apiserver", "dry_run": ""}


async def test_requests(mock_clock):
    metrics = Metrics(Noon())
    info = RequestInfo.parse("GET", "/api/v1/namespaces/ns/pods", {})
    began = metrics.begin(info)
    assert value(metrics, "apiserver_current_inflight_requests", request_kind="readOnly") == 1
    mock_clock.jump(0.3)
    metrics.end(info, began, 200, dry_run=False)
    labels = PODS | {"verb": "LIST", "scope": "namespace"}
    assert value(metrics, "apiserver_request_total", code="200", **labels) == 1
    assert value(metrics, "apiserver_request_duration_seconds_sum", **labels) == pytest.approx(0.3)
    assert value(metrics, "apiserver_request_duration_seconds_bucket", le="0.2", **labels) == 0
    assert value(metrics, "apiserver_request_duration_seconds_bucket", le="0.4", **labels) == 1
    assert value(metrics, "apiserver_request_duration_seconds_bucket", le="+Inf", **labels) == 1
    assert value(metrics, "apiserver_request_duration_seconds_count", **labels) == 1
    assert value(metrics, "apiserver_request_duration_seconds_created", **labels) == 1000.0
    assert value(metrics, "apiserver_request_created", code="200", **labels) == 1000.0
    assert value(metrics, "apiserver_current_inflight_requests", request_kind="readOnly") == 0


async def test_writes_and_dry_runs():
    metrics = Metrics(Noon())
    count(metrics, "/api/v1/namespaces/ns/pods", 201, "POST", "dryRun=All")
    labels = PODS | {"verb": "POST", "scope": "resource", "dry_run": "All"}
    assert value(metrics, "apiserver_request_total", code="201", **labels) == 1

    info = RequestInfo.parse("DELETE", "/api/v1/pods", {})
    began = metrics.begin(info)
    assert value(metrics, "apiserver_current_inflight_requests", request_kind="mutating") == 1
    metrics.end(info, began, 0, dry_run=False)
    assert value(metrics, "apiserver_current_inflight_requests", request_kind="mutating") == 0


async def test_made_up_paths_are_no_series():
    metrics = Metrics(Noon())
    for i in range(50):
        count(metrics, f"/apis/g{i}/v1/things", 404)
        count(metrics, "/x", 200, method=f"M{i}")
    assert len(metrics._requests) == 2
    count(metrics, "/api/v1/pods", 200)
    count(metrics, "/api/v1/pods", 429)
    labels = PODS | {"verb": "LIST", "scope": "cluster"}
    assert value(metrics, "apiserver_request_total", code="429", **labels) == 1


async def test_series_are_bounded():
    metrics = Metrics(Noon())
    for i in range(MAX_SERIES + 10):
        count(metrics, f"/apis/g/v1/r{i}", 200)
    assert len(metrics._requests) <= MAX_SERIES + 1


async def test_watches():
    metrics = Metrics(Noon())
    info = RequestInfo.parse("GET", "/api/v1/pods", {"watch": ["1"]})
    labels = {name: text for name, text in PODS.items() if name != "dry_run"} | {"verb": "WATCH", "scope": "cluster"}
    with metrics.long_running(info):
        assert value(metrics, "apiserver_longrunning_requests", **labels) == 1
    assert value(metrics, "apiserver_longrunning_requests", **labels) == 0
    events = metrics.watch_events("", "v1", "pods")
    events.sent(3, 3000)
    events.sent(0, 0)
    assert value(metrics, "apiserver_watch_events_total", group="", version="v1", resource="pods") == 3
    assert value(metrics, "apiserver_watch_events_sizes_sum", group="", version="v1", resource="pods") == 1000


async def test_the_page():
    class Positions:
        head, floor = 7, 3

    metrics = Metrics(Noon())
    metrics.observe_log(Positions())

    async def count() -> dict[str, int]:
        return {"things.example.com": 5}

    metrics.observe_objects(count)
    metrics.deprecated(RequestInfo.parse("GET", "/apis/g/v1beta1/things", {}))
    response = await metrics.handle(request("/metrics"))
    text = response.body.decode()
    assert response.status == 200
    assert dict(response.headers)["content-type"].startswith("text/plain")
    for line in (
        "watchd_log_head_revision 7.0",
        "watchd_log_floor_revision 3.0",
        'apiserver_storage_objects{resource="things.example.com"} 5.0',
        'apiserver_requested_deprecated_apis{group="g",removed_release="",resource="things",subresource="",version="v1beta1"} 1.0',
    ):
        assert line in text.splitlines()
    openmetrics = await metrics.handle(request("/metrics", accept="application/openmetrics-text; version=1.0.0"))
    assert openmetrics.body.endswith(b"# EOF\n")


async def test_version():
    response = await answer_version(request("/version"))
    text = response.body.decode()
    assert '"major": "1"' in text
    assert '"gitVersion": "v1.37.' in text
    assert '"goVersion": "python3.' in text
