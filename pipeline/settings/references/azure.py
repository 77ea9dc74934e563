"""azure-kv:HOST/NAME, .../NAME/VERSION or .../NAME#KEY: Azure Key Vault (extra `azure`).

HOST is the vault's, as `telemetry.vault.azure.net`; a text, or an entry of a JSON object. Who asks
is the process's managed identity, workload identity or service principal, as Azure's
DefaultAzureCredential finds it. Key Vault cannot be a store for keys:
`docs/extending-ports.md` says why.
"""

from __future__ import annotations

from pipeline.settings.references.missing import client_of, entry_of, nothing_there


def read(name: str, setting: str) -> str:
    """Return the text, or its entry. Raises SettingsError or EnvironmentProblem."""
    identity = client_of("azure.identity", "azure-kv", "Azure", "azure")
    vault = client_of("azure.keyvault.secrets", "azure-kv", "Azure", "azure")
    faults = client_of("azure.core.exceptions", "azure-kv", "Azure", "azure")
    path, _, key = name.partition("#")
    host, _, secret = path.partition("/")
    secret, _, version = secret.partition("/")
    try:
        with (
            identity.DefaultAzureCredential() as credential,
            vault.SecretClient(f"https://{host}", credential) as client,
        ):
            found = client.get_secret(secret, version or None).value
    except faults.AzureError as error:
        status = getattr(error, "status_code", None)
        why = f"Azure answers {status}" if status else f"of a {type(error).__name__}"
        raise nothing_there(setting, "azure-kv", why) from None
    except ValueError:
        raise nothing_there(setting, "azure-kv", "its host is no key vault") from None
    return entry_of(found or "", key, setting, "azure-kv")
