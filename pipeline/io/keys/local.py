"""Keys in a folder of this machine: one file per key, and an index that says which exist.

A key is 32 random bytes in a file of its own. The key file is written before the index names it
and removed after the index calls it destroyed, all under one lock, so a crash at any point leaves
either a usable key or none:

    crash after the key file, before the index   the key was never used; it is generated again
    crash after the index, before the removal    the key is destroyed; opening removes the file

A key that is listed but missing stops the pipeline, because a new one would break every join and
every later erasure silently. Nothing here shows a key, not even in `repr`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pipeline.errors import KeyUnavailable, counted
from pipeline.io.disk.errors import state_faults
from pipeline.io.disk.locks import locked, make_private_folder
from pipeline.io.disk.private import (
    Signature,
    check_private_folder,
    erase_private,
    read_private,
    signature,
    write_private,
)
from pipeline.io.keys.keystore import (
    ID_BITS,
    KEY_BYTES,
    PERMANENT,
    EpochRecord,
    data_name,
    epoch_name,
    new_installation,
)
from pipeline.io.state_folder import KEY_INDEX, KEY_LOCK
from pipeline.parsing import parse_json
from pipeline.privacy.identity.epochs import Epoch


@dataclass(slots=True)
class _Index:
    permanent: dict[str, str] = field(default_factory=dict)
    epochs: dict[str, EpochRecord] = field(default_factory=dict)
    installation: str | None = None
    lists: dict[str, str] = field(default_factory=dict)


class LocalKeystore:
    """Keys in a folder of this machine: mode 0700, files 0600, owned by the user running this.

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
        key = self._cached(epoch_name(epoch.name))
        if key is not None:
            return key
        with self._index() as index:
            record = index.epochs.get(epoch.name)
            if record is None:
                if epoch.last_day + self._retention <= self._now().date():
                    return None
                key = self._make(epoch_name(epoch.name))
                created = EpochRecord(epoch.name, epoch.last_day, self._timestamp())
                index.epochs[epoch.name] = created
                self._write(index)
                return key
            return self._load(epoch_name(epoch.name)) if record.live else None

    def live_key(self, name: str) -> bytes | None:
        """See `Keystore.live_key`."""
        with self._index() as index:
            record = index.epochs.get(name)
            return self._load(epoch_name(name)) if record and record.live else None

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

    def live_permanent_key(self, name: str) -> bytes | None:
        """See `Keystore.live_permanent_key`."""
        with self._index() as index:
            return self._load(name) if name in index.permanent else None

    def installation(self) -> str | None:
        """See `Keystore.installation`."""
        with self._index() as index:
            return index.installation

    def begin(self) -> str:
        """See `Keystore.begin`."""
        with self._index() as index:
            if index.installation is None:
                index.installation = new_installation(secrets.randbits(ID_BITS))
                self._write(index)
            return index.installation

    def lists(self) -> frozenset[str]:
        """See `Keystore.lists`."""
        with self._index() as index:
            return frozenset(index.lists)

    def note_list(self, name: str) -> None:
        """See `Keystore.note_list`."""
        with self._index() as index:
            if name not in index.lists:
                index.lists[name] = self._timestamp()
                self._write(index)

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
        for name in (epoch_name(epoch), data_name(epoch)):
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
                why=f"it is {counted(len(key), 'byte')} long instead of {KEY_BYTES}",
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
        return self._folder / KEY_INDEX

    def _timestamp(self) -> str:
        return self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @contextmanager
    def _index(self) -> Iterator[_Index]:
        """Hold the folder's lock and yield the index as it is now."""
        with (
            state_faults("The folder of keys could not be used", str(self._folder)),
            locked(self._folder / KEY_LOCK),
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
            data = parse_json(content)
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
            # Version 0.1 knew neither installations nor lists.
            lists = dict(data.get("lists", {}))
            return _Index(dict(data["permanent"]), epochs, data.get("installation"), lists)
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
        data = {
            "permanent": index.permanent,
            "epochs": epochs,
            "installation": index.installation,
            "lists": index.lists,
        }
        write_private(self._index_path, json.dumps(data, indent=1, sort_keys=True).encode())

    def _broken(self, why: str) -> KeyUnavailable:
        return KeyUnavailable(
            "The index of keys cannot be trusted",
            where=str(self._index_path),
            why=why,
            remedy="Restore the folder of keys from its backup.",
        )
