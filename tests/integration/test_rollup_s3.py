"""`telemetry rollup` and `telemetry dashboard build` on an object store, beside a local lake."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.cli.main import main
from pipeline.events.model import CleanBatch, Span
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.publications import RollupStore
from pipeline.ops.rollup.publication import PUBLISHED
from tests.integration.services import s3
from tests.lake_rows import SCHEMAS, World, day_rows

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(s3.missing() is not None, reason=s3.missing() or ""),
]
FIRST, DAYS = date(2026, 11, 2), 8
"""From a Monday, so that one whole week is published."""
NOW = "2026-11-10T12:00:00Z"
SIZES = {"api_request": 1500, "session": 300, "feature_use": 400, "error_log": 90}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.Bucket]:
    with s3.bucket(tmp_path_factory.mktemp("gateway")) as started:
        yield started


def fill(lake: Lake, days: Sequence[date]) -> None:
    """Commit the same rows of those days to every lake."""
    for event, rows in SIZES.items():
        table = lake.events(event, SCHEMAS[event])
        for day in days:
            random = np.random.default_rng(day.toordinal())
            made = day_rows(event, day, rows, World(FIRST, DAYS, 0, accounts=120), random)
            [batch] = made.combine_chunks().to_batches()
            start = table.position("kafka/t/0") or 0
            span = Span("kafka", "t", 0, start, start + rows)
            table.commit(CleanBatch(span, event, rows, batch))


def settings_of(folder: Path, url: str, options: dict[str, str]) -> Path:
    path = folder / f"{'bucket' if options else 'local'}.toml"
    storage = "".join(f"{name} = {json.dumps(value)}\n" for name, value in options.items())
    state = folder / "state"  # One secret of the perturbation, so that figures are the same.
    path.write_text(
        f'[lake]\npath = "{url}"\n[lake.storage]\n{storage}\n[state]\npath = "{state}"\n'
    )
    return path


def figures(store: RollupStore) -> dict[str, pa.Table]:
    return {
        metric: store.read(metric, PUBLISHED).drop_columns(["published_at"])
        for metric in store.published()
    }


def test_a_lake_in_a_bucket_publishes_and_shows_what_a_local_one_does(
    gateway: s3.Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    secret = gateway.options["AWS_SECRET_ACCESS_KEY"]
    monkeypatch.setenv("LAKE_SECRET", secret)
    given = gateway.options | {"AWS_SECRET_ACCESS_KEY": "env:LAKE_SECRET"}
    local = str(tmp_path / "lake")
    places = {"bucket": (gateway.url, gateway.options), "local": (local, {})}
    days = [FIRST + timedelta(days=number) for number in range(DAYS)]
    for url, options in places.values():
        fill(Lake(url, options, state=tmp_path / "fill" / url[:2]), days[:-1])
    configs = {
        "bucket": settings_of(tmp_path, gateway.url, given),
        "local": settings_of(tmp_path, local, {}),
    }
    stores = {name: RollupStore(*place) for name, place in places.items()}
    pages: dict[str, bytes] = {}
    for name, config in configs.items():
        words = ["rollup", "--config", str(config), "--now", NOW, "--json"]
        assert main(words) == 0
        first = json.loads(capsys.readouterr().out)
        assert (first["days"], first["published"] > 100) == (DAYS - 1, True)
        url, options = places[name]
        fill(Lake(url, options, state=tmp_path / "fill" / url[:2]), days[-1:])
        assert main(words) == 0
        assert json.loads(capsys.readouterr().out)["days"] == 1
        assert main(words) == 0
        assert json.loads(capsys.readouterr().out)["windows"] == 0
        out = tmp_path / f"site-{name}"
        assert main(["dashboard", "build", "--config", str(config), "--out", str(out)]) == 0
        capsys.readouterr()
        pages[name] = (out / "index.html").read_bytes()
    assert figures(stores["bucket"]).keys() == figures(stores["local"]).keys()
    for metric, table in figures(stores["local"]).items():
        assert figures(stores["bucket"])[metric].equals(table), metric
    assert secret.encode() not in pages["bucket"]
    assert b"Requests" in pages["bucket"]
    assert abs(len(pages["bucket"]) - len(pages["local"])) < 2_000
