"""Where keys live: one or two per epoch, and two that stay (`optout`, `files`); never in the lake.

An epoch has the key of its tokens and, where files are encrypted, a data key; both are random, and
both are destroyed together. A key is 32 random bytes in a file of its own, and the index says which
keys exist and which were destroyed. The key file is written before the index names it and removed
after the index calls it destroyed, all under one lock, so a crash at any point leaves either a
usable key or none:

    crash after the key file, before the index   the key was never used; it is made again
    crash after the index, before the removal    the key is destroyed; opening removes the file

A key that is listed but missing stops the pipeline, because a new one would break every join and
every later erasure in silence. Nothing here shows a key, not even in `repr`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Protocol

from pipeline.errors import KeyUnavailable
from pipeline.io.faults import state_faults
from pipeline.io.keyfiles import (
    Signature,
    check_private_folder,
    erase_private,
    read_private,
    signature,
    write_private,
)
from pipeline.io.locks import locked, make_private_folder
from pipeline.privacy.epochs import Epoch

KEY_BYTES = 32
INDEX = "index.json"
PERMANENT = frozenset({"optout", "files"})


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """What the index says of one epoch; times in RFC 3339 UTC."""

    name: str
    last_day: date
    created_at: str
    destroyed_at: str | None = None
    encrypts: bool = False
    """Whether the epoch has (or had) a data key, with which its files are encrypted."""

    @property
    def live(self) -> bool:
        """Whether the epoch's key still exists."""
        return self.destroyed_at is None


class Keystore(Protocol):
    """A place for keys: a local folder, or a cloud secret manager."""

    def epoch_key(self, epoch: Epoch) -> bytes | None:
        """Return an epoch's key, made at first use; None if it is destroyed or beyond retention.

        Raises KeyUnavailable if a key that should exist is missing, malformed or not protected.
        """

    def live_key(self, name: str) -> bytes | None:
        """Return the key of the epoch called `name` if it is live; never make one."""

    def data_key(self, epoch: Epoch) -> bytes | None:
        """Return the key that an epoch's files are encrypted with; otherwise as `epoch_key`."""

    def live_data_key(self, name: str) -> bytes | None:
        """Return the data key of the epoch called `name`; never make one.

        None if the epoch is destroyed or has no data key.
        """

    def permanent_key(self, name: str) -> bytes:
        """Return the key `optout` or `files`, made at first use. Raises KeyUnavailable."""

    def epochs(self) -> tuple[EpochRecord, ...]:
        """Return every epoch that ever had a key, by name."""

    def destroy(self, name: str) -> bool:
        """Destroy an epoch's keys for ever; return whether they were live."""


@dataclass(slots=True)
class _Index:
    permanent: dict[str, str] = field(default_factory=dict)
    epochs: dict[str, EpochRecord] = field(default_factory=dict)


