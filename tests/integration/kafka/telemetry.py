"""Run the command `telemetry` against a broker, as a user does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import deltalake

from tests.waiting import PATIENCE_SECONDS

"""How long something may take on a machine that does much else; only a failure takes so long."""


@dataclass
class Installation:
    """A lake, a state folder and a settings file."""

    folder: Path

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def configure(self, text: str) -> None:
        """Write telemetry.toml."""
        where = f'[lake]\npath = "{self.lake}"\n[state]\npath = "{self.state}"\n'
        (self.folder / "telemetry.toml").write_text(where + text)

    def command(self, *words: str) -> list[str]:
        return [
            sys.executable,
            "-m",
            "pipeline.cli",
            *words,
            "--config",
            str(self.folder / "telemetry.toml"),
        ]

    def run(
        self, *words: str, expect: int = 0, environ: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Run one command with --json; its document, or the error's."""
        done = subprocess.run(
            self.command(*words, "--json"),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            env={**os.environ, **(environ or {})},
        )
        assert done.returncode == expect, done.stderr[-3000:]
        text = done.stdout if expect == 0 else done.stderr.strip().splitlines()[-1]
        found: dict[str, Any] = json.loads(text)
        return found

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a command that goes on until it is stopped."""
        log = (self.folder / f"{words[0]}-{time.monotonic_ns()}.log").open("wb")
        with log:
            return subprocess.Popen(
                self.command(*words, "--json"), stdout=log, stderr=log, start_new_session=True
            )

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def table(self, event: str = "api_request") -> deltalake.DeltaTable | None:
        path = self.lake / "events" / event
        return deltalake.DeltaTable(str(path)) if (path / "_delta_log").is_dir() else None

    def position(self, topic: str, partition: int = 0, event: str = "api_request") -> int:
        table = self.table(event)
        if table is None:
            return 0
        return table.transaction_version(f"kafka/{topic}/{partition}") or 0

    def rows(self, event: str = "api_request") -> int:
        table = self.table(event)
        return 0 if table is None else table.to_pyarrow_dataset().count_rows()


def stop(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> int:
    """Ask a command to stop, and wait for it."""
    process.send_signal(how)
    return process.wait(PATIENCE_SECONDS)


def event(number: int, account: str = "acct_1", **fields: object) -> bytes:
    """A small valid api_request of now."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return json.dumps(
        {
            "event": "api_request",
            "version": 1,
            "event_id": f"e-{number}",
            "occurred_at": now,
            "account_id": account,
            "status": 200,
            **fields,
        }
    ).encode()
