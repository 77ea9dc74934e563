"""What a release contains: a bill of materials (CycloneDX 1.6) and a list of licences.

`python deploy/image/sbom.py FOLDER` writes `sbom.cdx.json` and `licences.md`. Components are the
distributions of the image's lock, with the hashes that it names, and the crates of the kernel's
lock. Licences of distributions are what their metadata says, of those that are installed here.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_PIN = re.compile(
    r"^([A-Za-z0-9._-]+)==(\S+?)(?: ;.*?)? \\$((?:\n    --hash=sha256:[0-9a-f]{64}.*)+)", re.M
)
Component = dict[str, Any]


def distributions() -> list[Component]:
    """The distributions of the image's lock."""
    lock = (ROOT / "deploy" / "image" / "requirements.lock").read_text("utf-8")
    found = []
    for name, version, hashes in _PIN.findall(lock):
        found.append(
            {
                "type": "library",
                "name": name,
                "version": version,
                "purl": f"pkg:pypi/{name}@{version}",
                "bom-ref": f"pkg:pypi/{name}@{version}",
                "hashes": [
                    {"alg": "SHA-256", "content": one}
                    for one in sorted(re.findall(r"sha256:([0-9a-f]{64})", hashes))
                ],
                **_licence(licence_of(name)),
            }
        )
    return found


def licence_of(name: str) -> str:
    """What an installed distribution says of its licence, in one line."""
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return ""
    classified = [
        one.rpartition(" :: ")[2]
        for one in told.get_all("Classifier") or []
        if one.startswith("License ::")
    ]
    said = [one for name in ("License-Expression", "License") for one in told.get_all(name) or []]
    lines = [*said[:1], "; ".join(classified)] if said else ["; ".join(classified)]
    text = next((str(line).strip() for line in lines if str(line).strip()), "")
    return text.splitlines()[0][:80] if text else ""


def crates() -> list[Component]:
    """The crates of the kernel's lock, less the kernel itself."""
    packages = tomllib.loads((ROOT / "kernel" / "Cargo.lock").read_text("utf-8"))["package"]
    return [
        {
            "type": "library",
            "name": one["name"],
            "version": one["version"],
            "purl": f"pkg:cargo/{one['name']}@{one['version']}",
            "bom-ref": f"pkg:cargo/{one['name']}@{one['version']}",
            "hashes": [{"alg": "SHA-256", "content": one["checksum"]}],
        }
        for one in packages
        if "checksum" in one
    ]


def _licence(text: str) -> Component:
    return {"licenses": [{"license": {"name": text}}]} if text else {}


def bill(version: str) -> Component:
    """The bill of materials; the same for the same locks."""
    ours = f"pkg:pypi/telemetry-pipeline@{version}"
    about = {"type": "application", "name": "telemetry-pipeline", "version": version, "purl": ours}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {**about, "purl": ours, "bom-ref": ours, **_licence("Apache-2.0")}
        },
        "components": [*distributions(), *crates()],
    }


def licences(document: Component) -> str:
    """The licences as a table."""
    rows = ["| what | version | licence |", "| --- | --- | --- |"]
    for one in document["components"]:
        told = one["licenses"][0]["license"]["name"] if "licenses" in one else "see its source"
        rows.append(f"| {one['name']} | {one['version']} | {told} |")
    return "\n".join(["# Licences of what a release contains", "", *rows, ""])


def main(folder: Path) -> None:
    """Write both files."""
    from pipeline import __version__

    folder.mkdir(parents=True, exist_ok=True)
    document = bill(__version__)
    (folder / "sbom.cdx.json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
    (folder / "licences.md").write_text(licences(document), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
