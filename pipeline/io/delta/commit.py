"""The one call that writes an entry: made, certainly not made, or not known - never guessed.

Every commit of the lake goes through here: appends, seals, erasures, expiries, restrictions,
rejections. What a failed call means is asked of the log (`verdict`).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction
from deltalake.transaction import AddAction, RemoveAction

from pipeline.errors import OutcomeUnknown, TelemetryError
from pipeline.io.delta.append import append
from pipeline.io.delta.entry import DURABLE, LINES, MARK, METADATA_KEY
from pipeline.io.delta.errors import STORAGE_FAULTS, lake_problem
from pipeline.io.delta.log_files import log_files
from pipeline.io.delta.standing import LogState
from pipeline.io.delta.verdict import Intent, Verdict, judge

COMMIT_FAULTS = (*STORAGE_FAULTS, RuntimeError, ValueError)
"""What a call that commits may raise. Anything else, such as an interrupt, leaves all files."""

NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
"""A checkpoint may be relied on only when the entries before it are durable, so we write it."""


class CommitRefused(Exception):
    """Another commit has the version: this one was not made, and no longer can be.

    Stays in this room.
    """


@dataclass(frozen=True, slots=True)
class Target:
    """The table that a commit is for."""

    uri: str
    options: Mapping[str, str] = field(repr=False)
    schema: pa.Schema = field(repr=False)
    partition: str

    @property
    def local(self) -> bool:
        """Whether the table is a folder of this machine."""
        return "://" not in self.uri


def commit(
    target: Target,
    table: LogState,
    actions: Sequence[AddAction | RemoveAction],
    positions: Mapping[str, int],
    account: Mapping[str, object],
    durable: int,
) -> int:
    """Commit as the version after the one that was loaded, and return that version.

    `durable` is the newest version known to be on the disk. Raises CommitRefused if another commit
    has the version; LakeError or EnvironmentProblem if the log was asked and the commit cannot
    have been made; OutcomeUnknown if it may have been: then nothing that it names may be removed.
    """
    intent = _intent(table.version() + 1, actions, positions)
    lines = 1 + len(actions) + len(positions)
    words = {MARK: intent.mark, LINES: lines, DURABLE: durable}
    try:
        write_entry(target, table, actions, positions, {**account, **words})
    except COMMIT_FAULTS as error:
        _ask(target, intent, error)
    return intent.version


def write_entry(
    target: Target,
    table: LogState,
    actions: Sequence[AddAction | RemoveAction],
    positions: Mapping[str, int],
    account: Mapping[str, object],
) -> None:
    """Write the entry: by delta-rs if the whole table was loaded, or else as an append."""
    if isinstance(table, DeltaTable):
        table.create_write_transaction(
            list(actions),
            mode="append",
            schema=target.schema,
            partition_by=[target.partition],
            commit_properties=CommitProperties(
                custom_metadata={METADATA_KEY: dict(account)},
                # A second try under another version would leave two to ask about.
                max_commit_retries=0,
                app_transactions=[Transaction(*item) for item in positions.items()],
            ),
            post_commithook_properties=NO_HOOKS,
        )
        return
    added = [action for action in actions if isinstance(action, AddAction)]
    if len(added) < len(actions):
        raise TypeError("files are removed from a table that was loaded whole")
    append(target.uri, table.version() + 1, target.partition, added, positions, account)


def _ask(target: Target, intent: Intent, error: Exception) -> None:
    """Return if the log shows that a failed call has made its commit; raise otherwise."""
    try:
        verdict = judge(log_files(target.uri, target.options), intent)
        if verdict is Verdict.GONE:
            verdict = _judge_by_files(target, intent)
    except (*STORAGE_FAULTS, TelemetryError):
        _unknown(target, "the log could not be asked", error)
    match verdict:
        case Verdict.MADE:
            return
        case Verdict.TAKEN:
            raise CommitRefused from None
        case Verdict.GONE:
            _unknown(target, "its entry is not in the log any more", error)
        case Verdict.ABSENT if not target.local:
            _unknown(target, "the log does not show it, but it may still arrive", error)
    if isinstance(error, FileNotFoundError) or "not found" in str(error):
        # Another process wrote a checkpoint and cleaned away what delta-rs was looking at.
        raise CommitRefused from None
    raise lake_problem(error, "The lake did not take a commit", target.uri) from None


def _judge_by_files(target: Target, intent: Intent) -> Verdict:
    table = DeltaTable(target.uri, storage_options=dict(target.options))
    named = set(pa.table(table.get_add_actions())["path"].to_pylist())
    made = bool(intent.added) and intent.added <= named
    return Verdict.MADE if made else Verdict.GONE


def _unknown(target: Target, why: str, error: BaseException) -> NoReturn:
    raise OutcomeUnknown(
        "It is not known whether a commit was made",
        where=target.uri,
        why=f"the storage answered {type(error).__name__}, and {why}",
        remedy="Nothing was removed. Check the storage, then run again: the log decides, and "
        "what it does not name is swept later.",
    ) from None


def _intent(
    version: int, actions: Sequence[AddAction | RemoveAction], positions: Mapping[str, int]
) -> Intent:
    added = frozenset(action.path for action in actions if isinstance(action, AddAction))
    removed = frozenset(action.path for action in actions if isinstance(action, RemoveAction))
    return Intent(version, secrets.token_hex(8), added, removed, positions)
