"""Inputs that the benchmarks share: generated events, and accounts that have opted out."""

import json
from pathlib import Path

from benchmarks.harness import prepare

ONE_IN = 20


def api_requests(folder: Path, events: int, name: str = "requests.ndjson", seed: int = 1) -> Path:
    """A file of so many sound API requests, about 600 bytes each."""
    path = folder / name
    prepare(
        *("generate", "--event", "api_request", "--events", str(events)),
        *("--awkward", "0", "--seed", str(seed), "--out", str(path)),
    )
    return path


def opted_out(folder: Path, source: Path) -> Path:
    """A file with the ids of every twentieth account of the input, one on a line.

    The whole input is looked at: its first accounts alone have most events of a short input, and
    whoever drops an event early does less for it, so that ratios would depend on the length.
    """
    found: set[str] = set()
    with source.open("rb") as lines:
        for line in lines:
            try:
                account = json.loads(line).get("account_id")
            except (ValueError, AttributeError):
                continue
            if isinstance(account, str) and account.isascii() and account.isidentifier():
                found.add(account)
    path = folder / "opted-out.txt"
    chosen = sorted(found)[::ONE_IN]
    path.write_text("".join(f"{account}\n" for account in chosen), "utf-8")
    return path
