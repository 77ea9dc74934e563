"""Inputs that the benchmarks share: generated events, and accounts that have opted out."""

import itertools
import json
from pathlib import Path

from benchmarks.harness import prepare

OPTED_OUT = 1_000


def api_requests(folder: Path, events: int, name: str = "requests.ndjson", seed: int = 1) -> Path:
    """A file of so many sound API requests, about 600 bytes each."""
    path = folder / name
    prepare(
        *("generate", "--event", "api_request", "--events", str(events)),
        *("--awkward", "0", "--seed", str(seed), "--out", str(path)),
    )
    return path


def opted_out(folder: Path, source: Path) -> Path:
    """A file with the ids of up to 1,000 accounts of the input, one on a line."""
    found: dict[str, None] = {}
    with source.open("rb") as lines:
        for line in itertools.islice(lines, 200_000):
            try:
                account = json.loads(line).get("account_id")
            except (ValueError, AttributeError):
                continue
            if isinstance(account, str) and account.isascii() and account.isidentifier():
                found.setdefault(account)
            if len(found) == OPTED_OUT:
                break
    path = folder / "opted-out.txt"
    path.write_text("".join(f"{account}\n" for account in found), "utf-8")
    return path
