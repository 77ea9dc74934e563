"""A real Prometheus: Debian's package, unpacked into the cache by `.ci/prometheus`."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.services.ports import free_port, wait_for_port
from tests.rules.sources import ROOT
from tests.waiting import wait_for

DEPLOY = ROOT / "deploy" / "prometheus"


@cache
def programs() -> Path:
    """The folder of `prometheus` and `promtool`; skips (in CI: fails) where there is none."""
    done = subprocess.run([ROOT / ".ci" / "prometheus"], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no Prometheus: {done.stderr.strip().splitlines()[-1]}")
    return Path(done.stdout.strip())


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    return subprocess.run([programs() / "promtool", *words], capture_output=True, text=True)


class Prometheus:
    """The HTTP API of a running Prometheus."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/api/v1"

    def get(self, path: str, **words: str) -> Any:
        """Return the data of an answer; urllib's HTTPError if it is not a success."""
        query = urllib.parse.urlencode(words)
        with urllib.request.urlopen(f"{self.url}/{path}?{query}", timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an instant query."""
        found: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return found


def _is_ready(port: int) -> bool:
    """Whether it answers queries; it listens before its log is replayed."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=10) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return False


@contextmanager
def prometheus(folder: Path, targets: list[str], rules: dict[str, Any]) -> Iterator[Prometheus]:
    """Run one with the configuration of `deploy/`: other targets, a scrape each half second."""
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text("utf-8"))
    config["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    config["scrape_configs"][0]["static_configs"][0]["targets"] = targets
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (folder / config["rule_files"][0]).write_text(yaml.safe_dump(rules))
    port = free_port()
    words: list[str | Path] = [
        programs() / "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
        try:
            wait_for_port(port, process)
            wait_for(lambda: _is_ready(port), "Prometheus")
            yield Prometheus(port)
        finally:
            process.terminate()
            process.wait(30)
