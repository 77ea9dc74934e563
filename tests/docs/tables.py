"""Tables in the documents that are made from the code, between `<!-- made: NAME -->` marks.

python -m tests.docs.tables      rewrites them; the tests only compare
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from benchmarks import scale
from pipeline.events.schema import EventSchema
from pipeline.io.package_data import load_format, load_schemas, packaged_formats
from pipeline.metrics import DECLARED
from pipeline.privacy.treatments.registry import TREATMENTS

ROOT = Path(__file__).parents[2]
MARKED = re.compile(r"(<!-- made: (?P<name>[\w-]+) -->\n).*?(\n<!-- end -->)", re.S)


def stored(schema: EventSchema) -> str:
    """What becomes of every raw field of one event, in the order of its schema."""
    lines = ["| raw field | sensitivity | treatment | stored as | promise |", "| --- " * 5 + "|"]
    for field in schema.fields:
        columns = ", ".join(f"`{column.name}`" for column in field.columns) or "nothing"
        lines.append(
            f"| `{field.name}` | {field.sensitivity.value} | `{field.treatment}` | {columns} "
            f"| {field.purpose} |"
        )
    return "\n".join(lines)


def metrics() -> str:
    """Every declared metric."""
    lines = ["| metric | kind | labels | says |", "| --- " * 4 + "|"]
    for metric in DECLARED:
        labels = ", ".join(metric.labels) or "none"
        lines.append(f"| `{metric.exported}` | {metric.kind.value} | {labels} | {metric.help} |")
    return "\n".join(lines)


def treatments() -> str:
    """Every treatment, as its class says."""
    lines = ["| treatment | stored |", "| --- | --- |"]
    lines += [f"| `{made.form}` | {made.stores} |" for made in TREATMENTS.values()]
    return "\n".join(lines)


def formats() -> str:
    """Every packaged format."""
    schemas = load_schemas(None)
    lines = ["| name | event | lines |", "| --- " * 3 + "|"]
    for name in packaged_formats():
        found = load_format(name, schemas)
        lines.append(f"| `{name}` | `{found.event}` | {found.comment} |")
    return "\n".join(lines)


def format_fields() -> str:
    """Which raw fields each packaged format carries, but those that every event has."""
    schemas = load_schemas(None)
    found = {name: load_format(name, schemas) for name in packaged_formats()}
    always = {"event_id", "occurred_at"}
    lines = ["| format | id of its own | raw fields |", "| --- " * 3 + "|"]
    for name, one in found.items():
        names = [f"`{rule.field}`" for rule in one.rules if rule.field not in always]
        own = any(rule.field == "event_id" and rule.reads for rule in one.rules)
        lines.append(f"| `{name}` | {'yes' if own else 'no'} | {', '.join(names)} |")
    return "\n".join(lines)


def tables() -> dict[str, str]:
    """Every table by its name."""
    more = {"metrics": metrics(), "treatments": treatments()}
    more |= {"scale-costs": scale.unit_costs(), "scale": scale.report(scale.Load())}
    made = {f"stored-{event}": stored(v[-1]) for event, v in load_schemas(None).items()}
    return {**made, "formats": formats(), "format-fields": format_fields(), **more}


def rewritten(text: str) -> str:
    """The document with each marked table made anew; an unknown name is a KeyError."""
    made = tables()
    return MARKED.sub(lambda match: f"{match[1]}\n{made[match['name']]}\n{match[3]}", text)


def documents() -> list[Path]:
    """Every document that may hold such tables."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def main() -> int:
    """Rewrite all documents in place."""
    for path in documents():
        path.write_text(rewritten(path.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
