"""What Beam is told: our defaults, overridable where that makes sense, and no trap."""

from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.flow.runners.beam_options import (
    DATAFLOW,
    FLINK,
    JAVA_OPTIONS,
    PRISM,
    check_known,
    flink_job,
    runner_named,
    words_for,
)
from pipeline.flow.runners.run_options import EMBEDDED

POOL = (
    "--job_endpoint=localhost:8099",
    "--flink_master=localhost:8081",
    "--environment_type=EXTERNAL",
    "--environment_config=localhost:50000",
)
CLOUD = ("--project=p", "--region=r", "--temp_location=gs://b/t", "--sdk_container_image=i")


def test_flink_is_told_what_we_found_out() -> None:
    assert words_for(FLINK, 3, POOL) == [
        "--runner=FlinkRunner",
        "--streaming",
        "--job_name=telemetry",
        "--parallelism=3",
        "--sdk_worker_parallelism=6",
        "--checkpointing_interval=10000",
        "--max_bundle_time_mills=200",
        "--number_of_execution_retries=-1",
        *POOL,
    ]


@pytest.mark.parametrize(
    "words", [["--max_bundle_time_mills=50"], ["--max_bundle_time_mills", "50"]]
)
def test_a_word_of_the_user_replaces_ours(words: list[str]) -> None:
    told = words_for(FLINK, 1, [*POOL, *words])
    assert told[-len(words) :] == words
    assert "--max_bundle_time_mills=200" not in told


def test_on_flink_a_run_to_the_end_ends() -> None:
    ending = "--shutdown_sources_after_idle_ms=0"
    assert ending in words_for(FLINK, 1, POOL, to_end=True)
    assert ending not in words_for(FLINK, 1, POOL)


def test_dataflow_grows_up_to_the_workers() -> None:
    told = words_for(DATAFLOW, 12, CLOUD)
    assert "--max_num_workers=12" in told
    assert "--enable_streaming_engine" in told
    assert "--number_of_worker_harness_threads=1" in told


def test_prism_needs_nothing() -> None:
    assert words_for(PRISM, 1, ()) == ["--runner=PrismRunner", "--streaming"]


def test_the_embedded_runner_needs_no_words() -> None:
    assert words_for(EMBEDDED, 4, ()) == []


@pytest.mark.parametrize(
    ("runner", "words", "reason"),
    [
        (EMBEDDED, ["--parallelism=2"], "--parallelism"),
        (EMBEDDED, ["--setup_file=x"], "another Beam runner"),
        ("DirectRunner", [], "DirectRunner would fetch"),
        ("BundleBasedDirectRunner", [], "would fetch"),
        (FLINK, [], "where Flink's Python workers run"),
        (FLINK, ["--environment_type=DOCKER"], "where Flink's Python workers run"),
        (FLINK, ["--environment_type=EXTERNAL"], "address of the worker pool"),
        (FLINK, [POOL[0], *POOL[2:]], "address of Flink itself"),
        (FLINK, [*POOL, "--runner=X"], "--runner"),
        (FLINK, [*POOL, "--parallelism=8"], "--parallelism"),
        (FLINK, [*POOL, "--no_streaming"], "--no_streaming"),
        (FLINK, [*POOL, "--checkpointing_interval=-1"], "without checkpoints"),
        (FLINK, [*POOL, "--checkpointing_interval", "0"], "without checkpoints"),
        (FLINK, [*POOL, "--flink_submit_uber_jar"], "either through"),
        (DATAFLOW, CLOUD[1:], "--project"),
        (DATAFLOW, CLOUD[:3], "no pipeline in them"),
        (DATAFLOW, [*CLOUD, "--update"], "not updated in place"),
    ],
)
def test_what_cannot_work_is_refused(runner: str, words: list[str], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        words_for(runner, 2, words)


def test_a_job_server_that_beam_starts_gets_what_java_17_wants() -> None:
    local = ["--flink_master=[local]", "--flink_job_server_jar=x.jar"]
    told = words_for(FLINK, 1, local)
    assert [w for w in told if "job_server_jvm" in w] == [
        f"--job_server_jvm_properties={option}" for option in JAVA_OPTIONS
    ]
    own = [*local, "--job_server_jvm_properties=-Xmx1g"]
    assert [w for w in words_for(FLINK, 1, own) if "job_server_jvm" in w] == own[2:]


def test_a_job_of_a_cluster_can_be_found_there() -> None:
    told = words_for(FLINK, 1, POOL)
    assert flink_job(told) == ("localhost:8081", "telemetry")
    assert flink_job(words_for(FLINK, 1, [*POOL, "--job_name", "mine"])) == (
        "localhost:8081",
        "mine",
    )
    assert flink_job(words_for(FLINK, 1, ["--flink_master=[local]"])) is None
    assert flink_job(words_for(DATAFLOW, 1, CLOUD)) is None


def test_a_local_flink_needs_no_pool() -> None:
    assert "--flink_master=[local]" in words_for(FLINK, 1, ["--flink_master=[local]"])


@pytest.mark.parametrize("name", ["flinkrunner", "FLINKRUNNER", "FlinkRunner"])
def test_a_runner_is_matched_without_case(name: str) -> None:
    assert runner_named(name) == FLINK


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("flink", "FlinkRunner"), ("DataflwRunner", "DataflowRunner"), ("prism", "PrismRunner")],
)
def test_a_runner_that_is_misspelt_is_suggested(name: str, suggestion: str) -> None:
    with pytest.raises(UsageError, match=rf"Did you mean {suggestion}\?"):
        runner_named(name)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("--checkpoint_interval=1000", "checkpointing_interval"),
        ("--flink_mastr=h:1", "flink_master"),
        ("--enviroment_type=EXTERNAL", "environment_type"),
        ("--objekt_reuse", "object_reuse"),
    ],
)
def test_a_misspelt_option_of_beam_is_refused(word: str, meant: str) -> None:
    with pytest.raises(UsageError, match=rf"Did you mean --{meant}\?"):
        check_known([word], {"flink_master", "environment_type", "environment_config"})


def test_an_option_that_resembles_nothing_is_the_job_servers_affair() -> None:
    check_known(["--zookeeper=h:1", "--no_streaming"], {"flink_master", "streaming"})


def test_a_stray_word_is_refused() -> None:
    with pytest.raises(UsageError, match="neither an option"):
        check_known(["--flink_master=h:1", "flink_master=h:2"], {"flink_master"})
    check_known(["--flink_master", "h:1"], {"flink_master"})


@pytest.mark.parametrize("given", ["LOOPBAK", "external", "Proces"])
def test_where_workers_run_is_a_closed_list(given: str) -> None:
    with pytest.raises(UsageError, match=r"Did you mean (LOOPBACK|EXTERNAL|PROCESS)"):
        words_for(FLINK, 1, ["--flink_master=h:1", f"--environment_type={given}"])
