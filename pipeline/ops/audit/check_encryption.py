"""The audit check of encrypted files: are all of them encrypted, and with the right keys?"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.errors import counted
from pipeline.ops.audit.audit import Audited, Check, Observation, broken, kept, not_applicable
from pipeline.ops.rights.worker import erasure_targets
from pipeline.privacy.identity.epochs import Epoch, epoch_of


def _files_encrypted(audited: Audited) -> Observation:
    """Open every encrypted file; with the setting on, a plain one is a broken promise."""
    plain: list[str] = []
    strange: list[str] = []
    encrypted = 0
    for target in erasure_targets(audited.lake):
        for file in target.table.snapshot().files:
            place = f"{target.name}/{file.path}"
            if file.label is None:
                plain.append(place)
                continue
            encrypted += 1
            if epoch_of(file.day, Epoch.parse(file.label).kind).name != file.label:
                strange.append(f"{place}: encrypted with the key of another epoch than its day's")
            # A plain file under such a name does not open, nor does one with another key.
            target.table.storage.open_part(file.path).close()
    if strange:
        return broken("files outlive their epoch, or end before it", strange)
    if audited.lake.encryption.kind is None:
        if not encrypted:
            return not_applicable("lake.encryption is off: files are in the clear inside")
        return kept(f"off by now; {encrypted} encrypted files, each opens with its epoch's key")
    if plain:
        return broken(f"{counted(len(plain), 'file')} not encrypted: run `telemetry seal`", plain)
    return kept(
        f"{counted(encrypted, 'file')}, each opens with its epoch's data key and no other way"
    )


ENCRYPTION: Mapping[str, Check] = {
    check.name: check
    for check in (
        Check(
            "files_encrypted",
            "stored bytes and log",
            "Where lake.encryption is on, every file of events is encrypted with its epoch's key.",
            _files_encrypted,
        ),
    )
}
