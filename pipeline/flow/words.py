"""The words for Beam: what we say to a runner unless told otherwise, and what we refuse.

Beam takes any word and ignores what it does not know, so a combination that cannot work is
refused here, before a job is submitted, with the words that would work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.errors import UsageError
from pipeline.flow.options import EMBEDDED

FLINK, DATAFLOW, PRISM = "FlinkRunner", "DataflowRunner", "PrismRunner"

SHARDS_PER_WORKER = 4
"""Flink places shards by a hash of theirs: with several for each subtask none stays empty."""

JOB_NAME = "telemetry"
"""One job of a name runs at a time: a client that starts ends what a lost one has left."""

FLINK_DEFAULTS: Mapping[str, str] = {
    "checkpointing_interval": "10000",
    # A deferred shard waits until its bundle closes: the default of a second costs 1.2 s a slice.
    "max_bundle_time_mills": "200",
    "number_of_execution_retries": "-1",  # the cluster's restart strategy decides
}
FLINK_TO_END: Mapping[str, str] = {
    # Else Beam keeps the step that has named the shards alive, for the sake of checkpoints.
    "shutdown_sources_after_idle_ms": "0",
}
_PACKAGES = (
    *("lang", "net", "io", "nio", "text", "time", "util"),
    *("lang.reflect", "util.concurrent", "util.concurrent.atomic", "util.concurrent.locks"),
)
JAVA_OPTIONS = (
    "--add-exports=java.base/sun.net.util=ALL-UNNAMED",
    "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    *(f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in _PACKAGES),
)
"""What Flink and Beam ask of Java 17, wherever they run: a job server of our own included."""

PASSED_ON = (*FLINK_DEFAULTS, *FLINK_TO_END)
"""Beam for Python does not know these words, and hands them to the job server, which does."""

DATAFLOW_DEFAULTS: Mapping[str, str] = {
    # A turn holds its process; more threads would wait for it, and only cost memory.
    "number_of_worker_harness_threads": "1",
    "enable_streaming_engine": "",
    "autoscaling_algorithm": "THROUGHPUT_BASED",
}

_OURS = {
    "runner": "--runner before the --",
    "parallelism": "--workers",
    "streaming": "nothing: every run is a streaming one",
    "no_streaming": "--once, to read to the end and stop",
}
_JAVA_WORD = "job_server_jvm_properties"
_WORKERS_ANYWHERE = ("EXTERNAL", "PROCESS", "LOOPBACK")


def words_for(
    runner: str, workers: int, given: Sequence[str], *, to_end: bool = False
) -> list[str]:
    """Return all words for Beam. Raises `UsageError` for those that do not go together.

    `to_end`: the job is to end by itself when its shards have.
    """
    named = named_words(given)
    for name, instead in _OURS.items():
        if name in named:
            raise UsageError(
                f"--{name} is not said after the --", remedy=f"Use {instead} and leave it out"
            )
    if runner == EMBEDDED:
        if given:
            raise UsageError(
                "words after -- are for another Beam runner, and this run has none",
                remedy="Add --runner FlinkRunner, DataflowRunner or PrismRunner, or leave them out",
            )
        return []
    if runner.endswith("DirectRunner"):
        raise UsageError(
            f"{runner} would fetch and start another runner, or lose what a source defers",
            remedy=f"Leave --runner out: {EMBEDDED} with --workers N runs on this machine",
        )
    defaults: dict[str, str] = {}
    if runner == FLINK:
        _check_flink(named)
        # Two stages take turns at the worker processes of a machine: with two for each subtask
        # no two subtasks read in the same process.
        defaults = {
            "job_name": JOB_NAME,
            "parallelism": str(workers),
            "sdk_worker_parallelism": str(2 * workers),
            **FLINK_DEFAULTS,
        }
        if to_end:
            defaults |= FLINK_TO_END
    elif runner == DATAFLOW:
        _check_dataflow(named)
        defaults = {"max_num_workers": str(workers), **DATAFLOW_DEFAULTS}
    ours = [
        f"--{name}={value}" if value else f"--{name}"
        for name, value in defaults.items()
        if name not in named
    ]
    if runner == FLINK and not {"job_endpoint", _JAVA_WORD}.intersection(named):
        ours += [f"--{_JAVA_WORD}={option}" for option in JAVA_OPTIONS]
    return [f"--runner={runner}", "--streaming", *ours, *given]


def flink_job(words: Sequence[str]) -> tuple[str, str] | None:
    """Return the REST address of Flink and the job's name; None if no cluster runs the job."""
    named = named_words(words)
    master = named.get("flink_master", "")
    if named.get("runner") != FLINK or master.startswith("["):
        return None
    return master, named["job_name"]


def named_words(given: Sequence[str]) -> dict[str, str]:
    """The options among the words, by name; both `--name=value` and `--name value` are read."""
    found: dict[str, str] = {}
    for index, word in enumerate(given):
        if not word.startswith("--"):
            continue
        name, equals, value = word[2:].partition("=")
        following = given[index + 1] if index + 1 < len(given) else "--"
        if not equals and not following.startswith("--"):
            value = following
        found[name] = value
    return found


def _check_flink(named: Mapping[str, str]) -> None:
    environment = named.get("environment_type", "")
    if environment not in _WORKERS_ANYWHERE and named.get("flink_master") != "[local]":
        raise UsageError(
            "Flink is not told where its Python workers run, or it would take Beam's own image, "
            "which has no pipeline in it",
            remedy="Add --environment_type=EXTERNAL --environment_config=HOST:PORT of a worker "
            "pool, or PROCESS with the worker shim (docs/deployment.md)",
        )
    if environment == "EXTERNAL" and "environment_config" not in named:
        raise UsageError(
            "the address of the worker pool is missing",
            remedy="Add --environment_config=HOST:PORT",
        )
    if "flink_master" not in named:
        raise UsageError(
            "the address of Flink itself is missing; without it no job could be cancelled",
            remedy="Add --flink_master=HOST:PORT, the JobManager's REST address",
        )
    if "job_endpoint" in named and "flink_submit_uber_jar" in named:
        raise UsageError(
            "a job goes either through a job server or to the cluster as one jar",
            remedy="Leave out --job_endpoint or --flink_submit_uber_jar",
        )
    if named.get("checkpointing_interval", "1").startswith(("-", "0")):
        raise UsageError(
            "without checkpoints Flink starts all shards anew whenever one worker dies",
            remedy="Leave --checkpointing_interval out; it is 10 s",
        )


def _check_dataflow(named: Mapping[str, str]) -> None:
    missing = [name for name in ("project", "region", "temp_location") if not named.get(name)]
    if missing:
        raise UsageError(
            f"Dataflow needs {' and '.join(f'--{name}' for name in missing)}",
            remedy="Add them after the --; deploy/dataflow/README.md lists all",
        )
    if "sdk_container_image" not in named:
        raise UsageError(
            "Dataflow's workers would have no pipeline in them",
            remedy="Add --sdk_container_image=IMAGE, made from deploy/dataflow/Dockerfile",
        )
    if "update" in named:
        raise UsageError(
            "a job is not updated in place: the position is in the lake, not in the job",
            remedy="Drain or cancel the old job and submit a new one; nothing is lost or doubled",
        )
