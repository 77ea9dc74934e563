"""Engines in an environment of their own: Spark on Java, ClickHouse in a process, SQL parsers.

They run by scripts that know nothing of the pipeline (`spark_cells.py`, `chdb_cells.py`), under
the interpreter that `make readers` prepared.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import CACHE
from tests.readers.states import EVENT, QUERY, States, folder, truth
from tests.rules.sources import ROOT

INTERPRETER = Path(os.environ.get("TELEMETRY_READERS", CACHE / "readers")) / "bin" / "python"
HERE = ROOT / "tests" / "readers"
PLAIN = ("plain", "sealed", "checkpoints", "mixed")
STATES = (*PLAIN, "encrypted")
ENGINES = ("spark", "trino", "bigquery", "duckdb")
WAYS = {"spark": ("folder", "glob", "ddl"), "chdb": ("files", "deltaLakeLocal")}

Cells = dict[str, dict[str, Any]]

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(not INTERPRETER.exists(), reason="`make readers` installs them"),
]


def run(script: str, *words: str, stdin: str, cwd: Path | None = None) -> str:
    """Run a script under the readers' interpreter; nothing of ours is on its path."""
    command = [str(INTERPRETER), "-I", str(HERE / script), *words]
    done = subprocess.run(
        command, input=stdin, cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def ddl(states: States, engine: str, state: str) -> str:
    it = states.of(state)
    document = it.ask("schema", "ddl", engine)
    return str(document["statements"])


def cells(states: States, ways: tuple[str, ...]) -> Cells:
    """The question for every state in every way, in the engine's own names."""
    return {
        f"{state}-{way}": {
            "folder": folder(states.of(state)),
            "way": way,
            "query": QUERY,
            "ddl": ddl(states, "spark", state),
            "table": f"{EVENT}_files",
        }
        for state in STATES
        for way in ways
    }


@pytest.fixture(scope="session")
def by_spark(states: States, tmp_path_factory: pytest.TempPathFactory) -> Cells:
    """Every cell, asked in one session."""
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java 17 or newer")
    home = tmp_path_factory.mktemp("spark")
    asked = json.dumps(cells(states, WAYS["spark"]))
    found: Cells = json.loads(run("spark_cells.py", str(home), stdin=asked, cwd=home))
    return found


@pytest.fixture(scope="session")
def by_chdb(states: States) -> Cells:
    """Every cell, asked in one process that stands above all lakes."""
    asked = json.dumps(cells(states, WAYS["chdb"]))
    found: Cells = json.loads(run("chdb_cells.py", stdin=asked, cwd=states.root))
    return found


@pytest.mark.parametrize("state", PLAIN)
@pytest.mark.parametrize("way", WAYS["spark"])
def test_spark_finds_what_telemetry_sql_finds(
    states: States, by_spark: Cells, way: str, state: str
) -> None:
    cell = by_spark[f"{state}-{way}"]
    assert cell.get("days") == truth(states.of(state)), cell
    assert cell["types"]["event_date"] == "date"


@pytest.mark.parametrize("state", PLAIN)
@pytest.mark.parametrize("way", WAYS["chdb"])
def test_clickhouse_finds_what_telemetry_sql_finds(
    states: States, by_chdb: Cells, way: str, state: str
) -> None:
    cell = by_chdb[f"{state}-{way}"]
    assert cell.get("days") == truth(states.of(state)), cell


@pytest.mark.parametrize("way", WAYS["spark"])
def test_spark_refuses_encrypted_files(by_spark: Cells, way: str) -> None:
    assert "refused" in by_spark[f"encrypted-{way}"]


@pytest.mark.parametrize("way", WAYS["chdb"])
def test_clickhouse_refuses_encrypted_files(by_chdb: Cells, way: str) -> None:
    assert "refused" in by_chdb[f"encrypted-{way}"]


PARSE = r"""
import json, re, sys
import sqlglot
from sqlglot import exp
found = []
strict = sqlglot.ErrorLevel.RAISE
text = sys.stdin.read()
if sys.argv[1] == "bigquery":
    # sqlglot knows neither word of an external table; the rest of the statement it does.
    text, external = re.subn("CREATE OR REPLACE EXTERNAL TABLE", "CREATE OR REPLACE TABLE", text)
    text, partitions = re.subn(r"\nWITH PARTITION COLUMNS \(event_date DATE\)", "", text)
    assert external == partitions == 4
for tree in sqlglot.parse(text, read=sys.argv[1], error_level=strict):
    kind = type(tree).__name__ + " " + str(tree.args.get("kind") or "")
    table = tree.find(exp.Table)
    columns = [column.name for column in tree.find_all(exp.ColumnDef)]
    names = tree.named_selects if isinstance(tree, exp.Query) else []
    inner = tree.args.get("expression")
    if isinstance(inner, exp.Query):
        names = inner.named_selects
    found.append([kind.strip(), table.name if table else "", columns, names])
print(json.dumps(found))
"""


@pytest.fixture(scope="session")
def parsed(states: States, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Any]]:
    script = tmp_path_factory.mktemp("parse") / "parse.py"
    script.write_text(PARSE)

    def parse(engine: str) -> list[Any]:
        text = ddl(states, engine, "plain")
        command = [str(INTERPRETER), "-I", str(script), engine]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        found: list[Any] = json.loads(done.stdout)
        return found

    return parse


@pytest.mark.parametrize("engine", ENGINES)
def test_the_statements_are_the_engines_sql_and_name_every_column(
    states: States, parsed: Callable[[str], list[Any]], engine: str
) -> None:
    statements = parsed(engine)
    assert "" not in [kind for kind, *_ in statements]
    made = {table for kind, table, *_ in statements if kind.startswith("Create")}
    views = {event for event in made if not event.endswith("_files")}
    assert views == {"api_request", "error_log", "feature_use", "session"}
    declared = set(truth_columns(states))
    (view,) = [
        names for kind, table, _, names in statements if (kind, table) == ("Create VIEW", EVENT)
    ]
    assert set(view) == declared
    if engine != "duckdb":
        (table,) = [
            columns for _, table, columns, _ in statements if table == f"{EVENT}_files" and columns
        ]
        assert set(table) | {"event_date"} == declared


def truth_columns(states: States) -> list[str]:
    described = states.of("plain").ask("sql", f"DESCRIBE {EVENT}")
    return [row["column_name"] for row in described]


def test_the_notebook_runs(states: States, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    # marimo leaves a folder of its own beside the notebook.
    notebook = Path(shutil.copy(ROOT / "docs" / "notebooks" / "lake.py", tmp_path))
    command = [
        *(str(INTERPRETER), "-m", "marimo", "-q", "export", "html"),
        *(str(notebook), "-o", str(page), "--no-include-code"),
        *("--", "--lake", str(states.of("plain").lake)),
    ]
    env = {**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    assert "p95_ms" in page.read_text()
