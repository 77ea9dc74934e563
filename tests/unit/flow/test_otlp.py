"""OTLP: the figures of Prometheus by another way, spans of slices, and nothing else in them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import metrics as declared
from pipeline.errors import EnvironmentProblem
from pipeline.flow.otlp import Export, export
from pipeline.flow.otlp_collector import Collector, Step
from pipeline.metrics import DECLARED, Metrics
from tests.integration.services.collector import attributes, collector
from tests.integration.services.ports import free_port
from tests.rules.sources import ROOT

STEPS = ["Read", "Decode", "OptOut", "Anonymize", "WriteRejections", "Commit", "Write"]


def test_without_a_collector_nothing_is_made_or_imported() -> None:
    assert export(None, Metrics(), "run/0") is None
    code = (
        "import sys; from pipeline.flow.otlp import export; from pipeline.metrics import Metrics;"
        "export(None, Metrics(), 'x'); sys.exit('opentelemetry' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_without_the_libraries_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    with pytest.raises(EnvironmentProblem, match="OpenTelemetry is not installed"):
        Export(Collector("http://127.0.0.1:1"), Metrics(), "run/0")


def test_the_figures_are_those_of_the_registry() -> None:
    metrics = Metrics()
    metrics.count(declared.WRITTEN, 7, event="session")
    metrics.show(declared.LAG, 3, source="kafka")
    for value in (0.2, 0.3, 100.0):
        metrics.observe(declared.SLICE_SECONDS, value, event="session")
    with collector() as received:
        sent = Export(Collector(received.url, 60, lambda: "Bearer x"), metrics, "run/0")
        sent.close()
    assert received.authorization == {"Bearer x"}
    found = {metric.name: metric for metric in received.metrics}
    assert found.keys() <= {item.exported for item in DECLARED}
    [written] = found["telemetry_written_total"].sum.data_points
    assert (written.as_double, attributes(written)) == (7, {"event": "session"})
    assert found["telemetry_written_total"].sum.is_monotonic
    [lag] = found["telemetry_lag"].gauge.data_points
    assert (lag.as_double, attributes(lag)) == (3, {"source": "kafka"})
    [seconds] = found["telemetry_slice_seconds"].histogram.data_points
    assert list(seconds.explicit_bounds) == list(declared.SLICE_SECONDS.buckets)
    assert list(seconds.bucket_counts) == [0, 1, 1, 0, 0, 0, 0, 0, 1]
    assert (seconds.count, seconds.sum) == (3, pytest.approx(100.5))


@pytest.mark.parametrize("landed", [True, False])
def test_a_slice_is_a_span_around_its_steps(landed: bool) -> None:
    steps = [Step("Read", 1_000, 2_000), Step("Write", 2_000, 9_000, failed=not landed)]
    with collector() as received:
        sent = Export(Collector(received.url, 60), Metrics(), "run/0")
        sent.slice("session", "kafka", steps, landed=landed)
        sent.slice("session", "kafka", [], landed=True)
        sent.close()
    spans = {span.name: span for span in received.spans}
    assert spans.keys() == {"slice", "Read", "Write"}
    outer = spans["slice"]
    assert (outer.start_time_unix_nano, outer.end_time_unix_nano) == (1_000, 9_000)
    assert {spans[name].parent_span_id for name in ("Read", "Write")} == {outer.span_id}
    assert {span.trace_id for span in received.spans} == {outer.trace_id}
    assert (outer.status.code == 2, spans["Write"].status.code == 2) == (not landed, not landed)


def test_a_collector_that_is_away_stops_nothing() -> None:
    sent = Export(Collector(f"http://127.0.0.1:{free_port()}", 60), Metrics(), "run/0")
    sent.slice("session", "kafka", [Step("Read", 1, 2)], landed=True)
    sent.close()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_run_sends_every_step_and_nothing_that_identifies(tmp_path: Path, workers: str) -> None:
    cli = [sys.executable, "-m", "pipeline.cli"]
    made = ["generate", "--event", "api_request", "--events", "400", "--awkward", "0.3"]
    raw = tmp_path / "in.ndjson"
    subprocess.run([*cli, *made, "--out", raw], cwd=ROOT, check=True, capture_output=True)
    with collector() as received:
        (tmp_path / "telemetry.toml").write_text(
            f'[lake]\npath = "lake"\n[state]\npath = "state"\n[otlp]\nendpoint = "{received.url}"\n'
            '[sources.requests]\nevent = "api_request"\nfiles = ["in.ndjson"]\n'
        )
        run = ["run", "--once", "--config", "telemetry.toml", "--workers", workers]
        done = subprocess.run([*cli, *run], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {span.name for span in received.spans} == {"slice", *STEPS}
    about = {"telemetry.event": "api_request", "telemetry.source": "requests"}
    for span in received.spans:
        step = {} if span.name == "slice" else {"telemetry.step": span.name}
        assert attributes(span) == about | step
        assert not span.events
        assert not span.links
    assert {key for one in received.resources for key in one} == {
        "service.name",
        "service.version",
        "service.instance.id",
    }
    values: set[str] = set()
    for line in raw.read_bytes().splitlines():
        try:
            fields = json.loads(line)
        except ValueError:
            continue
        if isinstance(fields, dict):
            values |= {text for text in map(str, fields.values()) if len(text) > 12}
    sent = b"".join(received.bodies)
    assert len(values) > 500
    assert [text for text in values if text.encode() in sent] == []
