"""Writes the entry of an append into a local log, as delta-rs does, but without its table.

delta-rs works out again what the whole table holds, before and after each commit: two microseconds
for every file. An entry that only names new files and positions needs none of that. It is written
under a hidden name and then linked to its own, which fails if another commit has it.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from deltalake import __version__
from deltalake.transaction import AddAction

from pipeline.io.delta.entry import METADATA_KEY
from pipeline.io.delta.log_files import LOG_FOLDER, entry_name

WRITER = f"py-{__version__}"


def append(
    table: str,
    version: int,
    partition: str,
    added: Sequence[AddAction],
    positions: Mapping[str, int],
    account: Mapping[str, object],
) -> None:
    """Write entry `version` of the log of a table in a local folder.

    Raises FileExistsError if another commit has that version, OSError if the disk fails.
    """
    lines = [_information(partition, account), *_additions(added), *_positions(positions)]
    content = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    folder = Path(table) / LOG_FOLDER
    hidden = folder / f"_commit_{secrets.token_hex(16)}.json.tmp"
    try:
        with hidden.open("xb") as file:
            file.write(content.encode())
        os.link(hidden, folder / entry_name(version))
    finally:
        with suppress(OSError):
            hidden.unlink()


def _information(partition: str, account: Mapping[str, object]) -> dict[str, object]:
    return {
        "commitInfo": {
            "timestamp": time.time_ns() // 1_000_000,
            "operation": "WRITE",
            "operationParameters": {"mode": "Append", "partitionBy": json.dumps([partition])},
            "engineInfo": f"delta-rs:{WRITER}",
            METADATA_KEY: account,
            "clientVersion": f"delta-rs.{WRITER}",
        }
    }


def _additions(added: Sequence[AddAction]) -> Iterator[dict[str, object]]:
    for action in added:
        yield {
            "add": {
                "path": action.path,
                "partitionValues": dict(action.partition_values),
                "size": action.size,
                "modificationTime": action.modification_time,
                "dataChange": action.data_change,
                "stats": action.stats,
            }
        }


def _positions(positions: Mapping[str, int]) -> Iterator[dict[str, object]]:
    for app_id, number in positions.items():
        yield {"txn": {"appId": app_id, "version": number}}