class LocalKeystore:
    """Keys in a folder of this machine: mode 0700, files 0600, owned by whoever runs.

    `now` decides whether an epoch may still get a key: only within the retention.
    """

    def __init__(
        self,
        directory: Path,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        retention_days: int = 90,
    ) -> None:
        self._folder = directory
        self._now = now
        self._retention = timedelta(days=retention_days)
        self._cache: dict[str, tuple[bytes, Signature]] = {}
        with state_faults("The folder of keys could not be opened", str(directory)):
            if not directory.is_symlink():
                make_private_folder(directory)
            check_private_folder(directory)
        with self._index() as index:
            if not self._index_path.exists():
                self._write(index)
            for record in index.epochs.values():
                if not record.live:
                    self._erase(record.name)

    def __repr__(self) -> str:
        return f"LocalKeystore({str(self._folder)!r})"

    def epoch_key(self, epoch: Epoch) -> bytes | None:
        """See `Keystore.epoch_key`. A key that is known costs one `stat`."""
        key = self._cached(_file_name(epoch.name))
        if key is not None:
            return key
        with self._index() as index:
            record = index.epochs.get(epoch.name)
            if record is None:
                if epoch.last_day + self._retention <= self._now().date():
                    return None
                key = self._make(_file_name(epoch.name))
                created = EpochRecord(epoch.name, epoch.last_day, self._timestamp())
                index.epochs[epoch.name] = created
                self._write(index)
                return key
            return self._load(_file_name(epoch.name)) if record.live else None

    def live_key(self, name: str) -> bytes | None:
        """See `Keystore.live_key`."""
        with self._index() as index:
            record = index.epochs.get(name)
            return self._load(_file_name(name)) if record and record.live else None

    def data_key(self, epoch: Epoch) -> bytes | None:
        """See `Keystore.data_key`. A key that is known costs one `stat`."""
        file = data_name(epoch.name)
        key = self._cached(file)
        if key is not None:
            return key
        if self.epoch_key(epoch) is None:
            return None
        with self._index() as index:
            record = index.epochs[epoch.name]
            if not record.live:
                return None
            if record.encrypts:
                return self._load(file)
            key = self._make(file)
            index.epochs[epoch.name] = replace(record, encrypts=True)
            self._write(index)
            return key

    def live_data_key(self, name: str) -> bytes | None:
        """See `Keystore.live_data_key`."""
        key = self._cached(data_name(name))
        if key is not None:
            return key
        with self._index() as index:
            record = index.epochs.get(name)
            usable = record is not None and record.live and record.encrypts
            return self._load(data_name(name)) if usable else None

    def permanent_key(self, name: str) -> bytes:
        """See `Keystore.permanent_key`."""
        if name not in PERMANENT:
            raise KeyUnavailable("There is no such key", where=str(self._folder))
        key = self._cached(name)
        if key is not None:
            return key
        with self._index() as index:
            if name in index.permanent:
                return self._load(name)
            key = self._make(name)
            index.permanent[name] = self._timestamp()
            self._write(index)
            return key

    def epochs(self) -> tuple[EpochRecord, ...]:
        """See `Keystore.epochs`."""
        with self._index() as index:
            return tuple(index.epochs[name] for name in sorted(index.epochs))

    def destroy(self, name: str) -> bool:
        """See `Keystore.destroy`. Safe to repeat; the next opening finishes what a crash left."""
        with self._index() as index:
            record = index.epochs.get(name)
            if record is None or not record.live:
                return False
            index.epochs[name] = replace(record, destroyed_at=self._timestamp())
            self._write(index)
            self._erase(name)
            return True

    def _erase(self, epoch: str) -> None:
        for name in (_file_name(epoch), data_name(epoch)):
            erase_private(self._path(name))
            self._cache.pop(name, None)

    def _cached(self, name: str) -> bytes | None:
        """Return a known key if its file is untouched; otherwise the index has to decide."""
        if name not in self._cache:
            return None
        key, seen = self._cache[name]
        try:
            if signature(self._path(name)) == seen:
                return key
        except FileNotFoundError:
            pass
        del self._cache[name]
        return None

    def _load(self, name: str) -> bytes:
        path = self._path(name)
        try:
            key, seen = read_private(path)
        except FileNotFoundError:
            raise KeyUnavailable(
                "A key that is listed is missing",
                where=str(path),
                remedy="Restore the folder of keys from its backup; a new key would not fit the "
                "stored data.",
            ) from None
        if len(key) != KEY_BYTES:
            raise KeyUnavailable(
                "A key is malformed",
                where=str(path),
                why=f"it is {len(key)} bytes long instead of {KEY_BYTES}",
                remedy="Restore the folder of keys from its backup.",
            )
        self._cache[name] = key, seen
        return key

    def _make(self, name: str) -> bytes:
        write_private(self._path(name), secrets.token_bytes(KEY_BYTES))
        return self._load(name)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.key"

    @property
    def _index_path(self) -> Path:
        return self._folder / INDEX

    def _timestamp(self) -> str:
        return self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @contextmanager
    def _index(self) -> Iterator[_Index]:
        """Hold the folder's lock and yield the index as it is now."""
        with (
            state_faults("The folder of keys could not be used", str(self._folder)),
            locked(self._folder / ".lock"),
        ):
            yield self._read()

    def _read(self) -> _Index:
        try:
            content, _ = read_private(self._index_path)
        except FileNotFoundError:
            if any(self._folder.glob("*.key")):
                raise self._broken("it is missing while there are keys") from None
            return _Index()
        try:
            data = json.loads(content)
            epochs = {
                name: EpochRecord(
                    name,
                    date.fromisoformat(item["last_day"]),
                    item["created"],
                    item["destroyed"],
                    item.get("encrypts", False),
                )
                for name, item in data["epochs"].items()
            }
            return _Index(dict(data["permanent"]), epochs)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self._broken("it is not readable") from None

    def _write(self, index: _Index) -> None:
        epochs = {
            record.name: {
                "last_day": record.last_day.isoformat(),
                "created": record.created_at,
                "destroyed": record.destroyed_at,
                "encrypts": record.encrypts,
            }
            for record in index.epochs.values()
        }
        data = {"permanent": index.permanent, "epochs": epochs}
        write_private(self._index_path, json.dumps(data, indent=1, sort_keys=True).encode())

    def _broken(self, why: str) -> KeyUnavailable:
        return KeyUnavailable(
            "The index of keys cannot be trusted",
            where=str(self._index_path),
            why=why,
            remedy="Restore the folder of keys from its backup.",
        )


def _file_name(epoch: str) -> str:
    return f"epoch-{epoch}"


def data_name(epoch: str) -> str:
    """Return under which name an epoch's data key is kept.

    >>> data_name("4weeks-0037")
    'data-4weeks-0037'
    """
    return f"data-{epoch}"
