"""The stable Python API: anonymize messages, open a lake, look up what is stored.

    open_anonymizer   messages of one event become rows that may be stored
    open_lake         tables as pyarrow datasets, and DuckDB with a view for each of them
    schemas           stored columns of every event, with comment, unit and sensitivity

Whatever is returned is what `telemetry run` would store or has stored: there is no way to a raw
value, to a key or to restricted rows. Every error is a `TelemetryError`, and quotes no value.
What other modules of `pipeline` offer may change with any version (docs/releases.md).

>>> from pipeline import api
>>> sorted(api.schemas())
['api_request', 'error_log', 'feature_use', 'session']
>>> column = api.schemas()["api_request"].field("latency_ms")
>>> column.type, column.metadata[b"unit"]
(DataType(float), b'ms')
"""

from pipeline.api.anonymizing import Anonymized, Anonymizer, open_anonymizer
from pipeline.api.reading import LakeReader, open_lake, schemas
from pipeline.cli.declared import load_settings
from pipeline.errors import TelemetryError
from pipeline.settings import Settings

__all__ = [
    "Anonymized",
    "Anonymizer",
    "LakeReader",
    "Settings",
    "TelemetryError",
    "load_settings",
    "open_anonymizer",
    "open_lake",
    "schemas",
]
