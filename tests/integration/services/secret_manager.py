"""Google Secret Manager's API over gRPC, as far as the keystore uses it, in this process.

The client and the messages are Google's own, so what goes over the wire is the real thing; the
service behind it is ours: numbered versions, etags, destroyed and disabled states, limits and
error codes as documented. The client is installed beside the project into the user's cache folder
at first use (`client_folder`), because it must not lie in the environment of the other tests: Beam
looks for Google's packages and warns when it finds some of them only.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.services.fetching import alone_in

CLIENT = "google-cloud-secret-manager==2.32.0"
_SERVICE = "google.cloud.secretmanager.v1.SecretManagerService"
_ANNOTATION_BYTES = 16 * 1024


def client_folder() -> Path:
    """Where the client is, installed at first use; to be put on PYTHONPATH of a process."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "telemetry-pipeline" / "gcp" / CLIENT.replace("==", "-")
    with alone_in(folder.parent):
        if not (folder / "complete").exists():
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder)]
            subprocess.run([*command, CLIENT, "protobuf<7"], check=True, timeout=600)
            (folder / "complete").touch()
    return folder


@dataclass
class _Version:
    data: bytes
    state: str = "ENABLED"


@dataclass
class _Secret:
    etag: str
    annotations: dict[str, str] = field(default_factory=dict)
    versions: list[_Version] = field(default_factory=list)


class Refused(Exception):
    """What the service answers instead of a result."""

    def __init__(self, code: str) -> None:
        self.code = code


class Service:
    """The secrets of one project."""

    def __init__(self) -> None:
        self.secrets: dict[str, _Secret] = {}
        self.calls = 0
        self.before: Callable[[str], None] = lambda method: None
        """Called with the method's name before it works, outside of the lock."""
        self._lock = threading.Lock()

    def version(self, name: str) -> _Version:
        """The version of that name, to be meddled with."""
        secret, _, number = name.partition("/versions/")
        try:
            return self.secrets[secret].versions[int(number) - 1]
        except (KeyError, IndexError):
            raise Refused("NOT_FOUND") from None

    def create_secret(self, request: Any, types: Any) -> Any:
        name = f"{request.parent}/secrets/{request.secret_id}"
        if name in self.secrets:
            raise Refused("ALREADY_EXISTS")
        self.secrets[name] = _Secret(self._etag())
        return self._secret(name, types)

    def get_secret(self, request: Any, types: Any) -> Any:
        return self._secret(request.name, types)

    def update_secret(self, request: Any, types: Any) -> Any:
        wanted = request.secret
        if list(request.update_mask.paths) != ["annotations"]:
            raise Refused("INVALID_ARGUMENT")
        found = self._found(wanted.name)
        if wanted.etag and wanted.etag != found.etag:
            raise Refused("FAILED_PRECONDITION")
        annotations = dict(wanted.annotations)
        size = sum(len(name) + len(text) for name, text in annotations.items())
        if size > _ANNOTATION_BYTES or any(len(name) > 63 for name in annotations):
            raise Refused("INVALID_ARGUMENT")
        found.annotations, found.etag = annotations, self._etag()
        return self._secret(wanted.name, types)

    def add_secret_version(self, request: Any, types: Any) -> Any:
        found = self._found(request.parent)
        found.versions.append(_Version(bytes(request.payload.data)))
        return types.SecretVersion(name=f"{request.parent}/versions/{len(found.versions)}")

    def access_secret_version(self, request: Any, types: Any) -> Any:
        from crc32c import crc32c

        version = self.version(request.name)
        if version.state != "ENABLED":
            raise Refused("FAILED_PRECONDITION")
        payload = types.SecretPayload(data=version.data, data_crc32c=crc32c(version.data))
        return types.AccessSecretVersionResponse(name=request.name, payload=payload)

    def destroy_secret_version(self, request: Any, types: Any) -> Any:
        version = self.version(request.name)
        if version.state == "DESTROYED":
            raise Refused("FAILED_PRECONDITION")
        version.state, version.data = "DESTROYED", b""
        return types.SecretVersion(name=request.name)

    def answer(self, method: str, request: Any, types: Any) -> Any:
        """Carry out one call, alone."""
        self.before(method)
        with self._lock:
            self.calls += 1
            return getattr(self, method)(request, types)

    def _found(self, name: str) -> _Secret:
        if name not in self.secrets:
            raise Refused("NOT_FOUND")
        return self.secrets[name]

    def _secret(self, name: str, types: Any) -> Any:
        found = self._found(name)
        return types.Secret(name=name, etag=found.etag, annotations=found.annotations)

    def _etag(self) -> str:
        return f'"{self.calls}"'


@contextmanager
def serving(service: Service) -> Iterator[str]:
    """Serve on the loopback interface; yields the address."""
    import grpc
    from google.cloud.secretmanager_v1 import types

    answers = {
        "CreateSecret": (types.CreateSecretRequest, types.Secret),
        "GetSecret": (types.GetSecretRequest, types.Secret),
        "UpdateSecret": (types.UpdateSecretRequest, types.Secret),
        "AddSecretVersion": (types.AddSecretVersionRequest, types.SecretVersion),
        "AccessSecretVersion": (
            types.AccessSecretVersionRequest,
            types.AccessSecretVersionResponse,
        ),
        "DestroySecretVersion": (types.DestroySecretVersionRequest, types.SecretVersion),
    }

    def handler(name: str, asked: Any, answered: Any) -> Any:
        method = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")

        def call(request: Any, context: Any) -> Any:
            try:
                return service.answer(method, request, types)
            except Refused as refused:
                context.abort(grpc.StatusCode[refused.code], "refused, with words of the request")

        return grpc.unary_unary_rpc_method_handler(call, asked.deserialize, answered.serialize)

    server = grpc.server(ThreadPoolExecutor(8))
    handlers = {name: handler(name, *kinds) for name, kinds in answers.items()}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(_SERVICE, handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def client_of(address: str) -> Any:
    """Google's client, connected to `serving`."""
    import grpc
    from google.cloud import secretmanager
    from google.cloud.secretmanager_v1.services.secret_manager_service import (
        transports,
    )

    transport = transports.SecretManagerServiceGrpcTransport(channel=grpc.insecure_channel(address))
    return secretmanager.SecretManagerServiceClient(transport=transport)
