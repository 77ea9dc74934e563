"""An Airflow DAG (3.1 or newer) of the daily chain; telemetry_chain.py lies beside it.

Runs do not overlap and are not caught up: each run does what is due as of now.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from telemetry_chain import STEPS, StepFailed, run_step


@task(retries=3, retry_delay=timedelta(minutes=10), execution_timeout=timedelta(hours=4))
def telemetry(name: str) -> dict[str, object]:
    """Run one step; what another try cannot mend fails at once."""
    try:
        done: dict[str, object] = run_step(name)
    except StepFailed as failure:
        kind = AirflowException if failure.again else AirflowFailException
        raise kind(str(failure)) from None
    return done


@dag(
    dag_id="telemetry_daily",
    schedule="30 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["telemetry"],
)
def telemetry_daily() -> None:
    """Seal, rollup, plan an expiry, audit: one after the other."""
    before = None
    for name, _ in STEPS:
        step = telemetry.override(task_id=name)(name)
        if before is not None:
            before >> step
        before = step


telemetry_daily()
