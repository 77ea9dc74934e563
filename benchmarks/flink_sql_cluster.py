"""A Flink cluster that takes SQL from Kafka to Parquet: one JobManager, one pinned TaskManager.

Flink itself is the distribution that the tests run Beam on. Its connectors come from Maven once,
and the functions of `flink_sql/telemetry/` are compiled by javac once; both stay in the cache.
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import ClassVar

from benchmarks.harness import ContenderFailed
from tests.integration.services.flink import Cluster, Distribution, fetch
from tests.integration.services.flink import missing as flink_missing
from tests.integration.services.ports import free_port

SOURCES = Path(__file__).parent / "flink_sql"
JARS = (
    "org.apache.flink:flink-connector-kafka:3.3.0-1.19",
    # The last one that the registry in use had; the format has not changed since.
    "org.apache.flink:flink-parquet:1.19.2",
    "org.apache.hadoop:hadoop-client-api:3.3.6",
    "org.apache.hadoop:hadoop-client-runtime:3.3.6",
    "com.github.luben:zstd-jni:1.5.5-11",
)
MEMORY = {
    "taskmanager.memory.network.min": "64mb",
    "taskmanager.memory.network.max": "64mb",
    "taskmanager.memory.task.heap.size": "2gb",
    "taskmanager.memory.task.off-heap.size": "0b",
    "taskmanager.memory.managed.size": "64mb",
    "taskmanager.memory.framework.heap.size": "128mb",
    "taskmanager.memory.framework.off-heap.size": "128mb",
    "taskmanager.memory.jvm-metaspace.size": "256mb",
    "taskmanager.memory.jvm-overhead.min": "192mb",
    "taskmanager.memory.jvm-overhead.max": "192mb",
}
TICKS = os.sysconf("SC_CLK_TCK")


def missing() -> str | None:
    """What this machine lacks to run the cluster, or None."""
    if shutil.which("javac") is None:
        return "javac is not installed"
    return flink_missing()


def distribution(cache: Path) -> Distribution:
    """Flink's jars, and beside them the connectors and our functions, made at first use."""
    flink = fetch(cache)
    texts = [path.read_bytes() for path in sorted(SOURCES.rglob("*.java"))]
    version = hashlib.sha256(b"".join([" ".join(JARS).encode(), *texts])).hexdigest()[:12]
    home = cache / f"flink-sql-{version}"
    if not home.is_dir():
        part = cache / f"flink-sql-{version}.{os.getpid()}"
        part.mkdir(parents=True)
        _fetch_jars(part)
        _compile(part, f"{flink.classpath}:{part}/*")
        part.rename(home)
    return Distribution(flink.flink, home)


def _fetch_jars(folder: Path) -> None:
    dependencies = "".join(
        "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>"
        "</dependency>".format(*jar.split(":"))
        for jar in JARS
    )
    (folder / "pom.xml").write_text(
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>telemetry</groupId><artifactId>flink-sql</artifactId><version>1</version>"
        f"<dependencies>{dependencies}</dependencies></project>"
    )
    copy = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
    subprocess.run(copy, cwd=folder, check=True)
    for jar in folder.glob("slf4j*.jar"):
        jar.unlink()  # The cluster brings its own.


def _compile(folder: Path, classpath: str) -> None:
    classes = folder / "classes"
    sources = [str(path) for path in sorted(SOURCES.rglob("*.java"))]
    subprocess.run(["javac", "-d", str(classes), "-cp", classpath, *sources], check=True)
    packed = str(folder / "functions.jar")
    subprocess.run(["jar", "--create", "--file", packed, "-C", str(classes), "."], check=True)
    shutil.rmtree(classes)


@dataclass
class SqlCluster(Cluster):
    """JobManager and one TaskManager with one slot, pinned to `cores`."""

    java_options: ClassVar[tuple[str, ...]] = ()

    slots: int = 1
    cores: Sequence[int] = field(default=(0,))

    def launch(self) -> None:
        """Start both and return when a job can be submitted."""
        self._configure()
        self.start_jobmanager()
        self.start_taskmanager(1)
        self._wait_for("jobmanager", lambda: self.overview().get("slots-total") == self.slots, 90)

    def _configure(self) -> None:
        super()._configure()
        settings = self.work / "conf" / "config.yaml"
        lines = [
            line
            for line in settings.read_text().splitlines()
            if not line.startswith("restart-strategy") and "checkpointing.interval" not in line
        ]
        # The checkpoint commits the files: as often as `telemetry run` commits by default. A job
        # that fails has to be seen, not repeated.
        lines += ["restart-strategy.type: none", "execution.checkpointing.interval: 15 s"]
        settings.write_text("\n".join(lines) + "\n")

    def start_taskmanager(self, number: int) -> None:
        """Start the TaskManager on its cores; with one of them Java picks its serial collector."""
        command = self._java(
            "2200m",
            "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
            *("--configDir", f"{self.work}/conf"),
        )
        own = {
            "taskmanager.cpu.cores": f"{len(self.cores)}.0",
            "taskmanager.numberOfTaskSlots": str(self.slots),
            "taskmanager.resource-id": f"tm{number}-{free_port()}",
            "external-resources": "none",
        }
        for key, value in {**MEMORY, **own}.items():
            command += ["-D", f"{key}={value}"]
        pinned = ["taskset", "-c", ",".join(map(str, self.cores)), *command]
        self._spawn(f"tm{number}", pinned)

    def submit(self, opted_out: Path, key: str, **names: object) -> None:
        """Run `flink_sql/job.sql` with these names filled in; return when its job has ended."""
        statements = self.work / "job.sql"
        statements.write_text(Template((SOURCES / "job.sql").read_text("utf-8")).substitute(names))
        words = [str(self.rest_port), str(statements), str(opted_out), key]
        done = subprocess.run(
            self._java("512m", "telemetry.Submit", *words), capture_output=True, text=True
        )
        if done.returncode != 0:
            raise ContenderFailed(f"Flink SQL: exit code {done.returncode}\n{done.stderr[-3000:]}")

    def cpu_seconds(self) -> float:
        """What the TaskManager has used since its start, start included."""
        stat = Path(f"/proc/{self.processes['tm1'].pid}/stat").read_text()
        user, system = stat.rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / TICKS

    def peak_mib(self) -> float:
        """The TaskManager's largest resident size so far."""
        status = Path(f"/proc/{self.processes['tm1'].pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
