"""Compile a Protobuf schema: registries keep its source text, and messages need descriptors.

The compiler is Google's own, from the package `grpcio-tools`, in a process of its own: what it
says about somebody else's text is not shown, and a fault in it ends nothing else.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from pipeline.errors import EnvironmentProblem
from pipeline.events.wire.model import Unusable

COMPILE_SECONDS: Final = 60
_TOP: Final = "telemetry_top.proto"


def compiled(text: str, imports: Mapping[str, str]) -> bytes:
    """Return the `FileDescriptorSet` of a schema, which is its last file.

    `imports` are the texts of the files that it imports, by the names under which it does so.
    Raises `Unusable`, and EnvironmentProblem if there is no compiler.
    """
    tools = importlib.util.find_spec("grpc_tools")
    if tools is None or not tools.submodule_search_locations:
        raise EnvironmentProblem(
            "Protobuf schemas of a registry need the Protobuf compiler",
            remedy="Install the extra: pip install 'telemetry-pipeline[protobuf]'",
        )
    standard = Path(tools.submodule_search_locations[0]) / "_proto"
    with tempfile.TemporaryDirectory(prefix="telemetry-proto-") as folder:
        place = Path(folder)
        for name, source in {**imports, _TOP: text}.items():
            path = _inside(place, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, "utf-8")
        found = place / "found.binpb"
        command = [sys.executable, "-I", "-m", "grpc_tools.protoc", f"-I{place}", f"-I{standard}"]
        command += ["--include_imports", f"--descriptor_set_out={found}", _TOP]
        try:
            done = subprocess.run(
                command, cwd=place, capture_output=True, check=False, timeout=COMPILE_SECONDS
            )
        except subprocess.TimeoutExpired:
            raise Unusable("it takes too long to compile") from None
        if done.returncode != 0:
            raise Unusable("the Protobuf compiler refuses it")
        return found.read_bytes()


def _inside(place: Path, name: str) -> Path:
    """Where a file of that name goes; raises `Unusable` if that is elsewhere."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise Unusable("it imports a file outside of itself")
    return place / path
