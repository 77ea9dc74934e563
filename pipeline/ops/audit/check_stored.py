"""Audit checks based on the one scan of lake, state folder and dashboard.

The scan knows everything that may exist and names the checks that a finding breaks; a check here
says in a sentence what that means for its promise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import chain
from pathlib import Path

from pipeline.errors import counted
from pipeline.io.folder_bytes import tree_contents
from pipeline.io.parquet.encryption import PLAIN, Encryption
from pipeline.io.rights.request_queue import RequestKind
from pipeline.io.tree import LocalTree, Tree, tree_of
from pipeline.ops.audit.audit import (
    Audited,
    Check,
    Observation,
    broken,
    kept,
    not_applicable,
    not_verified,
    unless,
)
from pipeline.ops.audit.identifier_search import search
from pipeline.ops.audit.whole_scan import ERASED, PURGED, RESTRICTED, scan_everything
from pipeline.ops.rights.worker import ERASURES, erasure_targets
from pipeline.ops.scan.published_scan import PAGE_EQUALS
from pipeline.privacy.identity.epochs import epoch_of


def _scanning(name: str, fine: str, otherwise: str) -> Callable[[Audited], Observation]:
    def look(audited: Audited) -> Observation:
        scanned = audited.scanned(scan_everything)
        found = [str(one) for one in scanned.of(name)]
        doubts = [str(one) for one in scanned.doubted(name)]
        if found:
            return broken(otherwise, found)
        if doubts:
            return not_verified("not everything could be examined", doubts)
        return kept(fine.format(files=scanned.files, rows=scanned.rows, texts=scanned.texts))

    return look


def _sought_rows(kinds: frozenset[RequestKind], name: str) -> Callable[[Audited], Observation]:
    look_at = _scanning(name, "no row of theirs in {files} files", "their rows are in the lake")

    def look(audited: Audited) -> Observation:
        seen = look_at(audited)
        mine = [one for one in audited.queue.pending() if one.kind in kinds]
        if not seen.findings and not any(one.swept_at is not None for one in mine):
            return not_applicable("none waits for its second pass, so no token is known")
        return seen

    return look


def _known_places(audited: Audited) -> Observation:
    seen = _scanning(
        "known_places", "nothing but the listed places", "something lies where nothing should"
    )(audited)
    if audited.lake.local:
        root = Path(audited.lake.root).resolve()
        if audited.state.resolve().is_relative_to(root):
            where = f"{audited.state}: the state folder is inside the lake"
            return broken("something lies where nothing should", [where, *seen.evidence])
    return seen


def _restricted_apart(audited: Audited) -> Observation:
    otherwise = "restricted accounts have rows in views"
    seen = _scanning(RESTRICTED, "no row of a restricted account in a view", otherwise)(audited)
    kinds = {one.kind for one in audited.queue.pending() if one.swept_at is not None}
    nobody = RequestKind.RESTRICT not in kinds and not audited.lake.restricted_events()
    return not_applicable("no rows are restricted") if nobody and not seen.findings else seen


def _page_equals(audited: Audited) -> Observation:
    if audited.site is None:
        return not_applicable("no folder of a dashboard was given (--dashboard FOLDER)")
    return _scanning(
        PAGE_EQUALS, "the page is what the publications make", "the page says something else"
    )(audited)


def _keys_of_ended_epochs(audited: Audited) -> Observation:
    keys = audited.keys()
    last = audited.now.date() - timedelta(days=audited.retention_days)
    held = list(audited.holds.days(audited.now.date()))
    live = {record.name for record in keys.epochs() if record.live}
    found = [
        f"epoch {record.name}: its key should be destroyed"
        for record in keys.epochs()
        if record.live and record.last_day < last and not any(map(record.covers, held))
    ]
    for target in erasure_targets(audited.lake):
        days = target.table.snapshot().by_day()
        names = {epoch_of(day, audited.epochs).name for day in days} - live
        found += [f"{target.name}: rows of epoch {epoch}, which has no key" for epoch in names]
    return unless(sorted(found), f"{len(live)} live keys, none too old", "keys and rows disagree")


def _dictionary_attack(audited: Audited) -> Observation:
    if not audited.canaries:
        return not_verified("no identifiers were given to look for (--canaries FILE)")
    lake = audited.lake
    places: list[tuple[Tree, Encryption]] = [(tree_of(lake), lake.encryption)]
    places += [(LocalTree(one), PLAIN) for one in (audited.state, audited.site) if one is not None]
    contents = chain.from_iterable(tree_contents(*place) for place in places)
    searched = search(contents, audited.canaries)
    found = [f"identifier {one.canary} as {one.form} in {one.place}" for one in searched.leaks]
    detail = (
        f"{counted(len(audited.canaries), 'identifier')} and their hashes in "
        f"{counted(searched.files, 'file')}"
    )
    return unless(found, f"{detail}: none found", "identifiers are stored")


_SCANNED = (
    (
        "every_file_read",
        "stored bytes",
        "Every file of lake and state can be read, so everything was looked at.",
        "{files} files read",
        "files could not be read",
    ),
    (
        "declared_columns",
        "stored bytes",
        "Every file has the declared columns, types and metadata, and no other byte.",
        "no undeclared column, no undeclared byte",
        "undeclared columns or metadata are stored",
    ),
    (
        "stored_values",
        "stored bytes",
        "Every value of every column, numbers too, is in its closed set.",
        "{rows} rows, {texts} distinct texts, each one that may be stored",
        "values are stored that may not be",
    ),
    (
        "session_columns",
        "stored bytes",
        "Sessions have the declared columns and values alone.",
        "sessions hold only what is declared",
        "sessions hold something else",
    ),
    (
        "device_classes",
        "stored bytes",
        "Browser, system and device are from closed lists.",
        "only listed families and classes",
        "device values outside of the lists",
    ),
    (
        "no_addresses",
        "stored bytes",
        "No column holds an address; networks are no narrower than the settings say.",
        "no address in any column",
        "addresses are stored",
    ),
    (
        "nothing_expired",
        "listing",
        "No file of a day beyond its retention is listed, whether a commit names it or not.",
        "{files} files, none beyond its day",
        "files are listed whose day should be gone",
    ),
    (
        "no_orphans",
        "listing and log",
        "No file is in the lake unnamed, of whatever age.",
        "every listed file is named by a commit",
        "files that no commit names",
    ),
    (
        "no_old_versions",
        "listing and log",
        "Files that a rewrite replaced are gone.",
        "no removed file is still there",
        "files that commits removed are there",
    ),
    (
        "no_token_statistics",
        "footers and dictionaries",
        "No statistics, index, filter or dictionary of a file says more than its rows.",
        "footers and dictionaries hold no token that no row has",
        "footers or dictionaries repeat tokens",
    ),
    (
        "log_closed",
        "log",
        "Log entries and checkpoints name files, row counts and positions, and nothing else.",
        "every action of every log entry is one of ours",
        "log entries say something else",
    ),
    (
        "tokens_of_one_epoch",
        "stored bytes",
        "No token of one key epoch is stored in another.",
        "no token in two epochs",
        "tokens are stored in two epochs",
    ),
    (
        "state_private",
        "modes",
        "Keys, lists, receipts and exports can be read by their owner alone.",
        "only its owner can look in",
        "others can look in",
    ),
    (
        "state_closed",
        "state folder",
        "Every line of every file of the state folder is one of ours; tokens are tokens.",
        "every line has the form of its file",
        "the state folder holds something else",
    ),
    (
        "publications_closed",
        "publications",
        "Publications say words of the catalogue and the registry alone.",
        "every cell's name and definition is declared",
        "publications say something else",
    ),
)

STORED: Mapping[str, Check] = {
    check.name: check
    for check in (
        *(
            Check(name, subject, sentence, _scanning(name, fine, otherwise))
            for name, subject, sentence, fine, otherwise in _SCANNED
        ),
        Check(
            "known_places",
            "listing",
            "Lake, state folder and dashboard hold nothing but the listed places.",
            _known_places,
        ),
        Check(
            ERASED,
            "stored bytes",
            "No file, named or not, has a row of an account that was erased.",
            _sought_rows(ERASURES, ERASED),
        ),
        Check(
            PURGED,
            "stored bytes",
            "No file, named or not, has a row from before an opt-out.",
            _sought_rows(frozenset({RequestKind.PURGE}), PURGED),
        ),
        Check(
            RESTRICTED,
            "stored bytes",
            "Restricted accounts have no rows where views read.",
            _restricted_apart,
        ),
        Check(
            PAGE_EQUALS,
            "dashboard",
            "The page and its figures are what the publications make, byte by byte.",
            _page_equals,
        ),
        Check(
            "keys_of_ended_epochs",
            "keys and log",
            "Keys of ended epochs are destroyed; every stored epoch has its key.",
            _keys_of_ended_epochs,
        ),
        Check(
            "dictionary_attack",
            "stored bytes",
            "Known identifiers, plain, encoded or hashed, are in no file.",
            _dictionary_attack,
        ),
    )
}
