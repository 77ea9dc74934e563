"""gcp-sm:projects/P/secrets/S/versions/V: Google Cloud Secret Manager (extra `gcp`)."""

from __future__ import annotations

from pipeline.settings.references.missing import client_of, nothing_there


def read(name: str, setting: str) -> str:
    """Return the text of a version. Raises SettingsError or EnvironmentProblem."""
    manager = client_of(
        "google.cloud.secretmanager", "gcp-sm", "Google Cloud Secret Manager", "gcp"
    )
    faults = client_of("google.api_core.exceptions", "gcp-sm", "Google", "gcp")
    refused = client_of("google.auth.exceptions", "gcp-sm", "Google", "gcp")
    try:
        client = manager.SecretManagerServiceClient()
        return bytes(client.access_secret_version(name=name).payload.data).decode("utf-8")
    except (faults.GoogleAPIError, refused.GoogleAuthError) as error:
        why = f"Google answers {type(error).__name__}"
        raise nothing_there(setting, "gcp-sm", why) from None
