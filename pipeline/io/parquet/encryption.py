"""Encrypted files: which ones are, with which key, and the one place where they are opened.

Parquet modular encryption, uniform (footer and all columns), AES-256-GCM, with the data key of the
epoch that the file's day belongs to. The name of the file carries the epoch, which is the label of
the key, and nothing else about it:

    event_date=2026-11-01/part-<writer>-<random>.4weeks-0037.parquet

A name without a label is that of a plain file. So a lake may hold both, whatever the setting says
today, and a reader finds all it needs in the log. The label is no secret: it follows
from the day. It is not in the footer, because pyarrow writes no key metadata for a key that it is
given, and DuckDB reads no file whose label is a prefix of the authenticated data (decision 13).

Not encrypted: rejections, publications and the log, which hold nobody's rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, NoReturn, Protocol

import pyarrow.parquet as pq
import pyarrow.parquet.encryption as modular

from pipeline.errors import KeyUnavailable
from pipeline.privacy.identity.epochs import Epoch, EpochKind, epoch_of

if TYPE_CHECKING:
    from pipeline.io.keys.keystore import EpochRecord

LABEL = r"(?:day|week|4weeks)-[0-9]{4,7}"
"""The name of an epoch, as a regular expression."""

_LABELLED = re.compile(rf"\.(?P<label>{LABEL})\.parquet(?:\.tmp)?$")


class DataKeys(Protocol):
    """What is asked of a keystore; see `pipeline.io.keys.keystore`."""

    def data_key(self, epoch: Epoch) -> bytes | None: ...
    def live_data_key(self, name: str) -> bytes | None: ...
    def epochs(self) -> tuple[EpochRecord, ...]: ...


def label_of(path: str) -> str | None:
    """Return the epoch whose data key a file is encrypted with; None for a plain file.

    >>> label_of("event_date=2026-11-01/part-0123456789ab-00.4weeks-0037.parquet")
    '4weeks-0037'
    >>> label_of("event_date=2026-11-01/part-0123456789ab-00.parquet") is None
    True
    """
    match = _LABELLED.search(path)
    return match and match["label"]


def by_label(paths: Iterable[str]) -> dict[str | None, list[str]]:
    """Return the files of each label; plain ones under None."""
    groups: dict[str | None, list[str]] = {}
    for path in paths:
        groups.setdefault(label_of(path), []).append(path)
    return groups


@dataclass(frozen=True, slots=True)
class Encryption:
    """How the files of a lake are opened, and whether new ones are encrypted. Picklable.

    `keys` opens the keystore when the first encrypted file is met; `kind` is the kind of epoch by
    which new files are encrypted, None where they are written in the clear.
    """

    keys: Callable[[], DataKeys] | None = field(default=None, repr=False)
    kind: EpochKind | None = None
    _opened: list[DataKeys] = field(default_factory=list, repr=False, compare=False)

    def label(self, day: date) -> str | None:
        """Return the label of a new file of `day`; None if it is written in the clear."""
        return None if self.kind is None else epoch_of(day, self.kind).name

    def closing(self, label: str | None) -> pq.FileEncryptionProperties | None:
        """Return what a writer needs to encrypt with this label; the key is made at first use.

        Raises KeyUnavailable if the epoch's key was destroyed or is missing.
        """
        if label is None:
            return None
        key = self._store().data_key(Epoch.parse(label))
        if key is None:
            self._refuse(label, "A file of an ended epoch cannot be written")
        return modular.create_encryption_properties(key)

    def opening(self, path: str) -> pq.FileDecryptionProperties | None:
        """Return what a reader needs to decrypt this file; None for a plain one.

        Raises KeyUnavailable if the key was destroyed, is missing or was never here.
        """
        label = label_of(path)
        if label is None:
            return None
        key = self._store().live_data_key(label)
        if key is None:
            self._refuse(label, "A file cannot be decrypted")
        return modular.create_decryption_properties(key)

    def _store(self) -> DataKeys:
        if self.keys is None:
            raise KeyUnavailable(
                "Files of this lake are encrypted, and the place of the keys was not given",
                remedy="Pass --state, the state folder of the pipeline that writes the lake.",
            )
        if not self._opened:
            self._opened.append(self.keys())
        return self._opened[0]

    def _refuse(self, label: str, what: str) -> NoReturn:
        record = next((one for one in self._store().epochs() if one.name == label), None)
        if record is None:
            why, remedy = "this keystore never had one", "Use the keys of the lake's pipeline."
        elif not record.live:
            why = f"it was destroyed on {(record.destroyed_at or '')[:10]}"
            remedy = "Its rows are beyond their time: `telemetry expire` removes what is left."
        else:
            why = "the epoch has none"
            remedy = "Restore the keys from their backup, or remove the file."
        raise KeyUnavailable(what, where=f"the data key of epoch {label}", why=why, remedy=remedy)


PLAIN = Encryption()
"""Files are written in the clear, and encrypted ones cannot be read."""


@contextmanager
def opened(path: str) -> Iterator[None]:
    """Report an encrypted file that does not open with its key; say nothing about others.

    Raises KeyUnavailable. AES-GCM does not tell a wrong key from a damaged file.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno or label_of(path) is None:
            raise
        raise KeyUnavailable(
            "A file does not open with the key of its epoch",
            where=path,
            why="the key is a different one, or the file is damaged or not encrypted",
            remedy="Restore the keys that belong to this lake, or the file.",
        ) from None
