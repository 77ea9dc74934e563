"""`telemetry kafka`: what is particular to topics as sources."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from pipeline.cli.groups import Subcommands
from pipeline.cli.kafka_lists import kafka_access
from pipeline.cli.opening import newest_schema, open_lake
from pipeline.cli.options import Invocation, configured
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.settings import SourceSettings


@click.group(cls=Subcommands)
def command() -> None:
    """Record gaps of a topic."""


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
    help="First offset that is still there; everything before it is given up.",
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
    """Record that messages before OFFSET are lost, and let reading go on from there.

    The position moves by a commit of its own, which stays in the lake's log as the record of the
    loss. Messages that Kafka still has are never passed over: OFFSET may not lie behind the
    partition's first message.
    """
    source = _source(call, topic, servers, event)
    from pipeline.io.kafka_gap import plan_gap, record_gap

    schema = newest_schema(call.settings, source.event)
    table = open_lake(call.settings).events(source.event, schema.stored)
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


def _source(call: Invocation, topic: str, servers: str | None, event: str | None) -> SourceSettings:
    for source in call.settings.sources.values():
        if source.topic == topic:
            if servers is not None:
                return replace(source, servers=tuple(servers.split(",")))
            return source
    if servers is None or event is None:
        raise UsageError(
            "no source of the settings has this topic",
            remedy="Name its section with --config, or give --kafka SERVERS and --event EVENT",
        )
    from pipeline.settings import SourceSettings

    return SourceSettings(event=event, servers=tuple(servers.split(",")), topic=topic)
