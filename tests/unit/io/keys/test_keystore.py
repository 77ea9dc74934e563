"""What every keystore promises, wherever its keys are: each store of the registry is asked it all.

Stores that need a client or a server that is not there are asked by `tests/integration/
test_secret_manager.py` and `test_vault.py`, which run this file in a process that has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipeline.errors import KeyUnavailable
from pipeline.io.keys.keystore import KEY_BYTES, Keystore
from pipeline.io.keystores import KINDS
from pipeline.privacy.identity.epochs import Epoch, EpochKind, epoch_of
from tests.unit.io.keys.stores import HERE, NOW, STORES, Clock, Place

EPOCH = epoch_of(NOW.date(), EpochKind.FOUR_WEEKS)
OLD = epoch_of(date(2026, 6, 1), EpochKind.FOUR_WEEKS)
KNOWN_FOR = timedelta(minutes=5)


@pytest.fixture(params=HERE)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        yield STORES[request.param](tmp_path / "keys", Clock(), stack)


def test_every_store_of_the_registry_is_held_to_this() -> None:
    assert set(STORES) == {"local", *(kind.form.partition(":")[0] for kind in KINDS)}


def test_everything_that_a_keystore_promises_is_asked_of_each() -> None:
    promised = {name for name in vars(Keystore) if not name.startswith("_")}
    asked = set(re.findall(r"\.(\w+)\(", Path(__file__).read_text("utf-8")))
    assert promised - asked == set()


def key_of(store: Keystore, epoch: Epoch = EPOCH) -> bytes:
    key = store.epoch_key(epoch)
    assert key is not None
    return key


def test_a_key_is_made_once_and_everybody_gets_the_same(place: Place) -> None:
    first = key_of(place.open())
    assert len(first) == KEY_BYTES
    assert key_of(place.open()) == first
    assert key_of(place.open(), Epoch(EPOCH.kind, EPOCH.index - 1)) != first


def test_permanent_keys_are_separate_and_lasting(place: Place) -> None:
    store = place.open()
    keys = {name: store.permanent_key(name) for name in ("optout", "files")}
    assert keys["optout"] != keys["files"]
    assert {name: place.open().permanent_key(name) for name in keys} == keys
    assert store.epochs() == ()
    with pytest.raises(KeyUnavailable):
        store.permanent_key("../optout")


def test_nothing_shows_a_key(place: Place) -> None:
    store = place.open()
    assert key_of(store).hex() not in repr(store) + str(store) + repr(store.epochs())


def test_an_epoch_beyond_retention_gets_no_key(place: Place) -> None:
    store = place.open()
    assert store.epoch_key(OLD) is None
    assert store.epochs() == ()


def test_looking_at_a_live_key_makes_none(place: Place) -> None:
    store = place.open()
    assert store.live_key(EPOCH.name) is None
    assert store.epochs() == ()
    key = store.epoch_key(EPOCH)
    assert place.open().live_key(EPOCH.name) == key
    store.destroy(EPOCH.name)
    assert place.open().live_key(EPOCH.name) is None


def test_a_destroyed_epoch_is_never_made_again(place: Place) -> None:
    store, other = place.open(), place.open()
    assert key_of(store) == key_of(other)
    assert store.destroy(EPOCH.name)
    assert not store.destroy(EPOCH.name)
    assert not store.destroy("4weeks-9999")
    assert store.epoch_key(EPOCH) is None
    assert place.open().epoch_key(EPOCH) is None
    place.clock.now += KNOWN_FOR
    assert other.epoch_key(EPOCH) is None
    (record,) = store.epochs()
    assert (record.name, record.live, record.last_day) == (EPOCH.name, False, EPOCH.last_day)
    assert record.destroyed_at == "2026-11-24T12:00:00Z"


def test_a_key_that_vanishes_is_noticed_and_not_made_again(place: Place) -> None:
    store = place.open()
    key_of(store)
    store.permanent_key("optout")
    place.lose(f"epoch-{EPOCH.name}")
    place.lose("optout")
    place.clock.now += KNOWN_FOR
    for one in (store, place.open()):
        with pytest.raises(KeyUnavailable, match="listed is missing"):
            one.epoch_key(EPOCH)
        with pytest.raises(KeyUnavailable, match="listed is missing"):
            one.permanent_key("optout")


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33])
def test_a_key_of_another_length_is_refused(place: Place, content: bytes) -> None:
    store = place.open()
    key_of(store)
    place.put(f"epoch-{EPOCH.name}", content)
    place.clock.now += KNOWN_FOR
    for one in (store, place.open()):
        with pytest.raises(KeyUnavailable, match="malformed"):
            one.epoch_key(EPOCH)


def test_those_who_make_the_same_keys_at_once_end_with_the_same_ones(place: Place) -> None:
    last = epoch_of(NOW.date(), EpochKind.DAY).index
    epochs = [Epoch(EpochKind.DAY, last - number) for number in range(6)]

    def make(_: int) -> list[bytes]:
        store = place.open()
        return [*(key_of(store, epoch) for epoch in epochs), store.permanent_key("optout")]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(make, range(4)))
    assert len(set(answers[0])) == 7
    assert all(answer == answers[0] for answer in answers)
    assert len(place.open().epochs()) == 6


def data_key_of(store: Keystore, epoch: Epoch = EPOCH) -> bytes:
    key = store.data_key(epoch)
    assert key is not None
    return key


def test_a_data_key_is_made_once_and_is_another_one_than_the_epochs(place: Place) -> None:
    store = place.open()
    assert store.live_data_key(EPOCH.name) is None
    first = data_key_of(store)
    assert len(first) == KEY_BYTES
    assert data_key_of(place.open()) == place.open().live_data_key(EPOCH.name) == first
    assert first not in (key_of(store), data_key_of(store, Epoch(EPOCH.kind, EPOCH.index - 1)))
    assert [record.encrypts for record in place.open().epochs()] == [True, True]


def test_an_epoch_without_encrypted_files_has_no_data_key(place: Place) -> None:
    store = place.open()
    key_of(store)
    assert store.live_data_key(EPOCH.name) is None
    assert [record.encrypts for record in store.epochs()] == [False]


def test_an_epochs_keys_are_destroyed_together_and_for_ever(place: Place) -> None:
    store = place.open()
    data_key_of(store)
    assert store.destroy(EPOCH.name)
    for again in (store, place.open()):
        assert again.live_data_key(EPOCH.name) is None
        assert again.data_key(EPOCH) is None
        assert again.epoch_key(EPOCH) is None


def test_an_epoch_beyond_the_retention_gets_no_data_key(place: Place) -> None:
    store = place.open()
    assert store.data_key(OLD) is None
    assert store.epochs() == ()


def test_a_data_key_that_is_listed_but_missing_stops_the_work(place: Place) -> None:
    data_key_of(place.open())
    place.lose(f"data-{EPOCH.name}")
    with pytest.raises(KeyUnavailable, match="listed is missing"):
        place.open().live_data_key(EPOCH.name)
    with pytest.raises(KeyUnavailable, match="listed is missing"):
        place.open().data_key(EPOCH)


def test_many_at_once_get_the_same_data_key(place: Place) -> None:
    stores = [place.open() for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(data_key_of, stores))) == 1


def test_an_installation_begins_once_and_keeps_its_id(place: Place) -> None:
    store = place.open()
    assert store.installation() is None
    begun = store.begin()
    assert len(begun) == 16
    assert int(begun, 16) < 2**62
    assert [place.open().begin(), place.open().installation()] == [begun, begun]


def test_a_list_that_was_begun_is_remembered(place: Place) -> None:
    assert place.open().lists() == frozenset()
    for _ in range(2):
        place.open().note_list("optout")
    assert place.open().lists() == {"optout"}


def test_looking_for_a_permanent_key_makes_none(place: Place) -> None:
    assert place.open().live_permanent_key("optout") is None
    made = place.open().permanent_key("optout")
    assert place.open().live_permanent_key("optout") == made
    assert place.open().live_permanent_key("files") is None
