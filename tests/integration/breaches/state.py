"""The state folder: names, modes, lines, keys; and the rows of those who asked to be removed."""

from __future__ import annotations

import json
import os
import re
import shutil
from datetime import UTC, datetime, timedelta

from pipeline.io.keys.local import LocalKeystore
from pipeline.io.rights.optout_list import OptOutFile
from pipeline.io.rights.request_queue import RequestKind, RequestQueue, account_tokens
from pipeline.privacy.identity.epochs import EpochKind
from tests.integration.breaches.planting import (
    ADDRESS,
    EMAIL,
    Copy,
    append_line,
    breach,
    change_lines,
    put,
    set_first,
)

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIVE = "4weeks-0037"


@breach("P18", "state_private", "state: open to others")
def a_state_folder_that_is_open(it: Copy) -> None:
    it.state.chmod(0o755)


@breach("P18", "state_private", "state/optout.ndjson: open to others")
def a_list_that_others_may_read(it: Copy) -> None:
    (it.state / "optout.ndjson").chmod(0o644)


@breach("P18", "state_private", "state/keys: open to others")
def a_folder_of_keys_that_is_open(it: Copy) -> None:
    (it.state / "keys").chmod(0o750)


@breach("P18", "state_private", "state/writers/.recovery: open to others")
def a_lock_that_others_may_write(it: Copy) -> None:
    (it.state / "writers" / ".recovery").chmod(0o666)


@breach("P18", "state_private", "state/exports", "open to others")
def an_export_that_everybody_may_read(it: Copy) -> None:
    (export,) = (it.state / "exports").iterdir()
    (export / "api_request.csv").chmod(0o644)


@breach("P18", "known_places", "state/exports", "no rule names")
def a_letter_in_an_export(it: Copy) -> None:
    (export,) = (it.state / "exports").iterdir()
    put(export / "letter.txt")


@breach("P18", "known_places", "state/input.ndjson", "no rule names")
def raw_events_in_the_state_folder(it: Copy) -> None:
    day = min((it.folder / "input" / "session").iterdir())
    shutil.copy(day, it.state / "input.ndjson")


@breach("P18", "known_places", "state/.optout.ndjson.bak", "no rule names")
def a_hidden_copy_of_the_list(it: Copy) -> None:
    shutil.copy(it.state / "optout.ndjson", it.state / ".optout.ndjson.bak")


@breach("P18", "known_places", "state/claims", "no rule names")
def a_claim_named_after_a_file(it: Copy) -> None:
    put(it.state / "claims" / f"/home/{EMAIL}".replace("/", "_"))


@breach("P18", "known_places", "state/keys/old", "a folder that no rule names")
def a_folder_of_old_keys(it: Copy) -> None:
    shutil.copytree(it.state / "keys", it.state / "keys" / "old")


@breach("P18", "known_places", "never finished")
def a_list_that_was_half_replaced(it: Copy) -> None:
    put(it.state / ".optout.ndjson.0123abcd.tmp")


@breach("P18", "known_places", "state/spill", "killed job")
def rows_that_a_killed_job_spilled(it: Copy) -> None:
    put(it.state / "spill" / "0123456789ab" / "duckdb_temp_storage-0.tmp")
    (it.state / "spill").chmod(0o700)
    (it.state / "spill" / "0123456789ab").chmod(0o700)


@breach("P18", "known_places", "state/requests.ndjson", "a link where a file belongs")
def a_link_in_place_of_the_queue(it: Copy) -> None:
    (it.state / "requests.ndjson").rename(it.folder / "requests.ndjson")
    (it.state / "requests.ndjson").symlink_to(it.folder / "requests.ndjson")


@breach("P18", "state_closed", "state/optout.ndjson", "token")
def an_email_in_the_opt_out_list(it: Copy) -> None:
    change_lines(it, "optout.ndjson", lambda one: one.update(token=EMAIL))


@breach("P18", "state_closed", "state/optout.ndjson", "a key that is not declared")
def a_note_in_the_opt_out_list(it: Copy) -> None:
    change_lines(it, "optout.ndjson", lambda one: one.update(note=EMAIL))


@breach("P18", "state_closed", "state/requests.ndjson", "account")
def an_account_id_in_a_request(it: Copy) -> None:
    change_lines(it, "requests.ndjson", lambda one: one.update(account="acct_alice.smith"))


