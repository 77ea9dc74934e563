"""Contender: the same job as a mapping of Bento, one message at a time, in one Go process.

`TELEMETRY_BENTO` names its binary; without it, the one in the user's cache is taken (`python -m
benchmarks.bento fetch` builds it there, which needs Go and some ten minutes). Where there is none
the contender is left out. What it does: one HMAC-SHA-256, address cut to its /16 or /32, the ids
in routes replaced, opted-out accounts left out. What it does less of: NDJSON in one file,
neither Parquet nor a folder a day; two tokens fewer, no closed lists, no strictness, no
exactly-once.

    python -m benchmarks.bento INPUT OPTED_OUT OUTPUT
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import CACHE

VERSION = "v1.10.0"
BATCH = 1_000
_MODULE = "github.com/warpstreamlabs/bento"
_MAIN = f"""package main

import (
	"context"

	_ "{_MODULE}/public/components/io"
	_ "{_MODULE}/public/components/pure"
	"{_MODULE}/public/service"
)

func main() {{ service.RunCLI(context.Background()) }}
"""
_KEPT = (
    *("method", "status", "latency_ms", "queue_ms", "bytes_in", "bytes_out", "error_code"),
    *("model", "region", "sdk_name", "sdk_version", "plan"),
)
_MAPPING = r"""
let account = this.account_id.or("")
let address = this.client_ip.or("")
root = if OPTED_OUT.exists($account) { deleted() } else { {
  "event_date": this.occurred_at.slice(0, 10),
  "event_hour": this.occurred_at.slice(11, 13).number(),
  "subject": if $account != "" {
    $account.hash("hmac_sha256", "KEY").encode("hex").slice(0, 32)
  } else { null },
  "ip_prefix": if $address.contains(":") {
    $address.split(":").slice(0, 2).join(":") + "::/32"
  } else if $address != "" {
    $address.split(".").slice(0, 2).join(".") + ".0.0/16"
  } else { null },
  "route": this.path.split("?").index(0).re_replace_all("/[^/]*[0-9][^/]{7,}", "/{id}"),
  COPIES
} }
"""


def settings(source: str, opted_out: list[str], target: str) -> dict[str, object]:
    """Return Bento's settings for one file; JSON is YAML to it."""
    copies = ",\n  ".join(f'"{name}": this.{name}' for name in _KEPT)
    ids = json.dumps(dict.fromkeys(opted_out, True))
    mapping = _MAPPING.replace("OPTED_OUT", ids).replace("COPIES", copies)
    mapping = mapping.replace("KEY", "k" * 32)
    lines = {"file": {"paths": [source], "scanner": {"lines": {}}}}
    return {
        "http": {"enabled": False},
        "logger": {"level": "ERROR"},
        # Batches are what makes it fast: passing single messages on costs more than the work.
        "input": {"broker": {"inputs": [lines], "batching": {"count": BATCH}}},
        "pipeline": {"threads": 1, "processors": [{"mapping": mapping}]},
        "output": {"file": {"path": target, "codec": "lines"}},
    }


def missing() -> str | None:
    """Say what is missing to run it here, or None."""
    if binary().exists():
        return None
    return "needs `python -m benchmarks.bento fetch`, or TELEMETRY_BENTO=<the bento binary>"


def binary() -> Path:
    """Where the program is expected."""
    return Path(os.environ.get("TELEMETRY_BENTO") or CACHE / "bento" / VERSION / "bento")


def fetch() -> None:
    """Build it, with files and mappings only: all of its connectors take an hour to compile.

    It is the main module of a copy of its own `go.mod`; `go install` is refused by proxies that
    list no versions of it.
    """
    folder = binary().parent / "module"
    folder.mkdir(parents=True, exist_ok=True)
    got = ["go", "mod", "download", "-json", f"{_MODULE}@{VERSION}"]
    told = subprocess.run(got, cwd=folder, check=True, capture_output=True, text=True, timeout=120)
    origin = Path(json.loads(told.stdout)["Dir"])
    asked = re.sub(r"^module .*", "module bench", (origin / "go.mod").read_text(), flags=re.M)
    (folder / "go.mod").write_text(f"{asked}\nrequire {_MODULE} {VERSION}\n")
    (folder / "go.sum").write_bytes((origin / "go.sum").read_bytes())
    (folder / "main.go").write_text(_MAIN)
    build = ["go", "build", "-mod=mod", "-modcacherw", "-o", str(binary()), "."]
    subprocess.run(build, cwd=folder, check=True, timeout=720)


def main() -> None:
    """Fetch it, or write the settings and become Bento."""
    if sys.argv[1:] == ["fetch"]:
        fetch()
        return
    source, opted_out, target = sys.argv[1:4]
    ids = Path(opted_out).read_text("utf-8").split()
    folder = Path(target)
    folder.mkdir(parents=True)
    written = folder / "bento.json"
    written.write_text(json.dumps(settings(source, ids, str(folder / "clean.ndjson"))), "utf-8")
    words = [str(binary()), "-c", str(written)]
    os.execv(words[0], words)  # so that Python is not resident beside it


if __name__ == "__main__":
    main()
