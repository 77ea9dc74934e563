"""Send a process's metrics and traces to a collector by OTLP over HTTP; off by default.

Metrics are the ones that Prometheus would scrape, read from the same registry: one figure, two
ways out. Traces are of slices: a span for the slice and one for each step of its way. Attributes
are the event, the source's name in the settings and the step: no coordinates, no counts of a slice
(which may be one person's), nothing from an event. A collector that does not answer stops nothing.

The libraries are the extra `otel`, imported only where an endpoint is set.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipeline import __version__
from pipeline.errors import EnvironmentProblem
from pipeline.flow.otlp_collector import Collector, Step
from pipeline.metrics import Metrics

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import Metric as OtlpMetric
    from prometheus_client.metrics_core import Metric

SERVICE = "telemetry-pipeline"
TIMEOUT_SECONDS = 10


class Export:
    """Sends the metrics of one process every few seconds, and the spans that it is given."""

    def __init__(self, collector: Collector, metrics: Metrics, instance: str) -> None:
        """Raise EnvironmentProblem if the libraries are not installed."""
        try:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            raise EnvironmentProblem(
                "OpenTelemetry is not installed",
                where="otlp.endpoint",
                remedy="pip install 'telemetry-pipeline[otel]', or leave the endpoint out.",
            ) from None
        self._metrics = metrics
        self._interval = collector.interval_seconds
        secret = collector.authorization
        headers = {} if secret is None else {"Authorization": secret()}
        words: dict[str, Any] = {"headers": headers, "timeout": TIMEOUT_SECONDS}
        self._points = OTLPMetricExporter(endpoint=collector.url("metrics"), **words)
        # Nothing is looked up about this process and machine: the resource says what we say.
        names = {"service.name": SERVICE, "service.version": __version__}
        self._resource = Resource({**names, "service.instance.id": instance})
        self._provider = TracerProvider(resource=self._resource, shutdown_on_exit=False)
        spans = OTLPSpanExporter(endpoint=collector.url("traces"), **words)
        pause = round(collector.interval_seconds * 1_000)
        self._provider.add_span_processor(BatchSpanProcessor(spans, schedule_delay_millis=pause))
        self._tracer = self._provider.get_tracer(SERVICE, __version__)
        self._began = time.time_ns()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="otlp", daemon=True)
        self._thread.start()

    def slice(self, event: str, source: str, steps: list[Step], *, landed: bool) -> None:
        """Send a slice's span with one for each of its steps."""
        from opentelemetry.trace import Status, StatusCode, set_span_in_context

        if not steps:
            return
        about = {"telemetry.event": event, "telemetry.source": source}
        outer = self._tracer.start_span("slice", attributes=about, start_time=steps[0].begin)
        inside = set_span_in_context(outer)
        for step in steps:
            named = {**about, "telemetry.step": step.name}
            span = self._tracer.start_span(
                step.name, inside, attributes=named, start_time=step.begin
            )
            if step.failed:
                span.set_status(Status(StatusCode.ERROR))
            span.end(step.end)
        if not landed:
            outer.set_status(Status(StatusCode.ERROR))
        outer.end(max(step.end for step in steps))

    def close(self) -> None:
        """Send what is there, and stop."""
        self._end.set()
        self._thread.join()
        self._send()
        self._points.shutdown()
        self._provider.shutdown()

    def _repeat(self) -> None:
        while not self._end.wait(self._interval):
            self._send()

    def _send(self) -> None:
        from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        found = list(points(self._metrics, self._began, time.time_ns()))
        scope = ScopeMetrics(InstrumentationScope(SERVICE, __version__), found, "")
        self._points.export(MetricsData([ResourceMetrics(self._resource, [scope], "")]))


def export(collector: Collector | None, metrics: Metrics, instance: str) -> Export | None:
    """Begin to export a process's figures, unless there is no collector."""
    return None if collector is None else Export(collector, metrics, instance)


def points(metrics: Metrics, began: int, now: int) -> Iterator[OtlpMetric]:
    """Yield everything in the registry in OTLP's terms, cumulative since `began`."""
    for family in metrics.registry.collect():
        made = _of_family(family, began, now)
        if made is not None:
            yield made


def _of_family(family: Metric, began: int, now: int) -> OtlpMetric | None:
    from opentelemetry.sdk.metrics import export as sdk

    samples = [one for one in family.samples if not one.name.endswith("_created")]
    if not samples:
        return None
    cumulative = sdk.AggregationTemporality.CUMULATIVE
    data: Any
    if family.type == "histogram":
        data = sdk.Histogram(list(_histograms(samples, began, now)), cumulative)
    else:
        numbers = [sdk.NumberDataPoint(one.labels, began, now, one.value) for one in samples]
        gauge = family.type == "gauge"
        data = sdk.Gauge(numbers) if gauge else sdk.Sum(numbers, cumulative, True)
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return sdk.Metric(name, family.documentation, "", data)


def _histograms(samples: list[Any], began: int, now: int) -> Iterator[Any]:
    """Gather samples by their labels; Prometheus' buckets hold the smaller ones, OTLP's do not."""
    from opentelemetry.sdk.metrics.export import HistogramDataPoint

    groups: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for one in samples:
        labels = tuple(sorted((key, text) for key, text in one.labels.items() if key != "le"))
        group = groups.setdefault(labels, {"below": [], "sum": 0.0, "count": 0.0})
        if "le" in one.labels:
            group["below"].append((float(one.labels["le"]), one.value))
        else:
            group[one.name.rpartition("_")[2]] = one.value
    for labels, group in groups.items():
        below = sorted(group["below"])
        counts = [int(value) for _, value in below]
        yield HistogramDataPoint(
            attributes=dict(labels),
            start_time_unix_nano=began,
            time_unix_nano=now,
            count=int(group["count"]),
            sum=group["sum"],
            bucket_counts=[high - low for high, low in zip(counts, [0, *counts], strict=False)],
            explicit_bounds=[edge for edge, _ in below[:-1]],
            min=None,  # type: ignore[arg-type]  # not known for a histogram of ours
            max=None,  # type: ignore[arg-type]
        )
