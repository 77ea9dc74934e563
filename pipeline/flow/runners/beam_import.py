"""Import Beam without its remarks on optional parts, and without parts that nothing here uses."""

from __future__ import annotations

import atexit
import gc
import importlib
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_GUARDED = (
    "apache_beam.io.gcp.bigquery",
    "bson",
    "apache_beam.io.hadoopfilesystem",
    "apache_beam.io.gcp.gcsfilesystem",
    "apache_beam.io.aws.s3filesystem",
    "apache_beam.io.azure.blobstoragefilesystem",
)
"""What Beam can do without if it is not installed: BigQuery, MongoDB, and its own way to stores
with the clients of every cloud, a third of its import."""


def import_beam(*, whole: bool = True) -> None:
    """Load Beam, and drop what it logs meanwhile.

    Takes about a second, so only processes that run a graph call it, once. What it loads stays
    for good: the garbage collector looks at it neither meanwhile nor later. Unless the `whole`
    is wanted, as it may be by another runner's client, what our own process has no use for is
    left out.
    """
    quiet = (logging.getLogger(), logging.getLogger("apache_beam.io.mongodbio"))
    for logger in quiet:
        logger.addFilter(_refuse)
    gc.disable()
    try:
        with _seeming_absent(() if whole else _GUARDED):
            importlib.import_module("apache_beam")
    finally:
        gc.enable()
        gc.freeze()
        atexit.register(gc.unfreeze)  # else libraries report at exit what they call leaks
        for logger in quiet:
            logger.removeFilter(_refuse)


@contextmanager
def _seeming_absent(names: tuple[str, ...]) -> Iterator[None]:
    """Make the import of these modules fail meanwhile, as if they were not installed."""
    hidden = [name for name in names if name not in sys.modules]
    # None in this table is Python's own way to say so.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


def _refuse(_record: logging.LogRecord) -> bool:
    return False
