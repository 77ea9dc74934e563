"""Checks of an audit that look at settings alone: is the store told to encrypt?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.declared import load_settings
from pipeline.io.lake.lake import Lake
from pipeline.io.package_data import load_catalogue, load_schemas
from pipeline.io.rights.holds import Holds
from pipeline.io.rights.receipts import Receipts
from pipeline.io.rights.request_queue import RequestQueue
from pipeline.ops.audit.audit import Audited, Verdict
from pipeline.ops.audit.check_settings import SETTINGS
from pipeline.ops.rollup.registry import Registry
from pipeline.ops.scan.column_values import Ceilings
from pipeline.privacy.identity.epochs import EpochKind
from tests.rules.sources import ROOT

OVERLAYS = ROOT / "deploy" / "kubernetes" / "overlays"


def audited(state: Path, lake: str, storage: list[str]) -> Audited:
    """An installation of which nothing but its settings is looked at."""

    def nothing() -> Any:
        raise AssertionError("not a matter of settings")

    return Audited(
        lake=Lake(lake, state=state),
        state=state,
        schemas=load_schemas(),
        catalogue=load_catalogue(),
        registry=Registry({}, {}, {}),
        ceilings=Ceilings(16, 32),
        keys=nothing,
        optouts=nothing,
        optout_limit=timedelta(minutes=15),
        queue=RequestQueue(state / "requests.ndjson"),
        receipts=Receipts(state / "receipts.ndjson"),
        holds=Holds(state / "holds.ndjson"),
        epochs=EpochKind.FOUR_WEEKS,
        retention_days=90,
        now=datetime(2026, 11, 24, tzinfo=UTC),
        storage_options=storage,
    )


@pytest.mark.parametrize(
    ("lake", "storage", "verdict"),
    [
        ("lake", [], Verdict.NOT_VERIFIED),
        ("gs://bucket/telemetry", [], Verdict.KEPT),
        ("s3://bucket/telemetry", ["AWS_REGION", "conditional_put"], Verdict.BROKEN),
        ("s3://bucket/telemetry", ["aws_server_side_encryption"], Verdict.KEPT),
        ("s3://bucket/telemetry", ["AWS_SSE_KMS_KEY_ID"], Verdict.KEPT),
        ("az://container/telemetry", [], Verdict.KEPT),
    ],
)
def test_a_bucket_is_told_to_encrypt_or_does_it_always(
    tmp_path: Path, lake: str, storage: list[str], verdict: Verdict
) -> None:
    where = lake if "://" in lake else str(tmp_path / lake)
    seen = SETTINGS["encrypted_at_rest"].look(audited(tmp_path, where, storage))
    assert seen.verdict is verdict


@pytest.mark.parametrize("overlay", ["aws", "gcp"])
def test_the_overlays_settings_keep_the_promise(tmp_path: Path, overlay: str) -> None:
    settings = load_settings(OVERLAYS / overlay / "telemetry.toml", environ={})
    installed = audited(tmp_path, settings.need_lake(), list(settings.lake.storage))
    assert SETTINGS["encrypted_at_rest"].look(installed).verdict is Verdict.KEPT
