"""How Sphinx makes the documentation's site of the Markdown in the repository: `make site`.

The pages stay plain Markdown; the order of the site is `contents.toml`. Nothing is fetched when the
site is built or read, and its search works from a folder too.
"""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CONTENTS = tomllib.loads((HERE / "contents.toml").read_text("utf-8"))

project = "Telemetry pipeline"
copyright = "The authors"  # noqa: A001 - Sphinx calls it so
release = next(
    ast.literal_eval(node.value)
    for node in ast.parse((ROOT / "pipeline" / "__init__.py").read_text("utf-8")).body
    if isinstance(node, ast.Assign)
)
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = [f"{page}.md" for part in CONTENTS["parts"] for page in part["pages"]]
include_patterns += [f"{root_doc}.md"]
exclude_patterns = [".*", "build", "kernel", "pipeline", "schemas", "tests", "benchmarks"]
nitpicky = True

myst_heading_anchors = 6
# TOML blocks that show a part of a file, and lines of the demo's output, are no whole programs.
suppress_warnings = ["misc.highlighting_failure"]
highlight_language = "text"

html_theme = "furo"
html_title = f"{project} {release}"
html_extra_path = ["extra"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"source_edit_link": None, "footer_icons": []}


def add_contents(app: object, name: str, source: list[str]) -> None:
    """Give the front page the site's order, which in the repository is a table of links."""
    del app
    if name != root_doc:
        return
    for part in CONTENTS["parts"]:
        pages = "\n".join(f"/{page}" for page in part["pages"])
        source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {part['title']}\n\n{pages}\n```\n"


def setup(app: Any) -> None:
    """Register with Sphinx."""
    app.connect("source-read", add_contents)
