"""Numbers as Prometheus reads them. Imported for the first who asks for /metrics: the library is a large one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import INF, floatToGoString

from watchd.api.tallies import Distributions, Levels, Tallies

Counted = Tallies | Distributions | Levels


class _Shown(Collector):
    """The samples of one metric."""

    def __init__(self, metric: Counted) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        """Yield them."""
        metric = self._metric
        about = (metric.name, metric.documentation)
        if isinstance(metric, Tallies):
            counter = CounterMetricFamily(*about, labels=metric.labels)
            for labels, tally in metric.found.items():
                counter.add_metric(labels, tally.value, created=tally.created)
            yield counter
        elif isinstance(metric, Levels):
            gauge = GaugeMetricFamily(*about, labels=metric.labels)
            for labels, level in metric.found.items():
                gauge.add_metric(labels, level.read())
            yield gauge
        else:
            yield _histogram(metric)


def _histogram(metric: Distributions) -> Metric:
    """Return the samples of a histogram: each bucket holds what the lower ones do, too."""
    bounds = [floatToGoString(bound) for bound in (*metric.bounds, INF)]  # type: ignore[no-untyped-call]  # it has no types
    family = HistogramMetricFamily(metric.name, metric.documentation, labels=metric.labels)
    for labels, found in metric.found.items():
        family.add_metric(labels, list(zip(bounds, accumulate(found.counts), strict=True)), found.total)
        family.add_sample(f"{metric.name}_created", dict(zip(metric.labels, labels, strict=True)), found.created)
    return family


class Exposition:
    """All samples of some metrics, and of the process."""

    def __init__(self, metrics: Iterable[Counted]) -> None:
        """Show metrics in their order."""
        self.registry = CollectorRegistry()
        for metric in metrics:
            self.registry.register(_Shown(metric))
        ProcessCollector(registry=self.registry)

    def page(self, accept: str) -> tuple[str, bytes]:
        """Return them with their Content-Type, in Prometheus' text format or OpenMetrics as an Accept header says."""
        encoder, content_type = choose_encoder(accept)
        return content_type, encoder(self.registry)
