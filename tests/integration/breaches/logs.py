"""Log entries, checkpoints and the hint to them: content in what should be counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from tests.integration.breaches.planting import (
    EMAIL,
    Copy,
    breach,
    change_entry,
    with_account,
    with_action,
)

LOG = "_delta_log/"


def planted(it: Copy, action: str, values: dict[str, Any], table: str = "events/session") -> None:
    change_entry(with_action(it, action, table), action, lambda one: one.update(values))


@breach("P18", "log_closed", LOG, "add.stats", "a key that is not declared")
def least_and_greatest_tokens_in_an_entry(it: Copy) -> None:
    stats = {"numRecords": 3, "minValues": {"subject": "0" * 32}, "maxValues": {}}
    planted(it, "add", {"stats": json.dumps(stats)})


@breach("P18", "log_closed", LOG, "add.stats")
def a_null_count_in_an_entry(it: Copy) -> None:
    planted(it, "add", {"stats": json.dumps({"numRecords": 3, "nullCount": {"subject": 1}})})


@breach("P18", "log_closed", LOG, "add.tags")
def an_email_in_tags(it: Copy) -> None:
    planted(it, "add", {"tags": {"owner": EMAIL}})


@breach("P18", "log_closed", LOG, "add.path")
def a_path_named_after_somebody(it: Copy) -> None:
    planted(it, "add", {"path": f"event_date=2026-11-24/{EMAIL}.parquet"})


@breach("P18", "log_closed", LOG, "add.partitionValues")
def an_email_as_a_partition(it: Copy) -> None:
    planted(it, "add", {"partitionValues": {"event_date": EMAIL}})


@breach("P18", "log_closed", LOG, "a key that is not declared")
def a_field_more_in_an_action(it: Copy) -> None:
    planted(it, "add", {"subjects": ["0" * 32]})


@breach("P18", "log_closed", LOG, "not one of the actions")
def an_action_of_somebody_else(it: Copy) -> None:
    with it.log().open("a") as file:
        file.write("\n" + json.dumps({"cdc": {"path": EMAIL}}) + "\n")


@breach("P18", "log_closed", LOG, "not a JSON document")
def a_line_that_is_no_action(it: Copy) -> None:
    with (it.lake / "rejections" / LOG / "00000000000000000000.json").open("a") as file:
        file.write(EMAIL + "\n")


@breach("P18", "log_closed", LOG, "not a JSON document")
def a_key_that_is_repeated(it: Copy) -> None:
    entry = with_action(it, "txn", "events/session")
    text = entry.read_text().replace('{"txn":{', '{"txn":{"appId":"' + EMAIL + '",', 1)
    entry.write_text(text)


@breach("P18", "log_closed", LOG, "commitInfo.telemetry")
def an_email_in_the_account_of_a_slice(it: Copy) -> None:
    entry = with_account(it)
    change_entry(entry, "commitInfo", lambda one: one["telemetry"].update(note=EMAIL))


@breach("P18", "log_closed", LOG, "commitInfo.telemetry.dropped")
def an_account_among_the_reasons(it: Copy) -> None:
    entry = with_account(it)
    change_entry(entry, "commitInfo", lambda one: one["telemetry"]["dropped"].update({EMAIL: 1}))


@breach("P18", "log_closed", LOG, "commitInfo.telemetry.job")
def a_job_of_somebody(it: Copy) -> None:
    entry = with_action(it, "remove")
    change_entry(entry, "commitInfo", lambda one: one["telemetry"].update(job=f"erase {EMAIL}"))


@breach("P18", "log_closed", LOG, "commitInfo")
def a_user_in_commit_information(it: Copy) -> None:
    planted(it, "commitInfo", {"userName": EMAIL})


@breach("P18", "log_closed", LOG, "commitInfo.engineInfo")
def an_engine_of_somebody(it: Copy) -> None:
    planted(it, "commitInfo", {"engineInfo": EMAIL})


@breach("P18", "log_closed", LOG, "commitInfo.operationParameters")
def a_predicate_with_a_token(it: Copy) -> None:
    planted(it, "commitInfo", {"operationParameters": {"predicate": f"subject = '{'0' * 32}'"}})


@breach("P18", "log_closed", LOG, "txn.appId")
def a_file_name_as_a_source(it: Copy) -> None:
    planted(it, "txn", {"appId": f"file//home/{EMAIL}/0"})


@breach("P18", "log_closed", LOG, "metaData.description")
def an_email_in_the_description_of_a_table(it: Copy) -> None:
    planted(it, "metaData", {"description": EMAIL})


@breach("P18", "log_closed", LOG, "metaData.configuration")
def statistics_switched_on(it: Copy) -> None:
    entry = with_action(it, "metaData", "events/session")
    key = "delta.dataSkippingNumIndexedCols"
    change_entry(entry, "metaData", lambda one: one["configuration"].update({key: "32"}))


@breach("P18", "log_closed", LOG, "metaData.schemaString")
def a_column_that_only_the_log_has(it: Copy) -> None:
    def change(one: dict[str, Any]) -> None:
        schema = json.loads(one["schemaString"])
        column = {"name": "email", "type": "string", "nullable": True, "metadata": {}}
        schema["fields"].append(column)
        one["schemaString"] = json.dumps(schema)

    change_entry(with_action(it, "metaData", "events/session"), "metaData", change)


@breach("P18", "log_closed", LOG, "metaData.schemaString")
def an_email_in_a_columns_comment(it: Copy) -> None:
    def change(one: dict[str, Any]) -> None:
        schema = json.loads(one["schemaString"])
        schema["fields"][3]["metadata"]["comment"] = EMAIL
        one["schemaString"] = json.dumps(schema)

    change_entry(with_action(it, "metaData", "events/session"), "metaData", change)


@breach("P18", "log_closed", "_last_checkpoint", "a key that is not declared")
def an_email_in_the_hint(it: Copy) -> None:
    DeltaTable(it.lake / "events/session").create_checkpoint()
    hint = it.lake / "events/session" / LOG / "_last_checkpoint"
    hint.write_text(json.dumps(json.loads(hint.read_text()) | {"owner": EMAIL}))


@breach("P18", "log_closed", "checkpoint.parquet", "add.stats")
def statistics_in_a_checkpoint(it: Copy) -> None:
    stats = json.dumps({"numRecords": 1, "minValues": {"subject": "0" * 32}})
    change_checkpoint(it, lambda row: row["add"].update(stats=stats) if row["add"] else None)


@breach("P18", "log_closed", "checkpoint.parquet", "txn.appId")
def an_email_in_a_checkpoint(it: Copy) -> None:
    change_checkpoint(it, lambda row: row["txn"].update(appId=EMAIL) if row["txn"] else None)


@breach("P18", "log_closed", "checkpoint.parquet", "metadata of the file")
def an_email_in_a_checkpoints_footer(it: Copy) -> None:
    change_checkpoint(it, lambda row: None, {"owner": EMAIL})


def checkpoint_of(it: Copy) -> Path:
    """Write a checkpoint of a table, and return it; there may be older ones."""
    DeltaTable(it.lake / "events/session").create_checkpoint()
    return sorted((it.lake / "events/session" / LOG).glob("*.checkpoint.parquet"))[-1]


def change_checkpoint(it: Copy, change: Any, words: dict[str, str] | None = None) -> None:
    """Write a checkpoint of a table, and change its rows."""
    path = checkpoint_of(it)
    table = pq.read_table(path)
    rows = table.to_pylist()
    for row in rows:
        change(row)
    changed = pa.Table.from_pylist(rows, table.schema).replace_schema_metadata(words)
    pq.write_table(changed, path)


@breach("P18", "log_closed", "lake/events/session", "without a log")
def a_log_that_is_gone(it: Copy) -> None:
    for entry in (it.lake / "events/session" / LOG).iterdir():
        entry.unlink()
