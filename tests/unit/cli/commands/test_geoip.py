"""`telemetry geoip`: the database in use, and a copy of another one."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipeline.io.package_data import packaged
from tests.unit.cli.commands.tiny import Tiny


def test_the_packaged_database_is_named_as_what_it_is(tiny: Tiny) -> None:
    found = tiny.call("geoip", "status")
    assert (found["type"], found["file"], found["demo"]) == ("Demo-Country", None, True)
    assert "knows no real address" in tiny.say("geoip", "status")[1]


def test_what_is_imported_is_copied_and_used_from_then_on(tiny: Tiny) -> None:
    demo = Path(str(packaged())) / "geo" / "demo-country.mmdb"
    given = tiny.folder / "given.mmdb"
    shutil.copyfile(demo, given)
    assert tiny.call("geoip", "import", str(given))["type"] == "Demo-Country"
    given.unlink()
    found = tiny.call("geoip", "status")
    assert found["file"].startswith(str(tiny.state))


def test_a_file_that_is_no_database_is_refused_and_nothing_is_kept(tiny: Tiny) -> None:
    wrong = tiny.folder / "wrong.mmdb"
    wrong.write_bytes(b"canary" * 100)
    said = tiny.refused("geoip", "import", str(wrong), code=3)
    assert "canary" not in said
    assert tiny.call("geoip", "status")["file"] is None
