"""`python -m pipeline.cli` does what `telemetry` does."""

import sys

from pipeline.cli.main import main

sys.exit(main())
