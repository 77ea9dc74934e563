"""Every error that is ours, as one tree.

    TelemetryError            exit 1   something failed
    ├── UsageError            exit 2   invalid usage of the command
    ├── SettingsError         exit 3   a setting, schema or catalogue is invalid
    │   └── SchemaError       exit 3
    ├── EnvironmentProblem    exit 3   the machine or a service is not ready
    │   ├── ClockBehind       exit 3   most events are ahead of the machine's clock
    │   ├── TableGone         exit 3   a table that was there is not in the lake any more
    │   └── RegistryUnreachable exit 3 reading goes on when the schema registry answers again
    ├── NothingAccepted       exit 3   a new source holds nothing that can be stored
    ├── PrivacyGateClosed     exit 4   going on could break a privacy promise
    │   ├── OptOutStale       exit 4
    │   │   └── OptOutPaused  exit 4   reading goes on when the list is known again
    │   ├── KeyUnavailable    exit 4   a key is missing, destroyed or not protected
    │   └── WrongInstallation exit 4   the state folder is not that of the lake
    ├── SourceError           exit 1   the input contradicts the stored position
    │   ├── PositionGap       exit 1   messages between position and source are gone
    │   ├── TopicReplaced     exit 1   the topic is not the one that was read
    │   └── DamagedBatch      exit 1   a record batch cannot be read
    ├── ExpiryRefused         exit 1   a guard stopped an expiry before anything was deleted
    └── LakeError             exit 1
        ├── PositionForgotten exit 1   a position that was there is gone: the table was replaced
        ├── PositionConflict  exit 1   another writer moved the position
        ├── RewriteConflict   exit 1   another job rewrote or removed the same files
        ├── OutcomeUnknown    exit 1   whether a commit was made cannot be known now
        └── SliceExpired      exit 1   a slice was staged too long ago

The data's fault is never an exception that leaves a stage: it is a rejection with a `Reason`.
A message says what was expected and names the field, setting or coordinates - never a value.
"""

from __future__ import annotations


class TelemetryError(Exception):
    """An error of ours: what failed, where, why, and what to do next; never a raw value."""

    exit_code = 1
    cures_by_restart = True
    """Whether a worker that ended with it is worth starting again, some times at least. Declared
    where it is first untrue, and inherited: what contradicts settings, machine, promises or
    stored positions will do so again."""
    page = "failed"
    """Anchor in docs/troubleshooting.md that explains the error."""

    def __init__(self, what: str, *, where: str = "", why: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        parts = [self.what]
        if self.where:
            parts.append(f"at {self.where}")
        if self.why:
            parts.append(f"because {self.why}")
        text = " ".join(parts)
        return f"{text}. {self.remedy}" if self.remedy else text

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.where, self.why, self.remedy)


def _rebuild(
    kind: type[TelemetryError], what: str, where: str, why: str, remedy: str
) -> TelemetryError:
    return kind(what, where=where, why=why, remedy=remedy)


class UsageError(TelemetryError):
    """The usage of a command is invalid."""

    exit_code = 2
    cures_by_restart = False
    page = "usage"


class SettingsError(TelemetryError):
    """A setting is unknown, malformed or outside its floor or ceiling."""

    exit_code = 3
    cures_by_restart = False
    page = "settings"


class SchemaError(SettingsError):
    """A schema or catalogue file does not load; the message names file, field and remedy."""

    page = "schema"


class EnvironmentProblem(TelemetryError):
    """A folder, disk, database or service is not ready for the command."""

    exit_code = 3
    cures_by_restart = False
    page = "environment"


class ClockBehind(EnvironmentProblem):
    """Most events of a slice are ahead of this machine's clock, which must be behind."""

    page = "clock-behind"


class TableGone(EnvironmentProblem):
    """A table that the state folder knows is gone from the lake: none is begun in its place."""

    page = "table-gone"


class NothingAccepted(TelemetryError):
    """The first slice of a new source holds nothing acceptable, so nothing was committed."""

    exit_code = 3
    cures_by_restart = False
    page = "nothing-accepted"


class RegistryUnreachable(EnvironmentProblem):
    """The schema registry does not answer now: a run that stays waits, and resumes by itself."""

    page = "registry-unreachable"


class PrivacyGateClosed(TelemetryError):
    """Going on could break a privacy promise, so nothing was read."""

    exit_code = 4
    cures_by_restart = False
    page = "privacy-gate"


class OptOutStale(PrivacyGateClosed):
    """The opt-out list is missing, unreadable or older than its limit."""

    page = "opt-out-stale"


class OptOutPaused(OptOutStale):
    """The opt-out list cannot be known right now: a run that stays waits, and resumes by itself."""


class KeyUnavailable(PrivacyGateClosed):
    """A key that is needed is missing, destroyed, malformed or not protected."""

    page = "key-unavailable"


class WrongInstallation(PrivacyGateClosed):
    """The state folder is not the one that the lake was written with: its keys are others."""

    page = "wrong-installation"


class SourceError(TelemetryError):
    """The input contradicts the position that the lake has stored for it."""

    cures_by_restart = False
    page = "source"


class PositionGap(SourceError):
    """Messages between the stored position and what the source still holds are gone."""

    page = "position-gap"


class TopicReplaced(SourceError):
    """The topic is another one than the lake has read, or has lost messages that the lake has."""

    page = "topic-replaced"


class DamagedBatch(SourceError):
    """A record batch of a topic is damaged; what came before it is stored."""

    page = "damaged-batch"


class ExpiryRefused(TelemetryError):
    """A guard of `telemetry expire` stopped it before anything was deleted."""

    page = "expiry-refused"


class LakeError(TelemetryError):
    """The lake could not be read or written; nothing half-written is visible."""

    page = "lake"


class PositionForgotten(LakeError):
    """A position that this process has seen is gone: the table was removed or replaced."""

    cures_by_restart = False
    page = "position-forgotten"


class PositionConflict(LakeError):
    """Another writer moved the position: discard the slice and start again from the lake."""

    page = "position-conflict"


class RewriteConflict(LakeError):
    """Another job rewrote or removed the same files: look at the table again, then retry."""

    page = "rewrite-conflict"


class OutcomeUnknown(LakeError):
    """Whether a commit was made cannot be known now: nothing is removed, the log will tell."""

    page = "outcome-unknown"


class SliceExpired(LakeError):
    """A slice was staged so long ago that its files may have been swept: discard it."""

    page = "slice-expired"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, for messages.

    >>> counted(1, "file"), counted(2_000, "file"), counted(0, "day")
    ('1 file', '2,000 files', '0 days')
    """
    plural = f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"
