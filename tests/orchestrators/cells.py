"""What runs in the orchestrators' environment, and says what it saw as one JSON document.

python tests/orchestrators/cells.py airflow|dagster [STEP...]
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

DEPLOY = Path(__file__).parents[2] / "deploy" / "orchestrators"


def airflow(steps: list[str]) -> dict[str, Any]:
    """The DAG as Airflow parses it, and what each step raises."""
    import airflow_dag

    made = airflow_dag.telemetry_daily()
    raised = {}
    for name in steps:
        function = made.get_task(name).python_callable
        try:
            raised[name] = function(name)
        except Exception as failure:
            raised[name] = type(failure).__name__
    return {
        "id": made.dag_id,
        "after": {task.task_id: sorted(task.upstream_task_ids) for task in made.tasks},
        "retries": {task.task_id: task.retries for task in made.tasks},
        "catchup": made.catchup,
        "most": made.max_active_runs,
        "raised": raised,
    }


def dagster(steps: list[str]) -> dict[str, Any]:
    """The job as Dagster loads it: what each step raises, or without steps a run of it here."""
    import dagster_job
    from dagster import build_op_context

    chain = dagster_job.definitions.get_job_def("telemetry_daily")
    raised = {}
    for name in steps:
        try:
            raised[name] = dagster_job.step(name)(build_op_context())
        except Exception as failure:
            again = getattr(failure, "max_retries", 0)
            raised[name] = f"{type(failure).__name__}, {again} more"
    told = {
        "after": {
            node.name: [one.node for one in needs.values()]
            for node, needs in chain.dependencies.items()
        },
        "schedules": [one.cron_schedule for one in dagster_job.definitions.schedules],
        "raised": raised,
    }
    if steps:
        return told
    done = chain.execute_in_process(raise_on_error=False)
    return {**told, "ok": done.success,
            "told": {name: done.output_for_node(name) for name in told["after"]}
            if done.success else {}}  # fmt: skip


if __name__ == "__main__":
    sys.path.insert(0, str(DEPLOY))
    with contextlib.redirect_stdout(io.StringIO()):
        told = {"airflow": airflow, "dagster": dagster}[sys.argv[1]](sys.argv[2:])
    print(json.dumps(told))
