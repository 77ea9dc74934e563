"""A real Flink cluster on this machine, without containers: JobManager, TaskManagers, Beam's job
server and a pool of Python workers, each a process of its own that a test may kill.

The distribution comes from the package `apache-flink-libraries`, Beam's runner from Maven; both
are fetched once into the user's cache folder. `docs/deployment.md` explains the same parts for
people who run a cluster of their own.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from pipeline.flow.runners.beam_options import JAVA_OPTIONS
from tests.integration.services import java
from tests.integration.services.fetching import alone_in
from tests.integration.services.kafka import die_with_parent
from tests.integration.services.ports import free_port

FLINK_VERSION = "1.19.3"
BEAM_RUNNER = "org.apache.beam:beam-runners-flink-1.19:2.62.0"
DEPLOY = Path(__file__).resolve().parents[3] / "deploy" / "flink"
POM, SHIM = DEPLOY / "pom.xml", DEPLOY / "worker_shim.py"

JOBMANAGER_MEMORY = {
    "jobmanager.memory.heap.size": "469762048b",
    "jobmanager.memory.off-heap.size": "134217728b",
    "jobmanager.memory.jvm-metaspace.size": "268435456b",
    "jobmanager.memory.jvm-overhead.min": "201326592b",
    "jobmanager.memory.jvm-overhead.max": "201326592b",
}
TASKMANAGER_MEMORY = {
    "taskmanager.cpu.cores": "2.0",
    "taskmanager.memory.network.min": "67108864b",
    "taskmanager.memory.network.max": "67108864b",
    "taskmanager.memory.task.heap.size": "402653184b",
    "taskmanager.memory.task.off-heap.size": "0b",
    "taskmanager.memory.managed.size": "67108864b",
    "taskmanager.memory.framework.heap.size": "134217728b",
    "taskmanager.memory.framework.off-heap.size": "134217728b",
    "taskmanager.memory.jvm-metaspace.size": "268435456b",
    "taskmanager.memory.jvm-overhead.min": "201326592b",
    "taskmanager.memory.jvm-overhead.max": "201326592b",
    "external-resources": "none",
}


def missing() -> str | None:
    """Return what this machine lacks to run a cluster, or None."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    return None


@dataclass(frozen=True)
class Distribution:
    """Folders of jars: Flink's own, and Beam's runner without Flink's."""

    flink: Path
    beam: Path

    @property
    def classpath(self) -> str:
        return f"{self.flink}/*:{self.beam}/*"


def fetch(cache: Path) -> Distribution:
    """Return the jars, fetched into `cache` at first use."""
    home = cache / f"flink-{FLINK_VERSION}"
    distribution = Distribution(home / "lib", home / "beamlib")
    with alone_in(home):
        if not (home / "complete").exists():
            _fetch_into(home, distribution)
            (home / "complete").touch()
    return distribution


def _fetch_into(home: Path, distribution: Distribution) -> None:
    for folder in (distribution.flink, distribution.beam):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
    wanted = ["--no-build-isolation", "-d", str(home), f"apache-flink-libraries=={FLINK_VERSION}"]
    subprocess.run([*pip, *wanted], check=True)
    archive = next(home.glob("*.tar.gz"))
    with tarfile.open(archive) as packed:
        for member in packed.getmembers():
            if "/deps/lib/" in member.name and member.name.endswith(".jar"):
                member.name = Path(member.name).name
                packed.extract(member, distribution.flink, filter="data")
    archive.unlink()
    shutil.copy(POM, home)
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={distribution.beam}"]
    subprocess.run(["mvn", "-q", "-B", *goal], cwd=home, check=True)
    for jar in distribution.beam.glob("*.jar"):
        # The cluster brings these itself; two versions of them on one class path break it.
        if jar.name.startswith(("flink-", "slf4j", "log4j")):
            jar.unlink()


