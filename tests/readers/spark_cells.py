"""Read lakes with PySpark; runs in the readers' own environment and knows nothing of ours.

`python spark_cells.py WAREHOUSE < question.json > answer.json`; see `test_engines.py`. Arguments
are event folders; the answer has each day's rows and sums as Spark gives them, or the name of the
refusal.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pyspark.sql import DataFrame, SparkSession


def open_session(warehouse: str) -> SparkSession:
    """Make a session that keeps everything it writes in one folder."""
    derby = f"-Dderby.system.home={warehouse} -Djava.io.tmpdir={warehouse}"
    return (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.warehouse.dir", f"{warehouse}/tables")
        .config("spark.driver.memory", "1g")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.extraJavaOptions", derby)
        .config("spark.sql.session.timeZone", "UTC")
        .enableHiveSupport()
        .getOrCreate()
    )


def days(session: SparkSession, rows: DataFrame, query: str) -> list[list[Any]]:
    """Ask the question of `rows`."""
    rows.createOrReplaceTempView("asked")
    return [[str(row[0]), *row[1:]] for row in session.sql(query.format("asked")).collect()]


def answer(session: SparkSession, cell: dict[str, str]) -> dict[str, Any]:
    """Read one event's folder in one way."""
    folder, way = cell["folder"], cell["way"]
    try:
        if way == "folder":
            rows = session.read.option("mergeSchema", "true").parquet(folder)
        elif way == "glob":
            read = session.read.option("basePath", folder).option("mergeSchema", "true")
            rows = read.parquet(f"{folder}/event_date=*/*.parquet")
        else:
            session.sql(f"DROP TABLE IF EXISTS {cell['table']}")
            for statement in cell["ddl"].split(";"):
                if cell["table"] in statement:
                    session.sql(statement)
            rows = session.table(cell["table"])
        types = dict(rows.dtypes)
        return {"days": days(session, rows, cell["query"]), "types": types}
    except Exception as error:
        return {"refused": type(error).__name__, "why": str(error)[:2000]}


def main() -> None:
    """Answer every cell of standard input."""
    session = open_session(sys.argv[1])
    session.sparkContext.setLogLevel("OFF")
    cells = json.load(sys.stdin)
    json.dump({name: answer(session, cell) for name, cell in cells.items()}, sys.stdout)
    session.stop()


main()
