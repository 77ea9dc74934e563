"""Leaves out what needs Google's client, which is not among the packages of the other tests.

`tests/integration/test_secret_manager.py` runs these files in a process that has it.
"""

from __future__ import annotations

from tests.unit.io.keys.stores import google_is_here

collect_ignore = [] if google_is_here() else ["test_google_api.py", "test_secret_manager.py"]
