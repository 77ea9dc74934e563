"""Contender: the same job as a mapping of Bento, one message at a time, in one Go process.

`TELEMETRY_BENTO` names its binary; without it, the one in the user's cache is taken (`python -m
benchmarks.bento fetch` builds it there, which needs Go and some ten minutes). Where there is none
the contender is left out. What it does: one HMAC-SHA-256, address cut to its /16 or /32, the ids
in routes replaced, 1,000 opted-out accounts left out. What it does less of: NDJSON in one file,
neither Parquet nor a folder a day; two tokens fewer, no closed lists, no strictness, no
exactly-once.

    python -m benchmarks.bento INPUT OPTED_OUT OUTPUT
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import CACHE

VERSION = "v1.10.0"
_MODULE = "github.com/warpstreamlabs/bento"
_KEPT = (
    *("method", "status", "latency_ms", "queue_ms", "bytes_in", "bytes_out", "error_code"),
    *("model", "region", "sdk_name", "sdk_version", "plan"),
)
_MAPPING = r"""
let out = OPTED_OUT
let account = this.account_id.or("")
let address = this.client_ip.or("")
root = if $out.exists($account) { deleted() }
root.event_date = this.occurred_at.slice(0, 10)
root.event_hour = this.occurred_at.slice(11, 13).number()
root.subject = if $account != "" { $account.hash("hmac_sha256", "KEY").encode("hex").slice(0, 32) }
root.ip_prefix = if $address.contains(":") {
  $address.split(":").slice(0, 2).join(":") + "::/32"
} else if $address != "" {
  $address.split(".").slice(0, 2).join(".") + ".0.0/16"
}
root.route = this.path.split("?").index(0).re_replace_all("/[^/]*[0-9][^/]{7,}", "/{id}")
"""


def settings(source: str, opted_out: list[str], target: str) -> dict[str, object]:
    """Return Bento's settings for one file; JSON is YAML to it."""
    mapping = _MAPPING.replace("OPTED_OUT", json.dumps(dict.fromkeys(opted_out, True)))
    mapping = mapping.replace("KEY", "k" * 32)
    mapping += "".join(f"root.{name} = this.{name}\n" for name in _KEPT)
    return {
        "http": {"enabled": False},
        "logger": {"level": "ERROR"},
        "input": {"file": {"paths": [source], "scanner": {"lines": {}}}},
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
    """Build it from its module: `go install` is refused where a proxy lists no versions of it."""
    folder = binary().parent
    folder.mkdir(parents=True, exist_ok=True)
    got = ["go", "mod", "download", "-json", f"{_MODULE}@{VERSION}"]
    told = subprocess.run(got, cwd=folder, check=True, capture_output=True, text=True, timeout=120)
    build = ["go", "build", "-mod=mod", "-modcacherw", "-o", str(folder / "bento"), "./cmd/bento"]
    subprocess.run(build, cwd=json.loads(told.stdout)["Dir"], check=True, timeout=720)


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
