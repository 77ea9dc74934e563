"""Read lakes with chdb (ClickHouse in a process); runs in the readers' own environment."""

from __future__ import annotations

import json
import sys
from typing import Any

import chdb


def answer(cell: dict[str, str]) -> dict[str, Any]:
    """Read one event's folder in one way."""
    folder = cell["folder"]
    source = (
        f"deltaLakeLocal('{folder}')"
        if cell["way"] == "deltaLakeLocal"
        else f"file('{folder}/event_date=*/*.parquet', 'Parquet')"
    )
    try:
        text = str(chdb.query(cell["query"].format(source), "JSONCompactEachRow"))
        types = str(chdb.query(f"DESCRIBE {source}", "JSONCompactEachRow"))
    except Exception as error:
        return {"refused": type(error).__name__, "why": str(error)[:2000]}
    rows = [json.loads(line) for line in text.splitlines()]
    return {
        "days": [[day, *map(int, rest)] for day, *rest in rows],
        "types": {line[0]: line[1] for line in map(json.loads, types.splitlines())},
    }


def main() -> None:
    """Answer every cell of standard input."""
    json.dump({name: answer(cell) for name, cell in json.load(sys.stdin).items()}, sys.stdout)


main()
