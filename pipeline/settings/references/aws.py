"""aws-sm:NAME or aws-sm:NAME#KEY: AWS Secrets Manager (extra `aws`).

A text, or an entry of a JSON object; in the region of AWS_DEFAULT_REGION.
"""

from __future__ import annotations

from pipeline.settings.references.missing import client_of, entry_of, nothing_there


def read(name: str, setting: str) -> str:
    """Return the text, or its entry. Raises SettingsError or EnvironmentProblem."""
    boto3 = client_of("boto3", "aws-sm", "AWS", "aws")
    faults = client_of("botocore.exceptions", "aws-sm", "AWS", "aws")
    path, _, key = name.partition("#")
    try:
        found = boto3.client("secretsmanager").get_secret_value(SecretId=path)
    except faults.ClientError as error:
        why = str(error.response.get("Error", {}).get("Code", "ClientError"))
        raise nothing_there(setting, "aws-sm", f"AWS answers {why}") from None
    except faults.BotoCoreError as error:
        raise nothing_there(setting, "aws-sm", f"of a {type(error).__name__}") from None
    if "SecretString" not in found:
        raise nothing_there(setting, "aws-sm", "it is no text, or has no such entry")
    return entry_of(str(found["SecretString"]), key, setting, "aws-sm")
