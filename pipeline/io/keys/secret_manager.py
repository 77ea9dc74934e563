"""Keys in a cloud's secret manager: one secret per key, and one that lists them.

    <prefix>-epoch-<name>   version 1 is the key, forever; other versions are never read
    <prefix>-data-<name>    the epoch's data key, the same way, where files are encrypted
    <prefix>-<name>         the permanent keys `optout` and `files`, the same way
    <prefix>-index          annotations: which keys exist, which were destroyed, the installation

Version numbers are given by the service, so of several processes that make the same key at once
exactly one writes version 1, and all read it back. The index is changed by compare-and-swap on
its etag. The order of steps is that of the local keystore: a key is made before the index names
it, and is destroyed after the index calls it destroyed; so a crash leaves a usable key, or one
whose destruction the next opening finishes. A key that is listed but missing stops the pipeline.

A process keeps what it knows for five minutes: a key destroyed elsewhere may still be used for
that long, for events that the age limit refuses anyway. The service keeps the audit log of who read
a key. Annotations hold about 230 epochs; the oldest destroyed ones are forgotten before that.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from pipeline.errors import EnvironmentProblem, KeyUnavailable, counted
from pipeline.io.keys.keystore import (
    ID_BITS,
    KEY_BYTES,
    PERMANENT,
    EpochRecord,
    data_name,
    epoch_name,
    new_installation,
)
from pipeline.io.keys.secret_service import NoVersion, SecretService, Unreadable
from pipeline.privacy.identity.epochs import Epoch

KNOWN_FOR = timedelta(minutes=5)
ATTEMPTS = 20
MOST_EPOCHS = 220
FINISHED_WITHIN = timedelta(days=7)
"""Destructions older than that are not followed up again at every opening."""

_INDEX = "index"
_EPOCH, _PERMANENT, _LIST, _INSTALLATION = "epoch.", "permanent.", "list.", "installation"
_ENCRYPTS = "d"
"""The mark of an epoch that has a data key."""


@dataclass(frozen=True, slots=True)
class _Index:
    etag: str
    permanent: Mapping[str, str]
    epochs: Mapping[str, EpochRecord]
    lists: Mapping[str, str]
    installation: str | None


class SecretManagerKeystore:
    """Implements `Keystore` over the secrets of one project whose names begin with a prefix."""

    def __init__(
        self,
        service: SecretService,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        retention_days: int = 90,
    ) -> None:
        self._service, self._now = service, now
        self._retention = timedelta(days=retention_days)
        self._cache: dict[str, tuple[bytes, datetime]] = {}
        since = now() - FINISHED_WITHIN
        for record in self._read().epochs.values():
            if record.destroyed_at and datetime.fromisoformat(record.destroyed_at) >= since:
                # Only the expirer may destroy; any other account leaves it to that one.
                self._destroy(record, if_allowed=True)

    def __repr__(self) -> str:
        return f"SecretManagerKeystore({self._service.path('*')!r})"

    def epoch_key(self, epoch: Epoch) -> bytes | None:
        """See `Keystore.epoch_key`."""
        name = epoch_name(epoch.name)
        key = self._cached(name)
        if key is not None:
            return key
        record = self._read().epochs.get(epoch.name)
        if record is not None:
            return self._load(name) if record.live else None
        if epoch.last_day + self._retention <= self._now().date():
            return None
        key = self._make(name)
        created = EpochRecord(epoch.name, epoch.last_day, self._timestamp())

        def add(index: _Index) -> _Index:
            return replace(index, epochs={epoch.name: created, **index.epochs})

        # Somebody may have made and destroyed the key in between.
        return key if self._change(add).epochs[epoch.name].live else None

    def live_key(self, name: str) -> bytes | None:
        """See `Keystore.live_key`."""
        record = self._read().epochs.get(name)
        return self._load(epoch_name(name)) if record and record.live else None

    def data_key(self, epoch: Epoch) -> bytes | None:
        """See `Keystore.data_key`."""
        key = self._cached(data_name(epoch.name))
        if key is not None:
            return key
        if self.epoch_key(epoch) is None:
            return None
        record = self._read().epochs.get(epoch.name)
        if record is None or not record.live:
            return None
        if record.encrypts:
            return self._load(data_name(epoch.name))
        key = self._make(data_name(epoch.name))

        def mark(index: _Index) -> _Index:
            now = index.epochs.get(epoch.name)
            if now is None:
                return index
            return replace(index, epochs={**index.epochs, epoch.name: replace(now, encrypts=True)})

        marked = self._change(mark).epochs.get(epoch.name)
        if marked is not None and marked.live:
            return key
        # Somebody destroyed the epoch in between, and could not know of this key.
        self._service.destroy_first(data_name(epoch.name), if_allowed=True)
        self._cache.pop(data_name(epoch.name), None)
        return None

    def live_data_key(self, name: str) -> bytes | None:
        """See `Keystore.live_data_key`."""
        key = self._cached(data_name(name))
        if key is not None:
            return key
        record = self._read().epochs.get(name)
        usable = record is not None and record.live and record.encrypts
        return self._load(data_name(name)) if usable else None

    def permanent_key(self, name: str) -> bytes:
        """See `Keystore.permanent_key`."""
        if name not in PERMANENT:
            raise KeyUnavailable("There is no such key", where=self._service.path(name))
        key = self._cached(name)
        if key is not None:
            return key
        if name in self._read().permanent:
            return self._load(name)
        key = self._make(name)
        at = self._timestamp()
        self._change(lambda index: replace(index, permanent={name: at, **index.permanent}))
        return key

    def live_permanent_key(self, name: str) -> bytes | None:
        """See `Keystore.live_permanent_key`."""
        return self._load(name) if name in self._read().permanent else None

    def installation(self) -> str | None:
        """See `Keystore.installation`."""
        return self._read().installation

    def begin(self) -> str:
        """See `Keystore.begin`."""
        mine = new_installation(secrets.randbits(ID_BITS))

        def add(index: _Index) -> _Index:
            return replace(index, installation=index.installation or mine)

        return self._change(add).installation or mine

    def lists(self) -> frozenset[str]:
        """See `Keystore.lists`."""
        return frozenset(self._read().lists)

    def note_list(self, name: str) -> None:
        """See `Keystore.note_list`."""
        at = self._timestamp()
        self._change(lambda index: replace(index, lists={name: at, **index.lists}))

    def epochs(self) -> tuple[EpochRecord, ...]:
        """See `Keystore.epochs`."""
        records = self._read().epochs
        return tuple(records[name] for name in sorted(records))

    def destroy(self, name: str) -> bool:
        """See `Keystore.destroy`. Safe to repeat: a repetition finishes what a crash left."""
        was_live = False
        at = self._timestamp()

        def mark(index: _Index) -> _Index:
            nonlocal was_live
            record = index.epochs.get(name)
            was_live = record is not None and record.live
            if record is None or not record.live:
                return index
            return replace(index, epochs={**index.epochs, name: replace(record, destroyed_at=at)})

        record = self._change(mark).epochs.get(name)
        if record is not None:
            self._destroy(record)
        return was_live

    def _destroy(self, record: EpochRecord, *, if_allowed: bool = False) -> None:
        # A process that died may have made a data key that the index does not know.
        for name in (epoch_name(record.name), data_name(record.name)):
            self._service.destroy_first(name, if_allowed=if_allowed)
            self._cache.pop(name, None)

    def _cached(self, name: str) -> bytes | None:
        key, until = self._cache.get(name, (None, None))
        return key if until is not None and self._now() < until else None

    def _make(self, name: str) -> bytes:
        """Return the key of this name, made now unless another process has just made it."""
        self._service.create(name)
        try:
            return self._first(name)
        except NoVersion:
            self._service.add(name, secrets.token_bytes(KEY_BYTES))
        return self._load(name)

    def _load(self, name: str) -> bytes:
        try:
            return self._first(name)
        except NoVersion:
            raise self._missing(name, "there is no such secret, or it has no version") from None

    def _first(self, name: str) -> bytes:
        try:
            key = self._service.first(name)
        except Unreadable as problem:
            raise self._missing(name, str(problem)) from None
        if len(key) != KEY_BYTES:
            raise KeyUnavailable(
                "A key is malformed",
                where=self._service.path(name),
                why=f"it is {counted(len(key), 'byte')} long instead of {KEY_BYTES}",
                remedy="Somebody else wrote this secret: give the keystore another prefix.",
            )
        self._cache[name] = key, self._now() + KNOWN_FOR
        return key

    def _missing(self, name: str, why: str) -> KeyUnavailable:
        return KeyUnavailable(
            "A key that is listed is missing",
            where=self._service.path(name),
            why=why,
            remedy="Enable or undelete version 1 of the secret, or restore the index as an earlier "
            "version or the service's audit log has it; a new key would not fit the stored data.",
        )

    def _read(self) -> _Index:
        etag, annotations = self._service.annotations(_INDEX)
        permanent: dict[str, str] = {}
        epochs: dict[str, EpochRecord] = {}
        lists: dict[str, str] = {}
        try:
            for name, text in annotations.items():
                if name.startswith(_LIST):
                    lists[name.removeprefix(_LIST)] = text
                elif name.startswith(_PERMANENT):
                    permanent[name.removeprefix(_PERMANENT)] = text
                elif name.startswith(_EPOCH):
                    epoch = name.removeprefix(_EPOCH)
                    last_day, created, destroyed, *marks = text.split(" ")
                    day = date.fromisoformat(last_day)
                    epochs[epoch] = EpochRecord(
                        epoch, day, created, destroyed or None, marks == [_ENCRYPTS]
                    )
        except ValueError:
            raise KeyUnavailable(
                "The index of keys cannot be trusted",
                where=self._service.path(_INDEX),
                why="an annotation is not readable",
                remedy="Restore the annotations; the service's audit log has the earlier ones.",
            ) from None
        return _Index(etag, permanent, epochs, lists, annotations.get(_INSTALLATION))

    def _change(self, change: Callable[[_Index], _Index]) -> _Index:
        """Change the index by compare-and-swap; return the changed index."""
        for _ in range(ATTEMPTS):
            before = self._read()
            if not before.etag:
                self._service.create(_INDEX)
                continue
            after = change(before)
            if after == before or self._service.annotate(_INDEX, before.etag, _annotations(after)):
                return after
        raise EnvironmentProblem(
            "Other processes keep changing the index of keys",
            where=self._service.path(_INDEX),
            remedy="Run again; if it persists, the service's audit log says who it is.",
        )

    def _timestamp(self) -> str:
        return self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _annotations(index: _Index) -> dict[str, str]:
    found = {f"{_PERMANENT}{name}": at for name, at in index.permanent.items()}
    found |= {f"{_LIST}{name}": at for name, at in index.lists.items()}
    if index.installation is not None:
        found[_INSTALLATION] = index.installation
    destroyed = sorted((one for one in index.epochs.values() if not one.live), key=_age)
    forgotten = {one.name for one in destroyed[: max(0, len(index.epochs) - MOST_EPOCHS)]}
    for name, one in index.epochs.items():
        if name not in forgotten:
            mark = f" {_ENCRYPTS}" if one.encrypts else ""
            found[f"{_EPOCH}{name}"] = (
                f"{one.last_day} {one.created_at} {one.destroyed_at or ''}{mark}"
            )
    return found


def _age(record: EpochRecord) -> date:
    return record.last_day
