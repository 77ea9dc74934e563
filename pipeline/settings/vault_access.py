"""How HashiCorp Vault, or OpenBao, is reached: its own variables of the environment.

VAULT_ADDR            the server's address; https, unless it is on this machine
VAULT_TOKEN           a token, or
VAULT_TOKEN_FILE      a file that holds one, as Vault's agent keeps it, or
VAULT_LOGIN_ROLE      the role to log in as, with the token of the pod's service account; with
                      VAULT_LOGIN_MOUNT (default: kubernetes) and VAULT_LOGIN_JWT_FILE, or
~/.vault-token        what `vault login` left
VAULT_CACERT          PEM file of the authority that signed the server's certificate
VAULT_NAMESPACE       the namespace, where there are any

The client is the extra `vault`. What fails is reported by the names of classes and statuses: the
server's messages quote requests.
"""

from __future__ import annotations

import ipaddress
import os
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from pipeline.errors import EnvironmentProblem, SettingsError

SERVICE_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"
SECONDS: Final = 10
ATTEMPTS: Final = 3
LATER: Final = (412, 429, 502, 503)
"""Statuses that mean: not now. Every request of ours may be repeated: writes are compared."""


@dataclass(frozen=True, slots=True)
class VaultAccess:
    """Where Vault is and who asks. The token is read when a client is made, not before."""

    address: str
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    role: str | None = None
    mount: str = "kubernetes"
    jwt_file: Path = Path(SERVICE_ACCOUNT)
    ca_file: str | None = None
    namespace: str | None = None

    def client(self) -> Any:
        """Return hvac's client, logged in.

        Raises EnvironmentProblem if hvac is not installed, if there is no token to read, or if the
        server does not accept the login.
        """
        try:
            hvac = import_module("hvac")
            requests = import_module("requests")
            retry = import_module("urllib3").Retry
        except ImportError:
            raise EnvironmentProblem(
                "Keys and references in vault: need the client of Vault",
                remedy="Install the extra: pip install 'telemetry-pipeline[vault]'",
            ) from None
        session = requests.Session()
        # hvac leaves certificates to the session. No proxy, `.netrc` or other bundle is looked for.
        session.trust_env, session.verify = False, self.ca_file or True
        adapter = requests.adapters.HTTPAdapter(
            max_retries=retry(
                ATTEMPTS,
                backoff_factor=0.2,
                status_forcelist=LATER,
                allowed_methods=None,
                raise_on_status=False,
            )
        )
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        client = hvac.Client(
            url=self.address,
            token=self._token(),
            timeout=SECONDS,
            session=session,
            namespace=self.namespace,
            # A redirect would take the token to another server.
            allow_redirects=False,
        )
        if not client.token and self.role is not None:
            self._log_in(client)
        return client

    def _token(self) -> str:
        if self.token:
            return self.token
        if self.role is not None and self.token_file is None:
            return ""
        file = self.token_file or Path.home() / ".vault-token"
        try:
            return file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise EnvironmentProblem(
                "There is no token for Vault",
                where=str(file),
                why=f"of a {type(error).__name__}",
                remedy="Set VAULT_TOKEN_FILE, VAULT_TOKEN or VAULT_LOGIN_ROLE.",
            ) from None

    def _log_in(self, client: Any) -> None:
        refused = import_module("hvac.exceptions").VaultError
        unreached = import_module("requests").RequestException
        try:
            jwt = self.jwt_file.read_text("utf-8").strip()
            # `kubernetes` and `jwt` engines are asked in the same way.
            client.auth.kubernetes.login(role=self.role, jwt=jwt, mount_point=self.mount)
        except (OSError, UnicodeDecodeError, KeyError, refused, unreached) as error:
            raise EnvironmentProblem(
                "Vault does not accept the login",
                where=f"auth/{self.mount}",
                why=f"of a {type(error).__name__}",
                remedy="Check VAULT_LOGIN_ROLE, VAULT_LOGIN_MOUNT and the service account.",
            ) from None


def vault_access(environ: Mapping[str, str] | None = None) -> VaultAccess:
    """Return how Vault is reached, by this process's environment unless another one is given.

    Raises SettingsError if there is no address, or if a token would travel in the clear.
    """
    given = os.environ if environ is None else environ
    address = given.get("VAULT_ADDR", "")
    if not _is_protected(address):
        raise SettingsError(
            "Vault's address has no TLS" if address else "Vault's address is not set",
            where="VAULT_ADDR",
            why="the token and the keys would travel in the clear" if address else "",
            remedy="Set VAULT_ADDR to an https:// address.",
        )
    token_file = given.get("VAULT_TOKEN_FILE")
    return VaultAccess(
        address=address,
        token=given.get("VAULT_TOKEN", ""),
        token_file=Path(token_file) if token_file else None,
        role=given.get("VAULT_LOGIN_ROLE") or None,
        mount=given.get("VAULT_LOGIN_MOUNT") or "kubernetes",
        jwt_file=Path(given.get("VAULT_LOGIN_JWT_FILE") or SERVICE_ACCOUNT),
        ca_file=given.get("VAULT_CACERT") or None,
        namespace=given.get("VAULT_NAMESPACE") or None,
    )


def _is_protected(address: str) -> bool:
    parts = urllib.parse.urlsplit(address)
    if parts.scheme == "https":
        return bool(parts.hostname)
    if parts.scheme != "http":
        return False
    if parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
