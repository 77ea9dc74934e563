"""Names, kinds and modes: files and folders that no rule names."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta

from tests.integration.breaches.planting import EMAIL, Copy, breach, put

YOUNG = "part-000000000000-" + "0" * 32


@breach("P18", "known_places", "lake/events.bak", "no rule names")
def a_copy_of_the_events(it: Copy) -> None:
    shutil.copytree(it.lake / "events", it.lake / "events.bak")


@breach("P18", "known_places", "lake/.cache", "no rule names")
def a_hidden_folder_in_the_lake(it: Copy) -> None:
    put(it.lake / ".cache" / "rows.csv")


@breach("P18", "known_places", "lake/notes.txt", "no rule names")
def a_file_at_the_root(it: Copy) -> None:
    put(it.lake / "notes.txt")


@breach("P18", "known_places", "lake/events/rows.parquet", "no rule names")
def rows_beside_the_tables(it: Copy) -> None:
    shutil.copy(it.parts()[0], it.lake / "events" / "rows.parquet")


@breach("P18", "known_places", "lake/events/*", "a folder that no rule names")
def a_table_named_after_somebody(it: Copy) -> None:
    shutil.copytree(it.lake / "events" / "session", it.lake / "events" / EMAIL)


@breach("P18", "known_places", "lake/events/login", "no rule names")
def a_table_that_no_schema_declares(it: Copy) -> None:
    shutil.copytree(it.lake / "events" / "session", it.lake / "events" / "login")


@breach("P18", "known_places", "_delta_log/dump.json", "no rule names")
def a_file_in_the_log_folder(it: Copy) -> None:
    put(it.log().with_name("dump.json"))


@breach("P18", "known_places", "_delta_log/.rows", "no rule names")
def a_hidden_file_in_the_log_folder(it: Copy) -> None:
    put(it.log().with_name(".rows"))


@breach("P18", "known_places", "_delta_log/old", "a folder that no rule names")
def a_folder_in_the_log_folder(it: Copy) -> None:
    put(it.log().parent / "old" / it.log().name, it.log().read_bytes())


@breach("P18", "known_places", "_delta_log/*.crc", "no rule names")
def a_checksum_with_statistics(it: Copy) -> None:
    put(it.log().parent / "00000000000000000000.crc", b"{}")


@breach("P09", "no_orphans", "backup.parquet", "no rule names")
def a_foreign_file_in_a_partition(it: Copy) -> None:
    shutil.copy(it.parts()[0], it.parts()[0].with_name("backup.parquet"))


@breach("P09", "no_orphans", "a folder that no rule names")
def a_folder_in_a_partition(it: Copy) -> None:
    put(it.parts()[0].parent / "more" / "rows.parquet", it.parts()[0].read_bytes())


@breach("P09", "no_orphans", YOUNG, "no commit names it")
def an_old_orphan(it: Copy) -> None:
    orphan = it.parts()[0].with_name(f"{YOUNG}.parquet")
    shutil.copy(it.parts()[0], orphan)
    os.utime(orphan, (0, 0))


@breach("P09", "no_orphans", YOUNG, "no commit names it")
def a_fresh_orphan(it: Copy) -> None:
    shutil.copy(it.parts()[0], it.parts()[0].with_name(f"{YOUNG}.parquet"))


@breach("P09", "no_orphans", YOUNG, "no commit names it")
def an_orphan_from_the_future(it: Copy) -> None:
    orphan = it.parts()[0].with_name(f"{YOUNG}.parquet")
    shutil.copy(it.parts()[0], orphan)
    later = orphan.stat().st_mtime + timedelta(days=3000).total_seconds()
    os.utime(orphan, (later, later))


@breach("P09", "no_orphans", f".{YOUNG}", "no commit names it")
def a_staged_file_of_a_dead_writer(it: Copy) -> None:
    shutil.copy(it.parts()[0], it.parts()[0].with_name(f".{YOUNG}.parquet.tmp"))


@breach("P09", "no_orphans", "lake/restricted/api_request", YOUNG)
def an_orphan_of_restricted_rows(it: Copy) -> None:
    (part,) = it.parts("restricted/api_request")[:1]
    shutil.copy(part, part.with_name(f"{YOUNG}.parquet"))


@breach("P09", "no_orphans", "lake/rejections", YOUNG)
def an_orphan_of_rejections(it: Copy) -> None:
    part = next((it.lake / "rejections").glob("ingest_date=*/*.parquet"))
    shutil.copy(part, part.with_name(f"{YOUNG}.parquet"))


@breach("P09", "no_old_versions", "a commit removed it")
def an_old_version(it: Copy) -> None:
    import json

    removed = [
        json.loads(line)["remove"]["path"]
        for entry in sorted(it.log().parent.glob("*.json"))
        for line in entry.read_text().splitlines()
        if '"remove"' in line
    ]
    shutil.copy(it.parts()[0], it.lake / "events" / "api_request" / removed[-1])


@breach("P05", "nothing_expired", "event_date=2026-08-01", "its day should be gone")
def a_day_that_should_be_gone(it: Copy) -> None:
    put(
        it.lake / "events/api_request/event_date=2026-08-01" / it.parts()[0].name,
        it.parts()[0].read_bytes(),
    )


@breach("P05", "nothing_expired", "event_date=2027-08-01", "its day is yet to come")
def a_day_that_is_yet_to_come(it: Copy) -> None:
    put(
        it.lake / "events/api_request/event_date=2027-08-01" / it.parts()[0].name,
        it.parts()[0].read_bytes(),
    )


@breach("P18", "known_places", "event_date=2026-13-01", "no rule names")
def a_day_that_does_not_exist(it: Copy) -> None:
    (it.lake / "events/api_request/event_date=2026-13-01").mkdir()


@breach("P18", "known_places", "lake/events/api_request", "a link that no rule names")
def a_link_to_a_file(it: Copy) -> None:
    (it.lake / "events/api_request/rows").symlink_to(it.parts()[0])


@breach("P18", "known_places", "a link where a file belongs")
def a_link_in_place_of_a_file(it: Copy) -> None:
    part = it.parts()[0]
    moved = it.folder / "elsewhere.parquet"
    part.rename(moved)
    part.symlink_to(moved)


@breach("P18", "known_places", "lake/events/api_request", "a link where a folder belongs")
def a_link_in_place_of_a_partition(it: Copy) -> None:
    day = it.parts()[0].parent
    day.rename(it.folder / "elsewhere")
    day.symlink_to(it.folder / "elsewhere")


@breach("P18", "known_places", "device, pipe or socket")
def a_pipe(it: Copy) -> None:
    os.mkfifo(it.lake / "events/api_request/pipe")


@breach("P04", "aggregates_gated", "lake/rollups/requests_by_account", "no rule names")
def a_rollup_that_no_registry_declares(it: Copy) -> None:
    rollups = it.lake / "rollups"
    shutil.copytree(rollups / "requests", rollups / "requests_by_account")


@breach("P04", "aggregates_gated", "lake/rollups/requests/rows.parquet", "no rule names")
def rows_of_events_among_publications(it: Copy) -> None:
    shutil.copy(it.parts()[0], it.lake / "rollups" / "requests" / "rows.parquet")


@breach("P18", "known_places", "lake/rollups", "no rule names")
def a_hidden_file_among_publications(it: Copy) -> None:
    put(it.lake / "rollups" / ".draft.json")


@breach("P18", "known_places", "lake/rollups/.manifest.json.77.tmp", "never finished")
def an_unfinished_manifest(it: Copy) -> None:
    put(it.lake / "rollups" / ".manifest.json.77.tmp")


@breach("P18", "state_private", "lake/events", "open to others")
def a_lake_that_everybody_may_change(it: Copy) -> None:
    (it.lake / "events").chmod(0o777)


@breach("P18", "state_private", "lake/events/session", "open to others")
def a_table_that_others_may_read(it: Copy) -> None:
    (it.lake / "events" / "session").chmod(0o755)


@breach("P18", "state_private", "lake/restricted/api_request/_delta_log", "open to others")
def a_log_that_others_may_enter(it: Copy) -> None:
    (it.lake / "restricted" / "api_request" / "_delta_log").chmod(0o751)


@breach("P18", "state_private", "lake/events/session/event_date=2026-11-18", "open to others")
def a_day_that_a_group_may_change(it: Copy) -> None:
    (it.lake / "events" / "session" / "event_date=2026-11-18").chmod(0o770)


@breach("P18", "known_places", "dashboard/rows.parquet", "no rule names")
def rows_beside_the_page(it: Copy) -> None:
    shutil.copy(it.parts()[0], it.site / "rows.parquet")


@breach("P18", "known_places", "dashboard/metrics", "no rule names")
def a_file_of_a_metric_that_does_not_exist(it: Copy) -> None:
    put(it.site / "metrics" / "accounts_by_name.json", b"[]")
