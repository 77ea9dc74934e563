"""An installation in a folder, and the command bound to it; also those that version 0.1 wrote."""

from __future__ import annotations

import hmac
import io
import json
import re
import shutil
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import zstandard

from pipeline.cli.main import main
from tests.rules.sources import ROOT

ARCHIVE = ROOT / "tests" / "fixtures" / "lake_0_1" / "lake-0.1.tar.zst"
AFTER_0_1 = "2026-11-24T13:00:00Z"
"""An hour after 0.1 ended."""
_FILE_APP = re.compile(r'"appId":"file/([0-9a-f]{16})/0","version":(\d+)')


class Installation:
    """A folder with settings, lake and state, and the command bound to it."""

    def __init__(self, folder: Path, now: str = AFTER_0_1) -> None:
        self.folder, self.now = folder, now
        self.lake, self.state = folder / "lake", folder / "state"

    @classmethod
    def new(
        cls, folder: Path, now: str, events: Iterable[str], encryption: str = "off"
    ) -> Installation:
        """Make one whose sources are the folders `input/EVENT`."""
        sources = ""
        for event in events:
            (folder / "input" / event).mkdir(parents=True)
            sources += f'[sources.{event}]\nevent = "{event}"\nfiles = ["input/{event}"]\n'
        (folder / "telemetry.toml").write_text(
            f'[lake]\npath = "lake"\nencryption = "{encryption}"\n[state]\npath = "state"\n'
            f'[privacy]\npublic_ranges = ["198.18.0.0/15", "2001:db8::/32"]\n{sources}'
        )
        return cls(folder, now)

    def call(self, *words: str, now: str | None = None, stdin: str = "") -> tuple[int, str, str]:
        """Run a command; return exit code, standard output and standard error."""
        out, err = io.StringIO(), io.StringIO()
        before = sys.stdin, sys.stdout, sys.stderr
        sys.stdin, sys.stdout, sys.stderr = io.StringIO(stdin), out, err
        try:
            settings = ["--config", str(self.folder / "telemetry.toml")]
            code = main([*words, *settings, "--now", now or self.now, "--json"])
        finally:
            sys.stdin, sys.stdout, sys.stderr = before
        return code, out.getvalue(), err.getvalue()

    def ask(self, *words: str, now: str | None = None, stdin: str = "") -> Any:
        """Run a command that has to succeed; return its JSON document."""
        code, out, err = self.call(*words, now=now, stdin=stdin)
        assert code == 0, err + out
        return json.loads(out)


def unpack(folder: Path) -> Path:
    """Unpack what 0.1 wrote: the folders `plain` and `encrypted`."""
    with (
        ARCHIVE.open("rb") as packed,
        zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(packed) as stream,
        tarfile.open(fileobj=stream, mode="r|") as archive,
    ):
        archive.extractall(folder, filter="tar")
    return folder


def restored(source: Path, target: Path) -> Installation:
    """Copy an installation; input files keep the identity that 0.1 gave them by their inodes."""
    shutil.copytree(source, target)
    it = Installation(target)
    sizes = {
        int(version): identity
        for entry in sorted(it.lake.glob("events/*/_delta_log/*.json"))
        for identity, version in _FILE_APP.findall(entry.read_text())
    }
    for file in sorted(target.glob("input/*/*.ndjson")):
        identity = sizes[file.stat().st_size]
        _rename_everywhere(it, identity, _identity_in_0_1(it, file))
    return it


def _identity_in_0_1(it: Installation, file: Path) -> str:
    """16 hex digits of a keyed hash of inode and first line."""
    key = (it.state / "keys" / "files.key").read_bytes()
    with file.open("rb") as lines:
        first = lines.readline().rstrip(b"\n")
    return hmac.digest(key, b"%d\0%b" % (file.stat().st_ino, first), "sha256")[:8].hex()


def _rename_everywhere(it: Installation, before: str, after: str) -> None:
    for entry in it.lake.glob("**/_delta_log/*.json"):
        text = entry.read_text()
        if before in text:
            entry.write_text(text.replace(before, after))
    for claim in it.state.glob(f"claims/{before}*"):
        claim.rename(claim.with_name(claim.name.replace(before, after)))
