"""Files are encrypted with the keys of every store, and end with them.

Stores that need a client or a server that is not there are asked by `tests/integration/
test_secret_manager.py` and `test_vault.py`.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.errors import KeyUnavailable
from pipeline.io.lake.lake import Lake
from pipeline.io.parquet.encryption import Encryption
from pipeline.privacy.identity.epochs import EpochKind, epoch_of
from tests.unit.io.keys.stores import HERE, STORES, Clock
from tests.unit.io.lakes import DAYS, batch, expected, logged, table_of


@pytest.mark.parametrize("store", HERE)
def test_files_open_with_the_keys_of_each_store_until_these_are_destroyed(
    store: str, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        place = STORES[store](tmp_path / "keys", Clock(), stack)

        def lake() -> Lake:
            encryption = Encryption(place.open, EpochKind.DAY)
            return Lake(str(tmp_path / "lake"), encryption=encryption)

        table_of(lake()).commit(batch(0, 20))
        assert logged(lake()) == expected(0, 20)
        parts = list((tmp_path / "lake" / "events").glob("*/event_date=*/*.parquet"))
        assert {part.read_bytes()[:4] for part in parts} == {b"PARE"}
        place.open().destroy(epoch_of(DAYS[0], EpochKind.DAY).name)
        place.clock.now += timedelta(minutes=5)
        with pytest.raises(KeyUnavailable, match="it was destroyed on 2026"):
            logged(lake())