@breach("P18", "state_closed", "state/requests.ndjson", "subjects")
def an_account_id_among_the_tokens(it: Copy) -> None:
    change_lines(it, "requests.ndjson", lambda one: one["subjects"].update({LIVE: EMAIL}))


@breach("P18", "state_closed", "state/requests.ndjson", "a key that is not declared")
def an_email_beside_a_request(it: Copy) -> None:
    change_lines(it, "requests.ndjson", lambda one: one.update(email=EMAIL))


@breach("P18", "state_closed", "state/requests.ndjson", "not a line of this file")
def a_line_that_is_no_request(it: Copy) -> None:
    append_line(it, "requests.ndjson", f"please erase {EMAIL}")


@breach("P18", "state_closed", "state/holds.ndjson", "reason", "e-mail")
def an_email_in_the_reason_of_a_hold(it: Copy) -> None:
    change_lines(it, "holds.ndjson", lambda one: one.update(reason=f"the case of {EMAIL}"))


@breach("P18", "state_closed", "state/holds.ndjson", "owner", "address")
def an_address_as_the_owner_of_a_hold(it: Copy) -> None:
    change_lines(it, "holds.ndjson", lambda one: one.update(owner=ADDRESS))


@breach("P18", "state_closed", "state/receipts.ndjson", "body")
def an_email_in_a_receipt(it: Copy) -> None:
    change_lines(it, "receipts.ndjson", lambda one: one["body"].update(who=EMAIL))


@breach("P18", "state_closed", "state/receipts.ndjson", "body.requests")
def an_account_in_a_receipt(it: Copy) -> None:
    change_lines(it, "receipts.ndjson", lambda one: one["body"].update(requests=[EMAIL]))


@breach("P18", "state_closed", "state/.rights.lock", "not what this file may hold")
def a_note_in_a_lock(it: Copy) -> None:
    (it.state / ".rights.lock").write_text(EMAIL)


@breach("P18", "state_closed", "state/claims", "not what this file may hold")
def a_path_in_a_claim(it: Copy) -> None:
    next((it.state / "claims").iterdir()).write_text(f"/home/{EMAIL}/events.ndjson")


@breach("P18", "state_closed", "state/keys/index.json", "a key that is not declared")
def an_email_in_the_index_of_keys(it: Copy) -> None:
    index = it.state / "keys" / "index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"owner": EMAIL}))


@breach("P20", "keys_sound", "not list as live")
def a_key_that_the_index_does_not_list(it: Copy) -> None:
    put(it.state / "keys" / "epoch-4weeks-0009.key", os.urandom(32))


@breach("P20", "keys_sound", "weak, not random")
def a_key_of_zeros(it: Copy) -> None:
    (it.state / "keys" / f"epoch-{LIVE}.key").write_bytes(bytes(32))


@breach("P20", "keys_sound", "the same as")
def one_key_twice(it: Copy) -> None:
    keys = it.state / "keys"
    (keys / "optout.key").write_bytes((keys / "files.key").read_bytes())


@breach("P20", "keys_sound", f"epoch-{LIVE}.key")
def a_short_key(it: Copy) -> None:
    (it.state / "keys" / f"epoch-{LIVE}.key").write_bytes(b"short")


@breach("P20", "keys_sound", f"epoch-{LIVE}.key")
def a_key_that_is_gone(it: Copy) -> None:
    (it.state / "keys" / f"epoch-{LIVE}.key").unlink()


@breach("P08", "receipts_chained", "line")
def the_last_receipt_is_gone(it: Copy) -> None:
    path = it.state / "receipts.ndjson"
    path.write_bytes(b"\n".join(path.read_bytes().splitlines()[:-1]) + b"\n")


@breach("P08", "receipts_chained", "the line was changed")
def a_receipt_that_was_changed(it: Copy) -> None:
    path = it.state / "receipts.ndjson"
    text = path.read_text()
    assert re.search(r'"rows_removed":[1-9]', text)
    path.write_text(re.sub(r'"rows_removed":\d+', '"rows_removed":0', text))


@breach("P08", "receipts_complete", "in no receipt")
def no_receipts_at_all(it: Copy) -> None:
    for path in it.state.glob("*receipts.ndjson*"):
        path.unlink()


@breach("P10", "optout_list_known", "optout.ndjson")
def a_list_that_is_gone(it: Copy) -> None:
    (it.state / "optout.ndjson").unlink()


@breach("P10", "optout_list_known", "optout.ndjson")
def a_list_that_is_gone_with_its_marker(it: Copy) -> None:
    (it.state / "optout.ndjson").unlink()
    (it.state / ".optout.ndjson.created").unlink()


