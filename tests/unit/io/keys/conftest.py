"""Leaves out what needs Google's client, or a server of Vault.

`tests/integration/test_secret_manager.py` and `test_vault.py` run these files in a process that has
it.
"""

from __future__ import annotations

from tests.unit.io.keys.stores import google_is_here, vault_is_here

collect_ignore = [] if google_is_here() else ["test_google_api.py", "test_secret_manager.py"]
if not vault_is_here():
    collect_ignore.append("test_vault_api.py")
