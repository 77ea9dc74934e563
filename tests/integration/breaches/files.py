"""Parquet files: columns, metadata, statistics, dictionaries, values."""

from __future__ import annotations

import shutil

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.io.parquet.encoding import PartKind, part_writer
from tests.integration.breaches.planting import (
    ADDRESS,
    EMAIL,
    NAME,
    Copy,
    breach,
    put,
    rewrite,
    set_first,
)

WRONG = "values that may not be stored"


@breach("P17", "no_addresses", "model", "addresses")
def an_address_as_a_model(it: Copy) -> None:
    set_first(it.parts()[0], "model", ADDRESS)


@breach("P17", "no_addresses", "component", "addresses")
def an_ipv6_address_as_a_component(it: Copy) -> None:
    set_first(it.parts("events/error_log")[0], "component", "2001:db8::1:2")


@breach("P17", "no_addresses", "ip_prefix", WRONG)
def a_network_of_24_bits(it: Copy) -> None:
    set_first(it.parts()[0], "ip_prefix", "198.18.7.0/24")


@breach("P17", "no_addresses", "ip_prefix", WRONG)
def a_whole_address_as_a_network(it: Copy) -> None:
    set_first(it.parts()[0], "ip_prefix", f"{ADDRESS}/32")


@breach("P17", "no_addresses", "ip_prefix", WRONG)
def a_network_in_another_spelling(it: Copy) -> None:
    set_first(it.parts()[0], "ip_prefix", "198.18.0.1/16")


@breach("P02", "session_columns", "events/session", "end_reason")
def a_text_about_a_session(it: Copy) -> None:
    set_first(it.parts("events/session")[0], "end_reason", "the customer hung up")


@breach("P02", "session_columns", "features", WRONG)
def an_email_in_a_list(it: Copy) -> None:
    set_first(it.parts("events/session")[0], "features", ["recording", EMAIL])


@breach("P02", "session_columns", "duration_s", WRONG)
def an_exact_duration(it: Copy) -> None:
    set_first(it.parts("events/session")[0], "duration_s", 77)


@breach("P02", "session_columns", "packet_loss", WRONG)
def an_exact_share_of_packets(it: Copy) -> None:
    set_first(it.parts("events/session")[0], "packet_loss", 0.123456)


@breach("P03", "device_classes", "client_family", WRONG)
def a_client_called_after_somebody(it: Copy) -> None:
    set_first(it.parts()[0], "client_family", NAME)


@breach("P03", "device_classes", "device_class", WRONG)
def a_model_of_a_phone(it: Copy) -> None:
    set_first(it.parts()[0], "device_class", "SM-S928B")


@breach("P01", "stored_values", "client_major", WRONG)
def a_build_number(it: Copy) -> None:
    set_first(it.parts()[0], "client_major", 14_352)


@breach("P01", "stored_values", "bytes_out", WRONG)
def an_address_as_a_number(it: Copy) -> None:
    set_first(it.parts()[0], "bytes_out", 0xCB00714D)


@breach("P01", "stored_values", "latency_ms", WRONG)
def an_exact_time_as_a_number(it: Copy) -> None:
    set_first(it.parts()[0], "latency_ms", 1234.5)


@breach("P01", "stored_values", "latency_ms", "not a number")
def a_number_that_is_none(it: Copy) -> None:
    set_first(it.parts()[0], "latency_ms", float("nan"))


@breach("P01", "stored_values", "status", WRONG)
def a_status_that_does_not_exist(it: Copy) -> None:
    set_first(it.parts()[0], "status", 1984)


@breach("P01", "stored_values", "event_hour", WRONG)
def a_minute_of_the_day(it: Copy) -> None:
    set_first(it.parts()[0], "event_hour", 77)


@breach("P01", "stored_values", "schema_version", WRONG)
def a_version_that_nobody_declared(it: Copy) -> None:
    set_first(it.parts()[0], "schema_version", 9)


@breach("P01", "stored_values", "route", WRONG)
def a_path_with_an_email(it: Copy) -> None:
    set_first(it.parts()[0], "route", f"/users/{EMAIL}")


@breach("P01", "stored_values", "subject", WRONG)
def an_account_id_as_a_subject(it: Copy) -> None:
    set_first(it.parts()[0], "subject", "acct_alice.smith")


