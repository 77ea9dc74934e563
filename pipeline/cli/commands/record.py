"""`telemetry record`: the record of processing activities that a supervisory authority asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from pipeline.cli.frame.options import Invocation, configured
from pipeline.cli.wiring.opening import event_of, kinds_of, open_schemas

if TYPE_CHECKING:
    from pipeline.events.schema import EventSchema
    from pipeline.ops.processing_record import Circumstances


@click.command()
@configured
def command(call: Invocation) -> None:
    """Write the record of processing activities (GDPR Art. 30) from schemas and settings.

    Markdown. What only the controller knows stands as [fill in: ...].
    """
    from pipeline.io.package_data import load_promises
    from pipeline.ops.processing_record import processing_record

    schemas = open_schemas(call.settings)
    text = processing_record(schemas, load_promises(), _circumstances(call, schemas), call.now())
    call.out.result({"record": text}, lambda: click.echo(text, nl=False))


def _circumstances(
    call: Invocation, schemas: Mapping[str, tuple[EventSchema, ...]]
) -> Circumstances:
    from pipeline.ops.processing_record import Circumstances

    settings = call.settings
    return Circumstances(
        lake="" if settings.lake.path is None else str(settings.lake.path),
        retention_days=settings.privacy.retention_days,
        epoch=settings.privacy.epoch,
        encryption=settings.lake.encryption,
        optout_stale_after=f"{settings.privacy.optout_stale_after.total_seconds() / 60:g} minutes",
        sources=[
            f"`{event_of(source, schemas)}` from {source.told()}"
            for _, source in kinds_of(settings)
        ],
    )
