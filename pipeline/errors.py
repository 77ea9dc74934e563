"""Every error that is ours, as one tree.

    TelemetryError            exit 1   something failed
    ├── UsageError            exit 2   the command's words are off
    ├── SettingsError         exit 3   a setting, schema or catalogue is off
    │   └── SchemaError       exit 3
    ├── EnvironmentProblem    exit 3   the machine or a service is not as needed
    ├── PrivacyGateClosed     exit 4   going on could break a privacy promise
    │   ├── OptOutStale       exit 4
    │   │   └── OptOutPaused  exit 4   retry: reading goes on when the list is known again
    │   └── KeyUnavailable    exit 4   a key is missing, destroyed or not protected
    ├── SourceError           exit 1   the input contradicts the stored position
    │   └── PositionGap       exit 1   messages between position and source are gone
    ├── ExpiryRefused         exit 1   a guard stopped an expiry before anything was deleted
    └── LakeError             exit 1
        ├── PositionConflict  exit 1   retry: another writer moved the position
        ├── RewriteConflict   exit 1   retry: another job rewrote or removed the same files
        └── SliceExpired      exit 1   retry: a slice was staged too long ago

The data's fault is never an exception that leaves a stage: it is a rejection with a `Reason`.
A message says what was expected and names the field, setting or coordinates - never a value.
"""

from __future__ import annotations


class TelemetryError(Exception):
    """An error of ours: what failed, where, why, and what to do next; never a raw value."""

    exit_code = 1
    retry = False
    """Whether doing the same again can succeed without anybody's help."""
    page = "failed"
    """Anchor in docs/operations.md that explains the error."""

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
    """The command's words do not fit together."""

    exit_code = 2
    page = "usage"


class SettingsError(TelemetryError):
    """A setting is unknown, malformed or outside its floor or ceiling."""

    exit_code = 3
    page = "settings"


class SchemaError(SettingsError):
    """A schema or catalogue file does not load; the message names file, field and remedy."""

    page = "schema"


class EnvironmentProblem(TelemetryError):
    """A folder, disk, database or service is not as the command needs it."""

    exit_code = 3
    page = "environment"


class PrivacyGateClosed(TelemetryError):
    """Going on could break a privacy promise, so nothing was read."""

    exit_code = 4
    page = "privacy-gate"


class OptOutStale(PrivacyGateClosed):
    """The opt-out list is missing, unreadable or older than its limit."""

    page = "opt-out-stale"


class OptOutPaused(OptOutStale):
    """The opt-out list cannot be known right now: a run that stays waits, and resumes by itself."""

    retry = True


class KeyUnavailable(PrivacyGateClosed):
    """A key that is needed is missing, destroyed, malformed or not protected."""

    page = "key-unavailable"


class SourceError(TelemetryError):
    """The input contradicts the position that the lake has stored for it."""

    page = "source"


class PositionGap(SourceError):
    """Messages between the stored position and what the source still holds are gone."""

    page = "position-gap"


class ExpiryRefused(TelemetryError):
    """A guard of `telemetry expire` stopped it before anything was deleted."""

    page = "expiry-refused"


class LakeError(TelemetryError):
    """The lake could not be read or written; nothing half-written is visible."""

    page = "lake"


class PositionConflict(LakeError):
    """Another writer moved the position: throw the slice away and start again from the lake."""

    retry = True
    page = "position-conflict"


class RewriteConflict(LakeError):
    """Another job rewrote or removed the same files: look at the table again, then retry."""

    retry = True
    page = "rewrite-conflict"


class SliceExpired(LakeError):
    """A slice was staged so long ago that its files may have been swept: throw it away."""

    retry = True
    page = "slice-expired"