@breach("P01", "stored_values", "session", WRONG)
def a_session_token_in_capitals(it: Copy) -> None:
    set_first(it.parts()[0], "session", "A" * 32)


@breach("P01", "stored_values", "error_fingerprint", WRONG)
def a_message_as_a_fingerprint(it: Copy) -> None:
    set_first(it.parts("events/error_log")[0], "error_fingerprint", "no such user")


@breach("P01", "stored_values", "country", WRONG)
def a_city_as_a_country(it: Copy) -> None:
    set_first(it.parts()[0], "country", "Bonn")


@breach("P01", "stored_values", "sdk_version", WRONG)
def a_whole_version(it: Copy) -> None:
    set_first(it.parts()[0], "sdk_version", "2.3.1-alice.smith")


@breach("P01", "stored_values", "lake/rejections", "topic")
def a_topic_with_an_email(it: Copy) -> None:
    part = next((it.lake / "rejections").glob("ingest_date=*/*.parquet"))
    set_first(part, "topic", EMAIL)


@breach("P01", "stored_values", "lake/rejections", "size_bucket")
def an_exact_size(it: Copy) -> None:
    part = next((it.lake / "rejections").glob("ingest_date=*/*.parquet"))
    set_first(part, "size_bucket", 777)


@breach("P01", "stored_values", "lake/restricted", "model")
def a_text_in_restricted_rows(it: Copy) -> None:
    set_first(it.parts("restricted/api_request")[0], "model", EMAIL)


@breach("P01", "declared_columns", "columns that no schema declares")
def a_column_more(it: Copy) -> None:
    rewrite(it.parts()[0], lambda t: t.append_column("email", pa.array([EMAIL] * t.num_rows)))


@breach("P01", "declared_columns", "not those of any version")
def a_column_less(it: Copy) -> None:
    rewrite(it.parts()[0], lambda t: t.drop_columns("plan"))


@breach("P01", "declared_columns", "status", "the type is not the declared one")
def a_wider_column(it: Copy) -> None:
    def change(table: pa.Table) -> pa.Table:
        index = table.schema.get_field_index("status")
        field = table.schema.field(index).with_type(pa.int64())
        return table.set_column(index, field, table["status"].cast(pa.int64()))

    rewrite(it.parts()[0], change)


@breach("P01", "declared_columns", "plan", "field metadata")
def an_email_in_field_metadata(it: Copy) -> None:
    def change(table: pa.Table) -> pa.Table:
        index = table.schema.get_field_index("plan")
        field = table.schema.field(index).with_metadata({"owner": EMAIL})
        return table.set_column(index, field, table["plan"])

    rewrite(it.parts()[0], change)


@breach("P01", "declared_columns", "metadata of the file")
def an_email_in_the_footer(it: Copy) -> None:
    part = it.parts()[0]
    table = pq.read_table(part, partitioning=None)
    with part.open("wb") as sink, part_writer(sink, table.schema) as file:
        file.write_table(table)
        file.add_key_value_metadata({"owner": EMAIL})


@breach("P01", "declared_columns", "bytes that belong to no part")
def bytes_between_the_parts(it: Copy) -> None:
    part = it.parts()[0]
    content = part.read_bytes()
    footer = int.from_bytes(content[-8:-4], "little") + 8
    part.write_bytes(content[:-footer] + EMAIL.encode() + content[-footer:])


@breach("P01", "declared_columns", "not written by this program's library")
def a_file_of_another_program(it: Copy) -> None:
    import duckdb

    part = it.parts()[0]
    other = it.folder / "other.parquet"
    duckdb.execute(f"COPY (FROM read_parquet('{part}', hive_partitioning=false)) TO '{other}'")
    shutil.move(other, part)


@breach("P01", "declared_columns", "another number of rows")
def a_row_more_than_the_log_says(it: Copy) -> None:
    rewrite(it.parts()[0], lambda t: pa.concat_tables([t, t.slice(0, 1)]))


@breach("P01", "every_file_read", "cannot be read")
def a_file_that_cannot_be_read(it: Copy) -> None:
    it.parts()[0].write_bytes(b"PAR1 nothing of it PAR1")


