"""Make the lake that `benchmarks.erase` erases from, and look at what is left of it.

    python -m benchmarks.erase_lake make FOLDER DAYS ROWS ACCOUNTS
    python -m benchmarks.erase_lake copy FOLDER
    python -m benchmarks.erase_lake check FOLDER

The check reads plain columns with pyarrow and searches bytes; nothing of it is used by an erasure.
Whatever is expected of a day comes from the file that the day was made of, kept beside the lake.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.harness import prepare
from pipeline.io.folder_bytes import read_contents
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.lake.event_table import EventTable
from pipeline.io.lake.lake import Lake
from pipeline.io.lake.staging import StagedFile, Staging
from pipeline.io.package_data import load_schemas
from pipeline.io.parquet.encoding import PartKind
from pipeline.privacy.identity.epochs import Epoch, EpochKind, epoch_of
from pipeline.privacy.identity.tokens import Domain, TokenKey

EVENT, NEWEST = "api_request", date(2026, 11, 10)
SCANNED_DAYS, COPIED_DAYS = 5, 4


def make(folder: Path, days: int, rows: int, accounts: int) -> dict[str, object]:
    """Seal a real day, and make the other days of it with their own tokens."""
    raw = folder / "in.ndjson"
    where = ["--lake", str(folder / "lake"), "--state", str(folder / "state"), "--quiet"]
    # A little more than is asked for: some lines are malformed, signed, repeated or early.
    many = ["--events", str(rows * 51 // 50), "--now", f"{NEWEST}T23:59:59Z"]
    prepare("generate", "--event", EVENT, *many, "--out", str(raw), "--quiet")
    words = ["--input", str(raw), "--event", EVENT, "--once", "--now", f"{NEWEST}T23:59:59Z"]
    prepare("run", *words, *where)
    prepare("seal", "--now", f"{NEWEST + timedelta(days=12)}T00:00:00Z", *where)
    found = Counter(re.findall(rb'"account_id":"(\w+)"', raw.read_bytes()))
    raw.unlink()
    people = [account.decode() for account, _ in found.most_common()]
    people = [account for account in people if account.startswith("acct_")]
    chosen = people[:: max(1, len(people) // accounts)][:accounts]
    (folder / "people.json").write_text(json.dumps(chosen), "utf-8")
    return {"rows": _fill(folder, days, people), "accounts": len(people)}


def _fill(folder: Path, days: int, people: list[str]) -> int:
    table = _table(folder)
    (first,) = (file for file in table.snapshot().files if file.day == NEWEST)
    others = [file for file in table.snapshot().files if file.day != NEWEST]
    real = table.storage.read(first.path)
    real_key = _tokens(folder, epoch_of(NEWEST, EpochKind.FOUR_WEEKS), people)
    (folder / "origin").mkdir()
    pq.write_table(real, folder / "origin" / f"{NEWEST}.parquet")
    staging, made, total = table.staging(), dict[str, bytes](), first.rows
    for day in (NEWEST - timedelta(days=number) for number in range(1, days)):
        epoch = epoch_of(day, EpochKind.FOUR_WEEKS)
        if epoch.name not in made:
            tokens = _tokens(folder, epoch, people)
            renamed = dict(zip(real_key, tokens, strict=True))
            made[epoch.name] = _renamed(folder, staging, day, real, renamed)
        else:
            _copied(staging, day, made[epoch.name], first.rows)
        total += first.rows
    table.rewrite(others, staging, metadata={"job": "seal", "kind": "final", "duplicates": 0})
    table.vacuum()
    return total


def _renamed(
    folder: Path, staging: Staging, day: date, real: pa.Table, renamed: dict[str, str]
) -> bytes:
    """Write the real day with other subjects, grouped as the seal did; return the file."""
    subjects = real["subject"].combine_chunks().dictionary_encode()
    # A few hostile lines write their account so that it is not found by its looks.
    there = subjects.dictionary.to_pylist()
    name = epoch_of(day, EpochKind.FOUR_WEEKS).name
    names = [renamed.get(token) or _other_token(name, token) for token in there]
    column = pa.DictionaryArray.from_arrays(subjects.indices, pa.array(names)).cast(pa.string())
    rows = real.set_column(real.schema.get_field_index("subject"), real.field("subject"), column)
    rows = _other_sessions(rows, epoch_of(day, EpochKind.FOUR_WEEKS))
    with staging.open(day, rows.schema, PartKind.FINAL) as part:
        for start in range(0, rows.num_rows, 122_880):
            part.write(rows.slice(start, 122_880))
    pq.write_table(rows, folder / "origin" / f"{epoch_of(day, EpochKind.FOUR_WEEKS).name}.parquet")
    return (folder / "lake" / "events" / EVENT / staging.files[-1].hidden).read_bytes()


def _other_sessions(rows: pa.Table, epoch: Epoch) -> pa.Table:
    """Give sessions other tokens in every epoch, as their keys would."""
    column = rows["session"].combine_chunks().dictionary_encode()
    named = [_other_token(epoch.name, token) for token in column.dictionary.to_pylist()]
    coded = pa.DictionaryArray.from_arrays(column.indices, pa.array(named, pa.string()))
    index = rows.schema.get_field_index("session")
    return rows.set_column(index, rows.field("session"), coded.cast(pa.string()))


def _other_token(epoch: str, token: str) -> str:
    return blake2b(f"{epoch} {token}".encode(), digest_size=16).hexdigest()


def _copied(staging: Staging, day: date, content: bytes, rows: int) -> None:
    path = f"event_date={day}/final-{staging.writer}-{day:%Y%m%d}{'0' * 24}.parquet"
    hidden = staging.storage.hidden(path)
    file = staging.storage.create(hidden)
    file.write(content)
    staging.storage.settle(file)
    staging.files.append(StagedFile(path, hidden, day, rows, len(content)))


def copy(folder: Path) -> dict[str, object]:
    """Copy some files once with DuckDB."""
    import duckdb

    target, files = folder / "copied.parquet", _table(folder).snapshot().files[:COPIED_DAYS]
    for file in files:
        duckdb.execute(
            f"COPY (FROM read_parquet('{file.uri}')) TO '{target}' "
            "(FORMAT parquet, COMPRESSION zstd)"
        )
    target.unlink()
    return {"rows": sum(file.rows for file in files)}


def check(folder: Path) -> dict[str, object]:
    """Compare every day with what it was made of, and search for the tokens."""
    people = json.loads((folder / "people.json").read_text("utf-8"))
    root = folder / "lake" / "events" / EVENT
    problems: list[str] = []
    removed = kept = scanned = 0
    expected: dict[str, tuple[int, pa.Table]] = {}
    days = sorted(root.glob("event_date=*"))
    sample = {*days[:: max(1, len(days) // SCANNED_DAYS)], days[-1]}
    tokens: dict[str, list[str]] = {}
    for path in days:
        day = date.fromisoformat(path.name.partition("=")[2])
        epoch = epoch_of(day, EpochKind.FOUR_WEEKS)
        origin = str(day) if day == NEWEST else epoch.name
        if epoch.name not in tokens:
            tokens[epoch.name] = _tokens(folder, epoch, people)
        if origin not in expected:
            expected.clear()  # days of one origin follow one another
            rows = pq.read_table(folder / "origin" / f"{origin}.parquet")
            gone = pc.is_in(rows["subject"], value_set=pa.array(tokens[epoch.name]))
            expected[origin] = (pc.sum(gone).as_py(), rows.filter(pc.invert(gone)))
        files = list(path.iterdir())
        there = pa.concat_tables(pq.ParquetFile(file).read() for file in files)
        if not there.equals(expected[origin][1]):
            problems.append(f"{day} differs")
        removed += expected[origin][0]
        kept += there.num_rows
        if path in sample:
            scanned += _scan(path, tokens[epoch.name], problems)
    scanned += _scan(root / "_delta_log", list(chain(*tokens.values())), problems)
    return {
        "removed": removed,
        "kept": kept,
        "scanned": scanned,
        "days_scanned": len(sample),
        "problems": problems,
    }


def _scan(folder: Path, tokens: list[str], problems: list[str]) -> int:
    """Search files as they lie, their pages and dictionaries for tokens, as text and as bytes."""
    forms = [form for token in tokens for form in (token.encode(), bytes.fromhex(token))]
    size = 0
    for content in read_contents(folder):
        size += len(content.data)
        if any(form in content.data for form in forms):
            problems.append(f"a token is in {content.place}")
    return size


def _tokens(folder: Path, epoch: Epoch, people: list[str]) -> list[str]:
    keys = LocalKeystore(
        folder / "state" / "keys", now=lambda: datetime(2026, 11, 12, 3, tzinfo=UTC)
    )
    key = keys.epoch_key(epoch)
    assert key is not None
    return [token.hex() for token in TokenKey(key).tokens(Domain.SUBJECT, people)]


def _table(folder: Path) -> EventTable:
    stored = load_schemas()[EVENT][-1].stored
    return Lake(str(folder / "lake"), state=folder / "state").events(EVENT, stored)


STEPS: dict[str, Callable[..., dict[str, object]]] = {"make": make, "copy": copy, "check": check}

if __name__ == "__main__":
    step, place, *numbers = sys.argv[1:]
    print(json.dumps(STEPS[step](Path(place), *map(int, numbers))))
