"""From settings to the registry of metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.cli.frame.options import Invocation
from pipeline.cli.wiring.opening import epochs_of, open_schemas

if TYPE_CHECKING:
    from pipeline.ops.rollup.registry import Registry


def open_registry(call: Invocation) -> Registry:
    """The metrics beside the schemas in use, or the packaged ones."""
    from pipeline.events.schema import withheld
    from pipeline.io.package_data import METRICS, load_metrics
    from pipeline.ops.rollup.registry import parse_registry

    folder = call.settings.schemas.directory
    own = folder / METRICS if folder is not None and (folder / METRICS).is_dir() else None
    hidden = withheld(open_schemas(call.settings))
    return parse_registry(load_metrics(own), epochs_of(call.settings), hidden)