def job_server_jar(cache: Path) -> Path:
    """Return Beam's runner and all that it needs as one file, built into `cache` at first use."""
    home = cache / f"flink-job-server-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    with alone_in(home):
        if not (home / "complete").exists():
            shutil.rmtree(home / "target", ignore_errors=True)
            shutil.copy(POM, home)
            subprocess.run(["mvn", "-q", "-B", "package"], cwd=home, check=True)
            (home / "complete").touch()
    return home / "target" / "flink-job-server.jar"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Cluster:
    """The processes of one cluster by name: `jobmanager`, `tm1`.., `jobserver`, `pool1`.."""

    java_options: ClassVar[tuple[str, ...]] = java.QUICK
    """A measurement takes none: it gives the compiler its time."""

    distribution: Distribution
    work: Path
    slots: int = 2
    stock: bool = False
    """Without Beam on the class path: a cluster as anybody has it, for jobs that bring all."""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    rpc_port: int = field(default_factory=free_port)
    rest_port: int = field(default_factory=free_port)
    job_port: int = field(default_factory=free_port)
    artifact_port: int = field(default_factory=free_port)
    pool_ports: dict[int, int] = field(default_factory=dict)

    def start(self, taskmanagers: int = 1, pools: int = 1) -> None:
        """Start everything and return when a job can be submitted."""
        self._configure()
        self.start_jobmanager()
        for number in range(1, taskmanagers + 1):
            self.start_taskmanager(number)
        if not self.stock:
            self.start_jobserver()
            for number in range(1, pools + 1):
                self.start_pool(number)
        expected = taskmanagers * self.slots
        self._wait_for(
            "jobmanager", lambda: self.overview().get("slots-total") == expected, timeout_s=90
        )

    def _configure(self) -> None:
        conf = self.work / "conf"
        conf.mkdir(parents=True, exist_ok=True)
        (conf / "config.yaml").write_text(
            f"""\
jobmanager.rpc.address: localhost
jobmanager.rpc.port: {self.rpc_port}
jobmanager.bind-host: localhost
taskmanager.bind-host: localhost
taskmanager.host: localhost
rest.address: localhost
rest.bind-address: localhost
rest.port: {self.rest_port}
rest.bind-port: "{self.rest_port}"
restart-strategy.type: exponential-delay
restart-strategy.exponential-delay.initial-backoff: 1 s
restart-strategy.exponential-delay.max-backoff: 8 s
restart-strategy.exponential-delay.reset-backoff-threshold: 1 min
execution.checkpointing.interval: 10 s
state.checkpoints.dir: file://{self.work}/checkpoints
heartbeat.interval: "2000"
heartbeat.timeout: "10000"
classloader.resolve-order: {"child" if self.stock else "parent"}-first
classloader.check-leaked-classloader: "false"
io.tmp.dirs: {self.work}/tmp
"""
        )
        (self.work / "tmp").mkdir(exist_ok=True)
        (conf / "log4j.properties").write_text(
            "rootLogger.level=INFO\nrootLogger.appenderRef.console.ref=Console\n"
            "appender.console.name=Console\nappender.console.type=CONSOLE\n"
            "appender.console.layout.type=PatternLayout\n"
            "appender.console.layout.pattern=%d{ISO8601} %-5p %c - %m%n\n"
        )

    def _spawn(self, name: str, command: list[str]) -> None:
        with (self.work / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                # The shim's first line asks for `python3`: it has to be the one with the pipeline.
                env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def _wait_for(self, name: str, ready: Callable[[], bool], timeout_s: float) -> None:
        """Return when a process is ready; tell the end of its log when it never is."""
        process = self.processes[name]
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and process.poll() is None:
            if ready():
                return
            time.sleep(0.2)
        state = "is not ready" if process.poll() is None else f"ended with {process.returncode}"
        tail = "\n".join(self.log(name).splitlines()[-15:])
        raise RuntimeError(f"{name} {state}; its log ends with:\n{tail}")

    def _java(self, heap: str, *main: str) -> list[str]:
        jars = self.distribution
        log4j = f"-Dlog4j.configurationFile={self.work}/conf/log4j.properties"
        return [
            "java",
            *JAVA_OPTIONS,
            *self.java_options,
            f"-Xmx{heap}",
            log4j,
            "-cp",
            f"{jars.flink}/*" if self.stock else jars.classpath,
            *main,
        ]

    def start_jobmanager(self) -> None:
        command = self._java(
            "512m",
            "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
            "--configDir",
            f"{self.work}/conf",
        )
        for key, value in JOBMANAGER_MEMORY.items():
            command += ["-D", f"{key}={value}"]
        self._spawn("jobmanager", command)
        self._wait_for("jobmanager", lambda: _listens(self.rest_port), timeout_s=60)

    def start_taskmanager(self, number: int) -> None:
        command = self._java(
            "512m",
            "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
            "--configDir",
            f"{self.work}/conf",
        )
        own = {"taskmanager.numberOfTaskSlots": str(self.slots)}
        own["taskmanager.resource-id"] = f"tm{number}-{free_port()}"
        for key, value in {**TASKMANAGER_MEMORY, **own}.items():
            command += ["-D", f"{key}={value}"]
        self._spawn(f"tm{number}", command)

    def start_jobserver(self) -> None:
        command = self._java(
            "512m",
            "org.apache.beam.runners.flink.FlinkJobServerDriver",
            "--job-host=localhost",
            f"--job-port={self.job_port}",
            f"--artifact-port={self.artifact_port}",
            "--expansion-port=0",
            f"--flink-master=localhost:{self.rest_port}",
            f"--artifacts-dir={self.work}/artifacts",
        )
        self._spawn("jobserver", command)
        self._wait_for("jobserver", lambda: _listens(self.job_port), timeout_s=60)

    def start_pool(self, number: int = 1) -> None:
        port = self.pool_ports.setdefault(number, free_port())
        pool = [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main"]
        command = [*pool, f"--service_port={port}", f"--container_executable={SHIM}"]
        self._spawn(f"pool{number}", command)
        self._wait_for(f"pool{number}", lambda: _listens(port), timeout_s=60)

    def words(self, pool: int = 1) -> list[str]:
        """Return the words with which `telemetry run` reaches this cluster."""
        return [
            f"--job_endpoint=localhost:{self.job_port}",
            f"--flink_master=localhost:{self.rest_port}",
            "--environment_type=EXTERNAL",
            f"--environment_config=localhost:{self.pool_ports[pool]}",
        ]

    def rest(self, path: str, method: str = "GET") -> Any:
        """Return the JSON answer of the JobManager's REST API, or {} when it is down."""
        request = urllib.request.Request(f"http://localhost:{self.rest_port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return json.loads(answer.read() or b"{}")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return {}

    def overview(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.rest("/overview")
        return answer

    def jobs(self, state: str = "RUNNING") -> list[str]:
        """Return the ids of the jobs that are in `state`."""
        listed = self.rest("/jobs").get("jobs", [])
        return [job["id"] for job in listed if job["status"] == state]

    def alive(self) -> list[str]:
        """Return the ids of the jobs that have not come to an end."""
        listed = self.rest("/jobs").get("jobs", [])
        ended = ("CANCELED", "FAILED", "FINISHED")
        return [job["id"] for job in listed if job["status"] not in ended]

    def log(self, name: str) -> str:
        """Return what a process has logged."""
        return (self.work / f"{name}.log").read_text(errors="replace")

    def kill(self, name: str, sign: int = signal.SIGKILL) -> None:
        """Send a signal to one process; a pool's workers are its children and stay."""
        process = self.processes[name]
        process.send_signal(sign)
        if sign == signal.SIGKILL:
            process.wait()

    def workers(self) -> list[int]:
        """Return the process ids of the Python workers that the pools have started."""
        pools = [p.pid for name, p in self.processes.items() if name.startswith("pool")]
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                command = (entry / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent in pools and b"sdk_worker_main" in command:
                found.append(int(entry.name))
        return found

    def stop(self) -> None:
        """End every process of this cluster, the workers of killed pools included."""
        for process in self.processes.values():
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for process in self.processes.values():
            process.wait()


@contextmanager
def running_cluster(
    cache: Path,
    work: Path,
    *,
    taskmanagers: int = 1,
    pools: int = 1,
    slots: int = 2,
    stock: bool = False,
) -> Iterator[Cluster]:
    """Start a cluster in the folder `work`, yield it, and end all its processes."""
    cluster = Cluster(fetch(cache), work, slots=slots, stock=stock)
    try:
        cluster.start(taskmanagers, pools)
        yield cluster
    finally:
        cluster.stop()