@breach("P01", "every_file_read", "cannot be read")
def a_file_cut_in_half(it: Copy) -> None:
    content = it.parts()[0].read_bytes()
    it.parts()[0].write_bytes(content[: len(content) // 2])


@breach("P01", "every_file_read", "cannot be read")
def a_damaged_page(it: Copy) -> None:
    content = bytearray(it.parts()[0].read_bytes())
    for place in range(4, len(content) // 2):
        content[place] ^= 0x5A
    it.parts()[0].write_bytes(bytes(content))


@breach("P01", "every_file_read", "the log names it and it is not there")
def a_file_that_is_gone(it: Copy) -> None:
    it.parts()[0].unlink()


@breach("P20", "no_token_statistics", "subject", "statistics of a token column")
def statistics_of_subjects(it: Copy) -> None:
    rewrite(it.parts()[0], lambda t: t, write_statistics=["subject"], use_dictionary=True)


@breach("P20", "no_token_statistics", "statistics of a token column")
def statistics_of_every_column(it: Copy) -> None:
    rewrite(it.parts()[0], lambda t: t, write_statistics=True)


@breach("P20", "no_token_statistics", "a page index")
def a_page_index(it: Copy) -> None:
    rewrite(it.parts()[0], lambda t: t, write_page_index=True)


@breach("P20", "no_token_statistics", "session", "Bloom filter that is not declared")
def a_bloom_filter_on_sessions(it: Copy) -> None:
    options = {"session": {"ndv": 100}}
    rewrite(it.parts(kind="final")[0], lambda t: t, bloom_filter_options=options)


@breach("P20", "no_token_statistics", "subject", "Bloom filter that is not declared")
def a_bloom_filter_in_a_streamed_file(it: Copy) -> None:
    options = {"subject": {"ndv": 100}}
    rewrite(it.parts(kind="part")[0], lambda t: t, bloom_filter_options=options)


@breach("P20", "no_token_statistics", "event_token", "a final file has none")
def event_tokens_in_a_final_file(it: Copy) -> None:
    set_first(it.parts(kind="final")[0], "event_token", "0" * 32)


@breach("P20", "no_token_statistics", "subject", "that no row has")
def a_token_in_a_dictionary_that_no_row_has(it: Copy) -> None:
    def change(table: pa.Table) -> pa.Table:
        index = table.schema.get_field_index("subject")
        column = table["subject"].combine_chunks().dictionary_encode()
        more = pa.concat_arrays([column.dictionary, pa.array(["e" * 32])])
        coded = pa.DictionaryArray.from_arrays(column.indices, more)
        return table.set_column(index, table.schema.field(index).with_type(coded.type), coded)

    rewrite(it.parts()[0], change)


@breach("P01", "stored_values", "model", WRONG)
def a_text_in_a_dictionary_that_no_row_has(it: Copy) -> None:
    def change(table: pa.Table) -> pa.Table:
        index = table.schema.get_field_index("model")
        column = table["model"].combine_chunks().dictionary_encode()
        more = pa.concat_arrays([column.dictionary, pa.array([EMAIL])])
        coded = pa.DictionaryArray.from_arrays(column.indices, more)
        return table.set_column(index, table.schema.field(index).with_type(coded.type), coded)

    rewrite(it.parts()[0], change)


@breach("P20", "tokens_of_one_epoch", "subject of epochs", "stored in another")
def a_day_in_another_epoch(it: Copy) -> None:
    part = it.parts(kind="final")[0]
    put(it.lake / "events/api_request/event_date=2026-10-20" / part.name, part.read_bytes())


@breach("P20", "tokens_of_one_epoch", "session of epochs", "stored in another")
def one_session_in_another_epoch(it: Copy) -> None:
    part = it.parts(kind="final")[0]
    rows = pq.read_table(part, partitioning=None)
    known = rows.filter(pa.compute.is_valid(rows["session"])).slice(0, 1)
    index = known.schema.get_field_index("subject")
    known = known.set_column(index, known.schema.field(index), pa.array([None], pa.string()))
    path = it.lake / "events/api_request/event_date=2026-10-20" / part.name
    path.parent.mkdir()
    with path.open("wb") as sink, part_writer(sink, known.schema, PartKind.FINAL) as file:
        file.write_table(known)
