"""How Sphinx makes the documentation's site of the Markdown in the repository: `make site`.

The pages stay plain Markdown; the order of the site is `contents.toml`. Nothing is fetched when the
site is built or read, and its search works from a folder too.
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([\w./-]+)\)")
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

html_theme = "furo"
html_title = f"{project} {release}"
html_extra_path = ["extra"]
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # a page read from a folder may not fetch another one
html_theme_options: dict[str, object] = {"source_edit_link": None, "footer_icons": []}


def adapt(app: object, name: str, source: list[str]) -> None:
    """Make a page of the repository one of the site.

    Links to folders, which a site does not have, become their text; the front page gets the
    site's order, which in the repository is a table of links.
    """
    del app
    here = (ROOT / name).parent

    def plain(link: re.Match[str]) -> str:
        return link[1] if (here / link[2]).is_dir() else link[0]

    source[0] = LINK.sub(plain, source[0])
    if name != root_doc:
        return
    for part in CONTENTS["parts"]:
        pages = "\n".join(f"/{page}" for page in part["pages"])
        source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {part['title']}\n\n{pages}\n```\n"


def setup(app: Any) -> None:
    """Register with Sphinx."""
    app.connect("source-read", adapt)
