"""Samples are recognised as what they are."""

from __future__ import annotations

import json

import pytest

from pipeline.events.formats.guess import Fit, best_fit, recognise
from pipeline.events.formats.record import Refusal
from pipeline.events.model import Reason
from tests.formats.files import FORMATS, SCHEMAS, file_of


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_file_is_recognised(name: str) -> None:
    best = recognise(file_of(name, 60, malformed=0.02).lines, FORMATS.values(), SCHEMAS)[0]
    # Where nginx writes "combined" it writes what Apache does, and "main" has a field more.
    assert best.name == name.replace("apache_combined", "nginx_combined")
    assert best.share > 0.9


def test_an_envelope_is_recognised() -> None:
    plain = file_of("nginx_combined", 20, malformed=0).lines
    cri = [b"2026-05-01T00:00:00Z stdout F " + line for line in plain]
    docker = [json.dumps({"log": f"{one.decode()}\n", "stream": "stdout"}) for one in plain]
    compact = [one.replace('": "', '":"').encode() for one in docker]
    for lines, envelope in ((plain, "none"), (cri, "cri"), (compact, "docker")):
        best = recognise(lines, FORMATS.values(), SCHEMAS)[0]
        assert (best.name, best.format.envelope) == ("nginx_combined", envelope)
        assert best.share == 1
    fit = best_fit(cri, FORMATS.values(), SCHEMAS)
    assert fit is not None
    assert fit.options == "--format nginx_combined --envelope cri"


def test_the_own_json_of_an_event_is_recognised_beside_the_formats() -> None:
    one = {"event": "feature_use", "version": 1, "event_id": "e", "feature": "f"}
    own = json.dumps({**one, "occurred_at": "2026-05-01T00:00:00Z"}).encode()
    fit = best_fit([own, own, b"canary"], FORMATS.values(), SCHEMAS)
    assert fit == Fit("feature_use", 2 / 3)
    assert fit.options == "--event feature_use"
    assert best_fit([own, b"canary", b"canary"], FORMATS.values(), SCHEMAS) is None


def test_lines_that_nobody_knows_fit_nothing_and_say_why() -> None:
    guesses = recognise([b"canary", b"{}"], FORMATS.values(), SCHEMAS)
    assert {guess.share for guess in guesses} == {0}
    json_one = next(guess for guess in guesses if guess.format.name == "caddy")
    assert json_one.reasons == {
        Refusal(Reason.NOT_JSON): 1,
        Refusal(Reason.MISSING_FIELD, "occurred_at"): 1,
    }
    assert "canary" not in repr(guesses)
    assert recognise([], FORMATS.values(), SCHEMAS)[0].share == 0
