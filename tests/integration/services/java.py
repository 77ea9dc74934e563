"""How services of a test start Java: for seconds only, and from classes that are prepared."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

QUICK = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Compile once and quickly: what a compiler for long lives does costs more than a test's work."""


def archive_in(folder: Path, jars: Path) -> Path:
    """Where the prepared classes of these jars lie, for the Java on the PATH."""
    java = os.path.realpath(shutil.which("java") or "java")
    name = hashlib.sha256(f"{java}\n{jars}".encode()).hexdigest()[:12]
    return folder / f"classes-{name}.jsa"


def writing(archive: Path) -> tuple[str, ...]:
    """Have a process leave the classes that it has loaded, when it ends in order."""
    return *QUICK, f"-XX:ArchiveClassesAtExit={archive}"


def reading(archive: Path) -> tuple[str, ...]:
    """Have a process load its classes from there; without the file it loads them one by one."""
    return (*QUICK, f"-XX:SharedArchiveFile={archive}") if archive.exists() else QUICK
