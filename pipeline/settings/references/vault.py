"""vault:MOUNT/PATH#ENTRY: an entry of a secret of HashiCorp Vault or OpenBao (extra `vault`).

The mount is a key-value engine of version 2; the newest version is read. `vault_access` says how
the server is reached.
"""

from __future__ import annotations

from pipeline.settings.references.missing import client_of, nothing_there
from pipeline.settings.vault_access import vault_access


def read(name: str, setting: str) -> str:
    """Return the entry's text. Raises SettingsError or EnvironmentProblem."""
    client = vault_access().client()
    faults = client_of("hvac.exceptions", "vault", "Vault", "vault")
    network = client_of("requests", "vault", "Vault", "vault").RequestException
    path, _, entry = name.partition("#")
    mount, _, path = path.partition("/")
    try:
        found = client.secrets.kv.v2.read_secret_version(
            path, mount_point=mount, raise_on_deleted_version=True
        )
        return str(found["data"]["data"][entry])
    except (faults.VaultError, network) as error:
        why = f"Vault answers {type(error).__name__}"
        raise nothing_there(setting, "vault", why) from None
    except (KeyError, TypeError):
        raise nothing_there(setting, "vault", "it has no such entry") from None
