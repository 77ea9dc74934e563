"""What `telemetry doctor` finds out about a registry, and what it advises."""

from __future__ import annotations

import json

import pytest

from pipeline.io.registry.access_check import RegistryCheck, check_registry
from pipeline.io.registry.client import RegistryAccess
from pipeline.io.registry.readers import RegistryReaders
from tests.unit.io.registry.registry_server import Answer, registry

LATEST = "/subjects/t-value/versions/latest"
SCHEMA = json.dumps({"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]})


def check(**answers: Answer) -> RegistryCheck:
    with registry() as served:
        paths = {"latest": LATEST, "seven": "/schemas/ids/7"}
        served.answers = {paths[name]: answer for name, answer in answers.items()}
        return check_registry(RegistryReaders(RegistryAccess(served.url)), "t")


def test_a_schema_that_can_be_read_is_in_order() -> None:
    found = check(latest=(200, {"id": 7, "schema": SCHEMA}), seven=(200, {"schema": SCHEMA}))
    assert found == RegistryCheck("ok", "it answers; schema 7 (Avro) can be read")


def test_another_naming_of_subjects_is_a_warning() -> None:
    found = check()
    assert (found.state, found.detail) == ("warn", "it answers, and has no subject t-value")


@pytest.mark.parametrize(
    ("answers", "detail", "remedy"),
    [
        ({"latest": (401, {})}, "refuses the credentials", "username"),
        ({"latest": (404, b"<html>")}, "not that of a schema registry", "ccompat"),
        ({"latest": (503, {})}, "does not answer because it answers with status 503", "Start it"),
        ({"latest": (200, {"schema": SCHEMA})}, "no schema's number", "registry"),
        ({"latest": (200, {"id": 7})}, "does not know its number", "Register"),
        (
            {"latest": (200, {"id": 7}), "seven": (200, {"schema": "{"})},
            "schema 7, the last of t-value, cannot be read",
            "Register",
        ),
    ],
)
def test_what_is_wrong_fails_with_what_to_do(
    answers: dict[str, Answer], detail: str, remedy: str
) -> None:
    found = check(**answers)
    assert found.state == "fail"
    assert detail in found.detail
    assert remedy in found.remedy


def test_a_registry_that_is_not_there_fails() -> None:
    with registry() as served:
        url = served.url
    found = check_registry(RegistryReaders(RegistryAccess(url)), "t")
    assert (found.state, found.remedy[:8]) == ("fail", "Start it")
