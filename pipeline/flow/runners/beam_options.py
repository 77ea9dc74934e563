"""Options for Beam: our defaults for each runner, and the combinations that are refused.

Beam accepts any option and ignores what it does not know, so a combination that cannot work is
refused here, before a job is submitted, with the options that would work.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Mapping, Sequence

from pipeline.errors import UsageError
from pipeline.flow.runners.run_options import EMBEDDED

LOG = logging.getLogger(__name__)

FLINK, DATAFLOW, PRISM = "FlinkRunner", "DataflowRunner", "PrismRunner"

RUNNERS = (EMBEDDED, FLINK, DATAFLOW, PRISM)
"""The runners that this pipeline was measured on: Beam takes any name, and would import it."""

SHARDS_PER_WORKER = 4
"""Flink places shards by their hash: with several for each subtask, none stays empty."""

JOB_NAME = "telemetry"
"""One job of a name runs at a time: a client that starts ends the job of a lost one."""

FLINK_DEFAULTS: Mapping[str, str] = {
    "checkpointing_interval": "10000",
    # A deferred shard waits until its bundle closes: the default of a second costs 1.2 s a slice.
    "max_bundle_time_mills": "200",
    "number_of_execution_retries": "-1",  # the cluster's restart strategy decides
}
FLINK_TO_END: Mapping[str, str] = {
    # Otherwise Beam keeps the step that named the shards alive, for the sake of checkpoints.
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
"""What Flink and Beam require of Java 17, wherever they run: our own job server included."""

PASSED_ON = (*FLINK_DEFAULTS, *FLINK_TO_END)
"""Beam for Python does not know these options, and passes them on to the job server, which does."""

_JOB_SERVER = frozenset(
    {
        *(
            "allow_non_restored_state",
            "attached_mode",
            "auto_watermark_interval",
            "checkpointing_mode",
        ),
        *("checkpoint_timeout_millis", "disable_metrics", "enable_stable_input_drain"),
        *("execution_mode_for_batch", "execution_retry_delay", "externalized_checkpoints_enabled"),
        *("fail_on_checkpointing_errors", "faster_copy", "files_to_stage"),
        *("finish_bundle_before_checkpointing", "flink_conf_dir", "force_slot_sharing_group"),
        *("force_unaligned_checkpoint_enabled", "job_check_interval_in_secs", "jobmanager_port"),
        *("latency_tracking_interval", "max_bundle_size", "max_parallelism"),
        *("min_pause_between_checkpoints", "num_concurrent_checkpoints", "object_reuse"),
        *("operator_chaining", "parallelism", "re_iterable_group_by_key_result"),
        *("retain_externalized_checkpoints_on_cancellation", "savepoint_path", "state_backend"),
        *("sdk_worker_parallelism", "state_backend_storage_path", "state_cache_size"),
        *("tolerable_checkpoint_failure_number", "unaligned_checkpoint_enabled"),
    }
)
"""Options of Beam's FlinkPipelineOptions (Java), which Beam for Python does not list."""

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


def runner_named(name: str) -> str:
    """Return a runner's name as Beam writes it. Raises `UsageError`, without the word.

    >>> runner_named("flinkrunner")
    'FlinkRunner'
    """
    known = {runner.lower(): runner for runner in RUNNERS}
    lower = name.lower()
    if lower in known:
        return known[lower]
    if lower.endswith("directrunner"):
        raise UsageError(
            "a DirectRunner would fetch and start another runner, or lose what a source defers",
            remedy=f"Leave --runner out: {EMBEDDED} with --workers N runs on this machine",
        )
    near = difflib.get_close_matches(lower, [*known, *(one[:-6] for one in known)], n=1, cutoff=0.5)
    meant = next((known[one] for one in known if near and one.startswith(near[0])), None)
    raise UsageError(
        f"--runner is invalid: expected {', '.join(RUNNERS[:-1])} or {RUNNERS[-1]}",
        remedy=f"Did you mean {meant}?" if meant else "Leave it out to run on this machine",
    )


def check_known(given: Sequence[str], known: Iterable[str]) -> None:
    """Refuse a word for Beam that is not an option, or misspells one of `known` (without dashes).

    Beam takes any option and ignores what it does not know. What resembles no option is let through
    with a warning: a job server may know options that Beam for Python does not. Raises
    `UsageError`, without values.
    """
    names = {*known, *PASSED_ON, *_JOB_SERVER}
    takes_value = False
    for word in given:
        if not word.startswith("--"):
            if not takes_value:
                raise UsageError(
                    "a word after the -- is neither an option for Beam nor its value",
                    remedy="Write --name=value",
                )
            takes_value = False
            continue
        name, equals, _ = word[2:].partition("=")
        takes_value = not equals
        if name in names or name.removeprefix("no_") in names:
            continue
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.75)
        if near:
            raise UsageError(
                "an option after the -- is unknown to Beam, which would ignore it",
                remedy=f"Did you mean --{near[0]}?",
            )
        LOG.warning("An option after the -- is unknown to Beam for Python, and only passed on")


def words_for(
    runner: str, workers: int, given: Sequence[str], *, to_end: bool = False
) -> list[str]:
    """Return all options for Beam. Raises `UsageError` for those that exclude each other.

    `to_end`: the job is to end by itself when its shards do.
    """
    runner = runner_named(runner)
    named = named_words(given)
    for name, instead in _OURS.items():
        if name in named:
            raise UsageError(
                f"--{name} does not belong after the --", remedy=f"Use {instead} and leave it out"
            )
    if runner == EMBEDDED:
        if given:
            raise UsageError(
                "options after -- are for another Beam runner, and this run has none",
                remedy="Add --runner FlinkRunner, DataflowRunner or PrismRunner, or leave them out",
            )
        return []
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
    near = difflib.get_close_matches(environment.upper(), _WORKERS_ANYWHERE, n=1, cutoff=0.6)
    if near and environment != near[0]:
        raise UsageError(
            "--environment_type is invalid: expected EXTERNAL, PROCESS or LOOPBACK",
            remedy=f"Did you mean {near[0]}?",
        )
    if environment not in _WORKERS_ANYWHERE and named.get("flink_master") != "[local]":
        raise UsageError(
            "it is not given where Flink's Python workers run; Flink would take Beam's own image, "
            "which has no pipeline in it",
            remedy="Add --environment_type=EXTERNAL --environment_config=HOST:PORT of a worker "
            "pool, or PROCESS with the worker shim of deploy/flink",
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
            "without checkpoints Flink restarts all shards whenever one worker dies",
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
            remedy="Drain or cancel the old job and submit a new one; nothing is lost or "
            "duplicated",
        )
