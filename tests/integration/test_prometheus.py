"""Prometheus itself: reads the configuration, the rules and the boards, and scrapes a real run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.metrics import DECLARED, InstrumentKind
from tests.integration.services.ports import free_port
from tests.integration.services.prometheus import DEPLOY, Prometheus, prometheus, promtool
from tests.rules.sources import ROOT
from tests.rules.test_kubernetes import PORT
from tests.waiting import wait_for

pytestmark = pytest.mark.service

BOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
RULES: dict[str, Any] = yaml.safe_load((DEPLOY / "alerts.yml").read_text("utf-8"))


def bare_rules(folder: Path) -> None:
    """The rules without annotations: promtool would want every sentence of them repeated."""
    rules = yaml.safe_load((DEPLOY / "alerts.yml").read_text("utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule.pop("annotations")
    (folder / "alerts.yml").write_text(yaml.safe_dump(rules))


def test_the_configuration_and_its_rules_load() -> None:
    done = promtool("check", "config", DEPLOY / "prometheus.yml")
    assert done.returncode == 0, done.stderr
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text("utf-8"))
    [job] = config["scrape_configs"]
    [targets] = job["static_configs"]
    assert targets["targets"][0] == f"localhost:{PORT}"


def test_every_alert_fires_on_what_it_is_for_and_is_silent_before(tmp_path: Path) -> None:
    bare_rules(tmp_path)
    text = (ROOT / "tests" / "integration" / "alerts_test.yml").read_text("utf-8")
    (tmp_path / "test.yml").write_text(text)
    done = promtool("test", "rules", tmp_path / "test.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    cases = [case for test in yaml.safe_load(text)["tests"] for case in test["alert_rule_test"]]
    alerts = {rule["alert"] for group in RULES["groups"] for rule in group["rules"]}
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == alerts
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == alerts


def test_an_alert_that_never_fires_is_noticed(tmp_path: Path) -> None:
    bare_rules(tmp_path)
    rules = (tmp_path / "alerts.yml").read_text()
    (tmp_path / "alerts.yml").write_text(rules.replace("> 300", "> 300000"))
    text = (ROOT / "tests" / "integration" / "alerts_test.yml").read_text("utf-8")
    (tmp_path / "test.yml").write_text(text)
    assert promtool("test", "rules", tmp_path / "test.yml").returncode != 0


@dataclass
class Watched:
    """A run that tails a folder, and the Prometheus that scrapes it."""

    server: Prometheus
    inputs: Path
    port: int
    sound: bytes
    written: int = 0

    def write(self, sound: int, broken: int) -> None:
        """Add a file of lines."""
        lines = self.sound.splitlines(keepends=True)[:sound]
        path = self.inputs / f"{self.written:03}.ndjson"
        path.write_bytes(b"".join(lines) + b"no event\n" * broken)
        self.written += 1

    def total(self, name: str) -> float:
        """The value of a counter, over all its labels, as Prometheus has it."""
        found = self.server.query(f"sum({name})")
        return float(found[0]["value"][1]) if found else 0.0


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    inputs, port = folder / "in", free_port()
    inputs.mkdir()
    cli = [sys.executable, "-m", "pipeline.cli"]
    made = subprocess.run(
        [*cli, "generate", "--event", "session", "--events", "600", "--awkward", "0.2"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    places = ["--lake", str(folder / "lake"), "--state", str(folder / "state")]
    what = ["--input", str(inputs), "--event", "session", "--flush-interval", "500ms"]
    words = [*cli, "run", *what, *places, "--metrics-port", str(port)]
    rules = yaml.safe_load((DEPLOY / "alerts.yml").read_text("utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)  # a test does not wait for a quarter of an hour
    with (folder / "run.log").open("wb") as log:
        process = subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log)
        try:
            with prometheus(folder, [f"127.0.0.1:{port}"], rules) as server:
                found = Watched(server, inputs, port, made.stdout)
                found.write(600, 0)
                wait_for(lambda: found.total("telemetry_consumed_total") >= 600, "the first scrape")
                yield found
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(120)


def test_a_real_run_is_scraped_with_every_metric_that_is_declared(watched: Watched) -> None:
    known = watched.server.get("metadata")
    missing = {item.exported for item in DECLARED if item.kind is not InstrumentKind.COUNTER} - set(
        known
    )
    missing |= {item.name for item in DECLARED if item.kind is InstrumentKind.COUNTER} - {
        name.removesuffix("_total") for name in known
    }
    assert missing == set()
    assert [found["value"][1] for found in watched.server.query('up{job="telemetry"}')] == ["1"]


def expressions() -> list[str]:
    """Every expression of the boards, as Grafana would send it for "All"."""
    found = []
    for path in BOARDS:
        board = json.loads(path.read_text("utf-8"))
        sources = [target for panel in board["panels"] for target in panel["targets"]]
        sources += board["annotations"]["list"]
        found += [source["expr"] for source in sources if "expr" in source]
    return [expr.replace("$__rate_interval", "1m").replace("$event", ".*") for expr in found]


def test_every_expression_of_the_boards_is_answered(watched: Watched) -> None:
    watched.write(300, 3)
    wait_for(lambda: watched.total("telemetry_consumed_total") >= 900, "the second scrape")
    assert len(expressions()) > 15

    def unanswered() -> list[str]:
        return [one for one in expressions() if not watched.server.query(one)]

    # A counter of what never happens in a quiet run has no series; rates need two scrapes.
    quiet = ("ALERTS", "telemetry_commit_conflicts", "restarts_total[1m]) > 0")
    wait_for(
        lambda: all(any(word in one for word in quiet) for one in unanswered()),
        "an answer to every expression",
    )
    with pytest.raises(urllib.error.HTTPError):
        watched.server.query("sum by (event (rate(telemetry_consumed_total[1m]))")


def test_the_values_of_a_variable_are_the_events_that_run(watched: Watched) -> None:
    assert watched.server.get("label/event/values") == ["session"]


def test_an_alert_fires_in_a_real_run(watched: Watched) -> None:
    def firing() -> set[str]:
        found = watched.server.query('ALERTS{alertstate="firing"}')
        return {one["metric"]["alertname"] for one in found}

    before = watched.total("telemetry_rejected_total")
    watched.write(10, 400)
    wait_for(lambda: watched.total("telemetry_rejected_total") >= before + 400, "the rejections")
    watched.write(10, 400)
    wait_for(lambda: "TelemetryRejectionsRising" in firing(), "the alert")
    assert not firing() & {"TelemetryReadingPaused", "TelemetryAbsent", "TelemetryWorkersDie"}


def test_probes_answer_while_it_runs(watched: Watched) -> None:
    for probe in ("healthy", "ready"):
        with urllib.request.urlopen(f"http://127.0.0.1:{watched.port}/-/{probe}") as answer:
            assert answer.status == 200
