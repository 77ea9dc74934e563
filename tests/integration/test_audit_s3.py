"""An audit of a lake in a bucket: nothing where nothing is wrong, else what was put there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import main
from tests.integration.services import s3

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(s3.missing() is not None, reason=s3.missing() or ""),
]
DAY, NOW = "2026-11-23T12:00:00Z", "2026-11-24T12:00:00Z"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.Bucket]:
    with s3.bucket(tmp_path_factory.mktemp("gateway")) as started:
        yield started


class Installation:
    """Commands over a bucket and a state folder."""

    def __init__(self, bucket: s3.Bucket, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        options = bucket.options | {"AWS_SECRET_ACCESS_KEY": "env:LAKE_SECRET"}
        storage = "".join(f"{name} = {json.dumps(text)}\n" for name, text in options.items())
        self.config, self._capsys = folder / "telemetry.toml", capsys
        self.config.write_text(
            f'[lake]\npath = "{bucket.url}"\n[lake.storage]\n{storage}\n'
            f'[state]\npath = "{folder / "state"}"\n'
            '[privacy]\npublic_ranges = ["198.18.0.0/15"]\n'
        )

    def run(self, *words: str, now: str = NOW, code: int = 0) -> dict[str, Any]:
        self._capsys.readouterr()
        done = main([*words, "--config", str(self.config), "--now", now, "--json"])
        out, err = self._capsys.readouterr()
        assert done == code, (words[0], out[-2000:], err)
        answer: dict[str, Any] = json.loads(out)
        return answer

    def audited(self, ids: Path, code: int = 0) -> dict[str, list[str]]:
        """By check, what an audit finds or doubts."""
        report = self.run("audit", "--canaries", str(ids), code=code)
        return {
            check["check"]: check["evidence"]
            for promise in report["promises"]
            for check in promise["checks"]
            if check["verdict"] in ("broken", "not_verified")
        }


def test_a_lake_in_a_bucket_has_no_finding_and_a_strange_object_is_one(
    gateway: s3.Bucket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LAKE_SECRET", gateway.options["AWS_SECRET_ACCESS_KEY"])
    place = Installation(gateway, tmp_path, capsys)
    raw = tmp_path / "in.ndjson"
    words = ["generate", "--event", "api_request", "--events", "3000", "--now", DAY, "--quiet"]
    assert main([*words, "--out", str(raw)]) == 0
    lines = (json.loads(line) for line in raw.read_bytes().splitlines() if line.startswith(b'{"'))
    accounts = sorted(
        {str(one["account_id"]) for one in lines if len(one.get("account_id") or "") > 8}
    )
    place.run("run", "--input", str(raw), "--event", "api_request", "--once", now=DAY)
    place.run("seal")
    place.run("erase", accounts[0], "--apply")
    place.run("restrict", accounts[1])
    place.run("requests", "work")
    place.run("rollup")
    ids = tmp_path / "ids"
    ids.write_text("\n".join(accounts[:9]) + "\n", "utf-8")
    known = {"encrypted_at_rest", "dashboards_read_aggregates"}
    # These settings ask the store for no encryption, and no dashboards were given.
    assert set(place.audited(ids, code=1)) == known
    strange = gateway.folder / "telemetry" / "rollups" / "rows.txt"
    strange.write_text(accounts[2], "utf-8")
    found = place.audited(ids, code=1)
    assert {"known_places", "dictionary_attack"} <= set(found) - known
    assert "rollups/rows.txt" in found["known_places"][0]
