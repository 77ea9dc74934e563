"""What the packaged schemas say of their columns."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.events.model import OFFSET, SIZE
from pipeline.events.schema import COMMON_COLUMNS, EventSchema, withheld
from pipeline.io.package_data import load_schemas

SCHEMAS = load_schemas()
NEWEST = [versions[-1] for versions in SCHEMAS.values()]


@pytest.mark.parametrize("schema", NEWEST, ids=lambda schema: schema.event)
def test_the_common_block_stands_first_in_its_order(schema: EventSchema) -> None:
    names = [column.name for column in schema.columns]
    common = [name for name in COMMON_COLUMNS if name in names]
    assert names[: len(common)] == common
    assert schema.stored.names == names


@pytest.mark.parametrize("schema", NEWEST, ids=lambda schema: schema.event)
def test_texts_of_closed_lists_move_as_numbers_and_are_stored_as_texts(
    schema: EventSchema,
) -> None:
    for column, moved in zip(schema.columns, schema.clean, strict=True):
        assert pa.types.is_dictionary(moved.type) == column.is_closed
        assert schema.stored.field(column.name).type == column.type


def test_raw_fields_end_with_the_coordinates() -> None:
    assert all(schema.raw.names[-2:] == [OFFSET, SIZE] for schema in NEWEST)


def test_a_field_is_found_by_its_name() -> None:
    schema = SCHEMAS["api_request"][-1]
    assert schema.field("status").name == "status"
    with pytest.raises(KeyError):
        schema.field("cookie")


def test_a_value_that_cannot_be_read_refuses_a_message_if_it_says_whose_it_is() -> None:
    schema = SCHEMAS["api_request"][-1]
    assert schema.field("account_id").is_decisive
    assert not schema.field("account_id").required
    assert not schema.field("latency_ms").is_decisive


def test_publications_never_show_tokens_fingerprints_and_networks() -> None:
    assert withheld(SCHEMAS) == {
        "event_token", "subject", "session", "error_fingerprint", "ip_prefix",
    }  # fmt: skip
