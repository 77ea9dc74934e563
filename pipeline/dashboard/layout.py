"""What stands on which page, and the words for dimensions: `layout.toml` as values.

The file is data of ours, packaged with the code; a malformed one is a defect and fails as such.
"""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any


def read_layout() -> dict[str, Any]:
    """The pages in their order, the names of dimensions, and those that a reader may filter by."""
    text = files("pipeline.dashboard").joinpath("layout.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
