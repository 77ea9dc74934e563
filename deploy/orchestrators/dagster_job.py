"""A Dagster job of the daily chain with its schedule: `dagster dev -f dagster_job.py`.

telemetry_chain.py lies beside it. Each run does what is due as of now.
"""

from dagster import (
    Definitions,
    Failure,
    In,
    Nothing,
    OpDefinition,
    OpExecutionContext,
    RetryRequested,
    ScheduleDefinition,
    job,
    op,
)
from telemetry_chain import STEPS, StepFailed, run_step


def step(name: str) -> OpDefinition:
    """Return the op of one step; what another try cannot mend fails at once."""

    @op(name=name, ins={"before": In(Nothing)}, tags={"dagster/concurrency_key": "telemetry"})
    def run(context: OpExecutionContext) -> dict[str, object]:
        try:
            done: dict[str, object] = run_step(name)
        except StepFailed as failure:
            if failure.again:
                raise RetryRequested(max_retries=3, seconds_to_wait=600) from failure
            raise Failure(str(failure), allow_retries=False) from None
        context.log.info("%s: %s", name, done)
        return done

    return run


@job
def telemetry_daily() -> None:
    """Seal, rollup, plan an expiry, audit: one after the other."""
    before = None
    for name, _ in STEPS:
        before = step(name)() if before is None else step(name)(before=before)


definitions = Definitions(
    jobs=[telemetry_daily],
    schedules=[ScheduleDefinition(job=telemetry_daily, cron_schedule="30 2 * * *")],
)
