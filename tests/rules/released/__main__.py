"""Write the snapshot of the release that is being made."""

from pipeline import __version__
from pipeline.io.package_data import load_schemas
from tests.rules.released import SNAPSHOT, stored, written

SNAPSHOT.write_text(written(__version__, stored(load_schemas())), "utf-8")
