"""Formats as values."""

from __future__ import annotations

import pickle

from pipeline.events.formats.model import POSITION, Rule
from pipeline.events.schema import FieldType
from pipeline.io.package_data import load_format, load_schemas


def test_a_rule_knows_which_values_of_a_line_it_looks_at() -> None:
    rule = Rule("event_id", FieldType.IDENTIFIER, (("request_id",),), otherwise=POSITION)
    assert rule.reads == (("request_id",),)


def test_a_format_travels_to_workers_and_is_the_same_there() -> None:
    found = load_format("nginx_json", load_schemas())
    assert pickle.loads(pickle.dumps(found)) == found