@breach("P10", "optout_list_known", "optout.ndjson")
def a_list_that_cannot_be_read(it: Copy) -> None:
    path = it.state / "optout.ndjson"
    path.write_text(path.read_text().replace('"erased"', '"Erased"', 1))


@breach("P10", "optout_list_known", "optout.ndjson")
def a_tombstone_that_was_crossed_out(it: Copy) -> None:
    path = it.state / "optout.ndjson"
    path.write_text(re.sub(r'"erased":"[^"]*"', '"erased":null', path.read_text()))


@breach("P10", "optout_list_known", "not on the list as erased")
def an_erasure_without_a_tombstone(it: Copy) -> None:
    queue = RequestQueue(it.state / "requests.ndjson")
    before = {one.number for one in queue.all()}
    late(it, RequestKind.ERASE, timedelta(days=1))
    queue.sweep([one.number for one in queue.all() if one.number not in before], AT)


def token_of(it: Copy, kind: RequestKind) -> str:
    """The live token of an account with a request of this kind that was carried out."""
    queue = RequestQueue(it.state / "requests.ndjson").pending()
    chosen = [one for one in queue if one.kind is kind and one.swept_at is not None]
    return chosen[0].tokens.subjects[LIVE]


@breach("P08", "erased_rows_gone", "events/api_request", "an erased account")
def a_row_of_an_erased_account(it: Copy) -> None:
    set_first(it.parts()[-1], "subject", token_of(it, RequestKind.ERASE))


@breach("P08", "erased_rows_gone", "events/session", "an erased account")
def a_session_of_an_erased_account(it: Copy) -> None:
    set_first(it.parts("events/session", "final")[-1], "subject", token_of(it, RequestKind.ERASE))


@breach("P08", "erased_rows_gone", "restricted/api_request", "an erased account")
def an_erased_account_among_restricted_rows(it: Copy) -> None:
    part = it.parts("restricted/api_request")[-1]
    set_first(part, "subject", token_of(it, RequestKind.ERASE))


@breach("P08", "erased_rows_gone", "part-" + "0" * 12, "an erased account")
def an_erased_account_in_a_file_without_a_name_in_the_log(it: Copy) -> None:
    part = it.parts()[-1]
    orphan = part.with_name(f"part-{'0' * 12}-{'0' * 32}.parquet")
    shutil.copy(part, orphan)
    set_first(orphan, "subject", token_of(it, RequestKind.ERASE))


@breach("P10", "purged_rows_gone", "events/api_request", "opted out")
def a_row_of_an_account_that_opted_out(it: Copy) -> None:
    set_first(it.parts()[-1], "subject", token_of(it, RequestKind.PURGE))


@breach("P13", "restricted_rows_apart", "events/api_request", "a restricted account")
def a_row_of_a_restricted_account(it: Copy) -> None:
    set_first(it.parts()[-1], "subject", token_of(it, RequestKind.RESTRICT))


def late(it: Copy, kind: RequestKind, age: timedelta) -> None:
    """A request that nobody carried out."""
    keys = LocalKeystore(it.state / "keys", now=lambda: AT)
    optouts = OptOutFile(it.state / "optout.ndjson", keys.permanent_key("optout"))
    people = account_tokens(
        ["somebody"], optouts=optouts, keys=keys, epochs=EpochKind.FOUR_WEEKS, now=AT
    )
    RequestQueue(it.state / "requests.ndjson").submit(kind, people, AT - age)


@breach("P08", "erasures_in_time", "waiting")
def an_erasure_that_nobody_carried_out(it: Copy) -> None:
    late(it, RequestKind.ERASE, timedelta(days=31))


@breach("P15", "children_in_time", "waiting")
def a_child_that_nobody_erased(it: Copy) -> None:
    late(it, RequestKind.ERASE_UNDER_13, timedelta(hours=73))


@breach("P10", "purges_in_time", "waiting")
def a_purge_that_nobody_carried_out(it: Copy) -> None:
    late(it, RequestKind.PURGE, timedelta(days=31))


@breach("P12", "exports_in_time", "waiting")
def an_export_that_nobody_made(it: Copy) -> None:
    late(it, RequestKind.EXPORT, timedelta(days=31))


@breach("P13", "restrictions_in_time", "waiting")
def a_restriction_that_nobody_carried_out(it: Copy) -> None:
    late(it, RequestKind.RESTRICT, timedelta(days=31))
