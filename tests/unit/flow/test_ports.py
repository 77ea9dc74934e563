"""Ports travel to other processes, and open nothing on the way."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from functools import partial

from pipeline.events.catalogue import Catalogue
from pipeline.flow.ports import FixedClock, Ports, Seat, utc_now
from pipeline.io.package_data import load_catalogue, load_schemas

AT = datetime(2026, 11, 24, tzinfo=UTC)


def refuse() -> Catalogue:
    raise AssertionError("a port was opened")


def ports() -> Ports:
    closed: partial[Catalogue] = partial(refuse)
    opener: object = closed
    return Ports(
        sources=(),
        schemas=load_schemas,
        catalogue=load_catalogue,
        keys=opener,  # type: ignore[arg-type]
        optout=opener,  # type: ignore[arg-type]
        country=opener,  # type: ignore[arg-type]
        lake=opener,  # type: ignore[arg-type]
        clock=FixedClock(AT),
    )


def test_ports_come_back_from_their_pickle_with_the_same_run() -> None:
    sent = ports()
    back = pickle.loads(pickle.dumps(sent))
    assert back.run_id == sent.run_id
    assert back.clock() == AT
    assert back.seat == Seat(0, 1)


def test_every_run_has_an_id_of_its_own() -> None:
    assert ports().run_id != ports().run_id


def test_the_clock_of_this_machine_is_in_utc() -> None:
    before = datetime.now(UTC)
    assert before <= utc_now() <= datetime.now(UTC)
