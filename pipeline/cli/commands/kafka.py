"""`telemetry kafka`: commands for sources that are topics."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from pipeline.cli.frame.groups import Subcommands
from pipeline.cli.frame.options import Invocation, configured
from pipeline.cli.wiring.opening import event_of, newest_schema, open_lake, open_schemas
from pipeline.cli.wiring.topics import kafka_access, topics_of
from pipeline.errors import UsageError
from pipeline.io.kafka.source import KafkaSourceSettings

if TYPE_CHECKING:
    from pipeline.events.schema import EventSchema
    from pipeline.settings import SourceSettings


@click.group(cls=Subcommands)
def command() -> None:
    """Record gaps in a topic, or decide about a topic that was created again."""


@command.command()
@click.option("--topic", required=True, help="Topic of a [sources.NAME] section.")
@click.option(
    "--partition",
    type=click.IntRange(min=0),
    required=True,
    metavar="N",
    help="Partition of the topic.",
)
@click.option(
    "--to",
    type=click.IntRange(min=0),
    required=True,
    metavar="OFFSET",
    help="First offset that still exists; everything before it is given up.",
)
@click.option("--kafka", "servers", metavar="SERVERS", help="Kafka bootstrap servers.")
@click.option("--event", help="Event that the topic carries, without a [sources.NAME] section.")
@click.option("--apply", is_flag=True, help="Record it. Without, the gap is only shown.")
@configured
def gap(
    call: Invocation,
    topic: str,
    partition: int,
    to: int,
    servers: str | None,
    event: str | None,
    apply: bool,
) -> None:
    """Record that messages before OFFSET are lost, and continue reading from there.

    Messages are lost if retention removed them or their record batch is damaged. The position moves
    by a separate commit, which stays in the lake's log as the record of the loss. Messages that can
    still be read are never skipped: OFFSET cannot be beyond the first of them.
    """
    source = _source(call, topic, servers, event)
    from pipeline.io.kafka.gap import plan_gap, record_gap

    schema = _schema(call, source)
    lake = open_lake(call.settings, repairs=apply)
    table = lake.events(schema.event, schema.stored)
    access = kafka_access(source.servers, call.settings)
    plan = plan_gap(access, topic, partition, to, table.position)
    if apply:
        record_gap(table, schema, plan)
    document = {
        "topic": topic,
        "partition": partition,
        "from": plan.start,
        "to": plan.stop,
        "recorded": apply,
    }

    def text() -> None:
        lost = f"{plan.stop - plan.start:,} offsets [{plan.start}, {plan.stop})"
        verb = "are recorded as lost" if apply else "would be recorded as lost: add --apply"
        call.out.line(f"{lost} of {topic}, partition {partition}, {verb}")

    call.out.result(document, text)


@command.command()
@click.argument("topic")
@click.option(
    "--as",
    "decision",
    type=click.Choice(["new", "same"]),
    required=True,
    help="new: its messages are different ones, read from the first. "
    "same: its offsets mean the same messages, continue.",
)
@click.option("--kafka", "servers", metavar="SERVERS", help="Kafka bootstrap servers.")
@click.option("--event", help="Event that the topic carries, without a [sources.NAME] section.")
@configured
def accept(
    call: Invocation, topic: str, decision: str, servers: str | None, event: str | None
) -> None:
    """Decide what TOPIC is, after a run has stopped because it is not the one that was read.

    The decision is recorded in the lake's log, for every partition of which the lake has read
    something, together with the topic's id. Nothing that is stored is changed.
    """
    source = _source(call, topic, servers, event)
    from pipeline.io.kafka.accept import (
        Decision,
        ids_before,
        plan_acceptance,
        record_acceptance,
    )
    from pipeline.io.kafka.identity import text_of

    schema = _schema(call, source)
    table = open_lake(call.settings).events(source.event, schema.stored)
    access = kafka_access(source.servers, call.settings)
    plan = plan_acceptance(access, topic, Decision(decision), table.positions)
    record_acceptance(table, schema, plan)
    document = {
        "topic": topic,
        "accepted": decision,
        "topic_id": text_of(plan.topic_id),
        "topic_ids_before": ids_before(plan.changes),
        "partitions": [
            {"partition": one.partition, "from": one.span.start, "to": one.span.stop}
            for one in plan.changes
        ],
    }

    def text() -> None:
        call.out.line(f"{topic} with the id {text_of(plan.topic_id)} is accepted as {decision}")
        call.out.table(
            ["partition", "position before", "position now"],
            [[one.partition, one.span.start, one.span.stop] for one in plan.changes],
        )

    call.out.result(document, text)


def _schema(call: Invocation, source: SourceSettings) -> EventSchema:
    """The newest schema of a source's event, which may come from its format."""
    schemas = open_schemas(call.settings)
    return newest_schema(schemas, event_of(source, schemas))


def _source(
    call: Invocation, topic: str, servers: str | None, event: str | None
) -> KafkaSourceSettings:
    for _, source in topics_of(call.settings):
        if source.topic == topic:
            if servers is not None:
                return replace(source, servers=tuple(servers.split(",")))
            return source
    if servers is None or event is None:
        raise UsageError(
            "no source of the settings has this topic",
            remedy="Name its section with --config, or give --kafka SERVERS and --event EVENT",
        )
    return KafkaSourceSettings(event=event, servers=tuple(servers.split(",")), topic=topic)
