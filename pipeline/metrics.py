"""Every counter, gauge and histogram of the pipeline, declared here and nowhere else.

Labels hold closed sets alone: names of events, fields, reasons, stages and sources of the
settings. No label or value describes a person. Each process counts for itself, and
serves when asked, on the loopback interface unless set otherwise; dashboards add up over
processes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import start_http_server

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment

LOOPBACK = "127.0.0.1"
STUCK_AFTER_SECONDS = 600.0
"""A process that has begun to read takes a turn every few seconds; a slice takes a minute."""


class InstrumentKind(Enum):
    """How a metric behaves."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class DeclaredMetric:
    """A metric's name (without a counter's `_total`), what it says, and its labels."""

    kind: InstrumentKind
    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def exported(self) -> str:
        """The name under which Prometheus sees it."""
        return f"{self.name}_total" if self.kind is InstrumentKind.COUNTER else self.name


def _counter(name: str, text: str, *labels: str) -> DeclaredMetric:
    return DeclaredMetric(InstrumentKind.COUNTER, f"telemetry_{name}", text, labels)


def _gauge(name: str, text: str, *labels: str) -> DeclaredMetric:
    return DeclaredMetric(InstrumentKind.GAUGE, f"telemetry_{name}", text, labels)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> DeclaredMetric:
    return DeclaredMetric(InstrumentKind.HISTOGRAM, f"telemetry_{name}", text, labels, buckets)


CONSUMED = _counter("consumed", "Messages whose fate is in the lake", "event")
WRITTEN = _counter("written", "Events stored", "event")
REJECTED = _counter("rejected", "Messages refused", "event", "stage", "reason")
DROPPED = _counter("dropped", "Events dropped without any record", "event", "reason")
NULLED = _counter("nulled", "Values that were made null", "event", "field", "reason")
COMMITS = _counter("commits", "Slices committed", "event")
CONFLICTS = _counter("commit_conflicts", "Slices that another writer had moved past", "event")
FILES = _counter("files", "Parquet files written", "event")
STORED_BYTES = _counter("stored_bytes", "Bytes of Parquet files written", "event")
TURNS = _counter("turns", "Turns at reading a shard, whether there was something or not", "source")
STEP_SECONDS = _counter("step_seconds", "Seconds spent in each step", "step")
GEO_UNKNOWN = _counter("geo_unknown", "Events whose country is unknown", "event")
RESTARTS = _counter("worker_restarts", "Workers that died and were started again")
SLICE_SECONDS = _histogram(
    "slice_seconds",
    "Seconds from cutting a slice to its commit",
    (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0),
    "event",
)
SLICE_BYTES = _histogram(
    "slice_bytes",
    "Raw bytes of a slice",
    (1e4, 1e5, 1e6, 4e6, 16e6, 64e6, 256e6),
    "event",
)
FRESHNESS = _histogram(
    "freshness_seconds",
    "Age of the newest event of a slice when it could be read from the lake",
    (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 600.0, 3600.0),
    "event",
)
LAG = _gauge("lag", "What is there and not committed: bytes of files, messages", "source")
LAST_COMMIT = _gauge("last_commit_timestamp_seconds", "When a slice was last committed", "event")
OPTOUT_AGE = _gauge("optout_age_seconds", "How old the knowledge of the opt-out list is")

DECLARED: tuple[DeclaredMetric, ...] = tuple(
    value for value in dict(globals()).values() if isinstance(value, DeclaredMetric)
)
"""All of them, in the order of this page."""


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.ready = False
        """Whether everything that a run needs is open and known: lake, keys, opt-out list."""
        self._beat: float | None = None
        self._counters: dict[DeclaredMetric, Counter] = {}
        self._gauges: dict[DeclaredMetric, Gauge] = {}
        self._histograms: dict[DeclaredMetric, Histogram] = {}
        for item in DECLARED:
            named = (item.name, item.help, item.labels)
            if item.kind is InstrumentKind.COUNTER:
                self._counters[item] = Counter(*named, registry=self.registry)
            elif item.kind is InstrumentKind.GAUGE:
                self._gauges[item] = Gauge(*named, registry=self.registry)
            else:
                self._histograms[item] = Histogram(
                    *named, registry=self.registry, buckets=item.buckets
                )

    def count(self, metric: DeclaredMetric, amount: float, **labels: str) -> None:
        """Add to a counter."""
        counter = self._counters[metric]
        (counter.labels(**labels) if labels else counter).inc(amount)

    def show(self, metric: DeclaredMetric, value: float, **labels: str) -> None:
        """Set a gauge."""
        gauge = self._gauges[metric]
        (gauge.labels(**labels) if labels else gauge).set(value)

    def observe(self, metric: DeclaredMetric, value: float, **labels: str) -> None:
        """Add an observation to a histogram."""
        self._histograms[metric].labels(**labels).observe(value)

    def serve(self, port: int, address: str = LOOPBACK) -> None:
        """Serve from a thread of this process; OSError if the port is taken.

        `/-/healthy` and `/-/ready` answer 200 or 503, every other path the metrics.
        """
        server, _ = start_http_server(port, addr=address, registry=self.registry)
        metrics = server.get_app()
        assert metrics is not None
        server.set_app(partial(self._answer, metrics))

    def beat(self) -> None:
        """Take note that this process works: it has begun a turn."""
        self._beat = time.monotonic()

    @property
    def healthy(self) -> bool:
        """Whether this process works, or has not begun to."""
        return self._beat is None or time.monotonic() - self._beat < STUCK_AFTER_SECONDS

    def _answer(self, metrics: WSGIApplication, environ: WSGIEnvironment, start: Any) -> Any:
        """Answer one request."""
        probes = {"/-/healthy": self.healthy, "/-/ready": self.ready}
        good = probes.get(environ["PATH_INFO"])
        if good is None:
            return metrics(environ, start)
        start("200 OK" if good else "503 Service Unavailable", [("Content-Type", "text/plain")])
        return [b"yes\n" if good else b"no\n"]
