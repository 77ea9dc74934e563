"""Metrics: all declared, none of them twice, labels closed, served as Prometheus reads them."""

from __future__ import annotations

import re
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline import metrics as declared
from pipeline.metrics import DECLARED, DeclaredMetric, InstrumentKind, Metrics
from tests.integration.services.ports import free_port


def test_every_metric_is_declared_once_under_a_name_of_ours() -> None:
    names = [item.name for item in DECLARED]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"telemetry_[a-z_]+", name) for name in names)
    listed = {value for value in vars(declared).values() if isinstance(value, DeclaredMetric)}
    assert listed == set(DECLARED)


@pytest.mark.parametrize("item", DECLARED, ids=lambda item: item.name)
def test_a_metric_says_what_it_counts_and_takes_its_labels(item: DeclaredMetric) -> None:
    assert item.help
    metrics, labels = Metrics(), dict.fromkeys(item.labels, "x")
    if item.kind is InstrumentKind.COUNTER:
        metrics.count(item, 2, **labels)
        metrics.count(item, 3, **labels)
        assert metrics.registry.get_sample_value(item.exported, labels) == 5
    elif item.kind is InstrumentKind.GAUGE:
        metrics.show(item, 2, **labels)
        metrics.show(item, 3, **labels)
        assert metrics.registry.get_sample_value(item.exported, labels) == 3
    else:
        metrics.observe(item, 2, **labels)
        assert metrics.registry.get_sample_value(f"{item.exported}_sum", labels) == 2


def test_a_label_that_is_not_declared_is_refused() -> None:
    with pytest.raises(ValueError, match="label"):
        Metrics().count(declared.WRITTEN, 1, account="somebody")


def test_processes_do_not_share_counts() -> None:
    one, other = Metrics(), Metrics()
    one.count(declared.WRITTEN, 1, event="session")
    assert other.registry.get_sample_value("telemetry_written_total", {"event": "session"}) is None


def test_what_is_served_is_what_prometheus_reads() -> None:
    metrics, port = Metrics(), free_port()
    metrics.count(declared.WRITTEN, 7, event="session")
    metrics.serve(port)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    samples = {(s.name, s.labels.get("event")): s.value for f in families for s in f.samples}
    assert samples["telemetry_written_total", "session"] == 7


def probe(port: int, name: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/{name}", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def test_probes_say_whether_a_process_works_and_has_what_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    metrics, port = Metrics(), free_port()
    metrics.serve(port)
    assert (probe(port, "healthy"), probe(port, "ready")) == (200, 503)
    metrics.ready = True
    metrics.beat()
    assert (probe(port, "healthy"), probe(port, "ready")) == (200, 200)
    monkeypatch.setattr(declared, "STUCK_AFTER_SECONDS", 0.0)
    assert (probe(port, "healthy"), probe(port, "ready")) == (503, 200)
