"""The audit is broken by a state folder that is not that of the lake."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from pipeline.ops.audit.check_installation import INSTALLATION
from pipeline.ops.installation import require_fit
from tests.unit.io.lakes import NOW
from tests.unit.ops.test_installation import keystore, opened, write


def verdict(folder: Path, state: Path) -> str:
    keys = keystore(state)
    keys.begin()
    audited = SimpleNamespace(
        lake=opened(folder, None), keys=lambda: keys, now=NOW, retention_days=90
    )
    return str(INSTALLATION["installation_fits"].look(cast("Any", audited)).verdict.value)


def test_the_check_is_kept_by_the_installation_that_wrote_the_lake(tmp_path: Path) -> None:
    write(opened(tmp_path, keystore(tmp_path / "state")))
    assert verdict(tmp_path, tmp_path / "state") == "kept"


def test_the_check_is_broken_by_another_installation(tmp_path: Path) -> None:
    write(opened(tmp_path, keystore(tmp_path / "state")))
    assert verdict(tmp_path, tmp_path / "other") == "broken"


def test_the_check_is_broken_until_a_lake_of_the_first_version_was_adopted(tmp_path: Path) -> None:
    write(opened(tmp_path, None))
    assert verdict(tmp_path, tmp_path / "state") == "broken"
    require_fit(opened(tmp_path, None), keystore(tmp_path / "state"), NOW, 90, "state")
    assert verdict(tmp_path, tmp_path / "state") == "kept"
