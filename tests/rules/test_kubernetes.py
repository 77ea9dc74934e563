"""The Kubernetes manifests and images agree with the code, and keep to the least rights."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from pipeline import __version__
from pipeline.cli.declared import load_settings
from pipeline.cli.main import telemetry
from pipeline.flow.metrics_endpoint import SPAN
from pipeline.flow.runners.beam_options import FLINK, words_for
from pipeline.io.kafka.source import KafkaSourceSettings
from pipeline.settings import Settings
from pipeline.settings.values import Secret
from tests.integration.services.flink import BEAM_RUNNER, FLINK_VERSION
from tests.rules.sources import ROOT

DEPLOY = ROOT / "deploy"
BASE = DEPLOY / "kubernetes" / "base"
OVERLAYS = ("aws", "gcp")
PORT = 9108
"""Of every example, manifest and scrape configuration; a run serves metrics on none unless told."""
IMAGES = {"telemetry-pipeline": __version__, "telemetry-flink": FLINK_VERSION}
DOCKERFILES = sorted(DEPLOY.rglob("Dockerfile*"))


@cache
def resources() -> tuple[dict[str, Any], ...]:
    listed = yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]
    found = (yaml.safe_load_all((BASE / name).read_text()) for name in listed)
    return tuple(document for documents in found for document in documents)


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {r["metadata"]["name"]: r for r in resources() if r["kind"] == kind}


def flink() -> dict[str, Any]:
    (found,) = of_kind("FlinkDeployment").values()
    return dict(found["spec"])


def pods() -> dict[str, dict[str, Any]]:
    """The pod specs that hold our image, by the name of what makes them."""
    found = {n: r["spec"]["template"]["spec"] for n, r in of_kind("Deployment").items()}
    for name, job in of_kind("CronJob").items():
        found[name] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    found["taskmanager"] = flink()["taskManager"]["podTemplate"]["spec"]
    return found


def containers() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{pod}/{container['name']}", container)
        for pod, spec in pods().items()
        for container in spec["containers"]
        if "image" in container
    ]


def embedded() -> dict[str, Any]:
    """The pod of the embedded runner."""
    found = yaml.safe_load((BASE.parent / "embedded" / "run.yaml").read_text())
    return dict(found["spec"]["template"]["spec"])


def settings(path: Path = BASE / "telemetry.toml") -> Settings:
    return load_settings(path, environ={})


def test_every_manifest_is_listed() -> None:
    listed = yaml.safe_load((BASE / "kustomization.yaml").read_text())
    known = {*listed["resources"], *listed["configurations"], "kustomization.yaml"}
    assert {path.name for path in BASE.glob("*.yaml")} == known


def test_images_have_the_versions_of_the_code() -> None:
    listed = yaml.safe_load((BASE / "kustomization.yaml").read_text())["images"]
    assert {image["name"]: image["newTag"] for image in listed} == IMAGES
    assert {container["image"] for _, container in containers()} == set(IMAGES)
    assert flink()["flinkVersion"] == "v" + "_".join(FLINK_VERSION.split(".")[:2])


@pytest.mark.parametrize(("name", "container"), containers(), ids=lambda value: str(value)[:40])
def test_a_container_has_no_rights_and_a_limit(name: str, container: dict[str, Any]) -> None:
    box = container["securityContext"]
    assert box["allowPrivilegeEscalation"] is False
    assert box["readOnlyRootFilesystem"] is True
    assert box["capabilities"] == {"drop": ["ALL"]}
    assert set(container["resources"]) == {"requests", "limits"}
    assert "memory" in container["resources"]["limits"]


def test_pods_run_as_the_user_of_the_image() -> None:
    user = re.search(r"^USER (\d+):", (DEPLOY / "image" / "Dockerfile").read_text(), re.M)
    assert user is not None
    for name, spec in pods().items():
        boxes = [spec.get("securityContext", {})]
        boxes += [c["securityContext"] for c in spec["containers"] if c["name"] == "worker-pool"]
        assert {box["runAsUser"] for box in boxes if "runAsUser" in box} == {int(user[1])}, name
        # An fsGroup would open key files to the group, and the keystore refuses such keys.
        assert all("fsGroup" not in box for box in boxes), name
        assert spec.get("automountServiceAccountToken", False) is False, name


def test_the_embedded_pod_is_like_the_others_and_is_asked_where_it_answers() -> None:
    [container] = embedded()["containers"]
    submit = of_kind("Deployment")["telemetry-submit"]["spec"]["template"]["spec"]
    like = next(one for one in submit["containers"] if one["name"] == "telemetry")
    for name in ("securityContext", "volumeMounts", "image"):
        assert container[name] == like[name]
    for name in ("securityContext", "volumes", "serviceAccountName"):
        assert embedded()[name] == submit[name]
    assert container["args"][:2] == ["run", "--config=/etc/telemetry/telemetry.toml"]
    workers = int(container["args"][2].removeprefix("--workers="))
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"metrics": PORT} | {f"metrics-{n}": PORT + 1 + n for n in range(workers)}
    probes = {container[name]["httpGet"]["path"] for name in ("livenessProbe", "readinessProbe")}
    assert probes == {"/-/healthy", "/-/ready"}
    for name in ("livenessProbe", "readinessProbe"):
        assert container[name]["httpGet"]["port"] in ports
    listed = yaml.safe_load((BASE.parent / "embedded" / "kustomization.yaml").read_text())
    gone = [yaml.safe_load(patch["patch"]) for patch in listed["patches"]]
    assert {one["$patch"] for one in gone} == {"delete"}
    assert {one["metadata"]["name"] for one in gone} == {"telemetry-flink", "telemetry-submit"}
    assert listed["images"] == [{"name": "telemetry-pipeline", "newTag": __version__}]


def test_the_operator_of_prometheus_scrapes_every_port_that_has_metrics() -> None:
    path = BASE.parent / "monitoring" / "pod-monitor.yaml"
    monitors = {
        one["metadata"]["name"]: one["spec"] for one in yaml.safe_load_all(path.read_text())
    }
    pool = dict(containers())["taskmanager/worker-pool"]
    [run] = embedded()["containers"]
    wanted = {"telemetry-taskmanagers": pool, "telemetry-run": run}
    assert monitors.keys() == wanted.keys()
    for name, container in wanted.items():
        ports = [port["name"] for port in container["ports"] if "metrics" in port["name"]]
        assert [one["port"] for one in monitors[name]["podMetricsEndpoints"]] == ports
    (cluster,) = of_kind("FlinkDeployment")
    assert monitors["telemetry-taskmanagers"]["selector"]["matchLabels"]["app"] == cluster


def test_one_port_is_named_everywhere() -> None:
    """0.1 said 9464 in one place and 9108 in another."""
    files = [*DEPLOY.rglob("*"), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    named = {
        int(port)
        for path in files
        if path.suffix in (".md", ".toml", ".yml", ".yaml")
        for pattern in (
            r"\[metrics\] port = (\d+)",
            r"\[metrics\]\nport = (\d+)",
            r"metrics-port[ =](\d+)",
        )
        for port in re.findall(pattern, path.read_text("utf-8"))
    }
    assert named == {PORT}


def test_jobs_run_in_utc_one_at_a_time_and_what_must_be_seen_is_not_repeated() -> None:
    jobs = {name: job["spec"] for name, job in of_kind("CronJob").items()}
    assert {job["concurrencyPolicy"] for job in jobs.values()} == {"Forbid"}
    assert {job["timeZone"] for job in jobs.values()} == {"Etc/UTC"}
    once = {n for n, job in jobs.items() if job["jobTemplate"]["spec"]["backoffLimit"] == 0}
    assert once == {"telemetry-audit"}


def commands() -> list[tuple[str, list[str]]]:
    return [
        (name, container["args"]) for name, container in containers() if name.endswith("/telemetry")
    ]


@pytest.mark.parametrize(("name", "words"), commands(), ids=[name for name, _ in commands()])
def test_a_pod_runs_a_command_that_exists(name: str, words: list[str]) -> None:
    command: click.Command = telemetry
    context = click.Context(command, help_option_names=["-h", "--help"])
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, words[0]
        command, words = found, words[1:]
        if isinstance(command, click.Group):
            context = click.Context(command, parent=context)
    made = command.make_context(command.name, list(words), parent=context)
    assert str(made.params["config"]) == "/etc/telemetry/telemetry.toml"


def submitted() -> tuple[list[str], list[str]]:
    words = dict(commands())["telemetry-submit/telemetry"]
    cut = words.index("--")
    return words[:cut], words[cut + 1 :]


def test_the_job_fits_the_cluster() -> None:
    ours, beams = submitted()
    workers = int(next(w for w in ours if w.startswith("--workers=")).partition("=")[2])
    spec = flink()
    slots = int(spec["flinkConfiguration"]["taskmanager.numberOfTaskSlots"])
    assert workers == spec["taskManager"]["replicas"] * slots
    assert f"--runner={FLINK}" in ours
    assert words_for(FLINK, workers, beams)


def test_workers_are_where_the_job_looks_for_them() -> None:
    _, beams = submitted()
    pool = dict(containers())["taskmanager/worker-pool"]
    port = pool["ports"][0]["containerPort"]
    assert f"--environment_config=localhost:{port}" in beams
    assert f"--service_port={port}" in pool["args"]
    shim = next(w for w in pool["args"] if w.startswith("--container_executable=")).split("=")[1]
    dockerfile = (DEPLOY / "image" / "Dockerfile").read_text()
    assert re.search(rf"^COPY --chmod=0555 deploy/flink/worker_shim.py {shim}$", dockerfile, re.M)


@pytest.mark.parametrize(
    "path", [BASE, *(BASE.parent / "overlays" / name for name in OVERLAYS)], ids=lambda p: p.name
)
def test_prometheus_reaches_every_worker_process(path: Path) -> None:
    found = settings(path / "telemetry.toml").metrics
    assert found.port is not None
    assert found.address == "0.0.0.0"
    pool = dict(containers())["taskmanager/worker-pool"]
    named = [port["containerPort"] for port in pool["ports"] if "metrics" in port["name"]]
    slots = int(flink()["flinkConfiguration"]["taskmanager.numberOfTaskSlots"])
    assert named == list(range(found.port, found.port + 2 * slots))
    (policy,) = of_kind("NetworkPolicy").values()
    opened = [port for rule in policy["spec"]["ingress"] for port in rule.get("ports", [])]
    assert {"port": found.port, "endPort": found.port + SPAN - 1} in opened


def test_the_job_server_is_where_the_job_looks_for_it() -> None:
    _, beams = submitted()
    (script,) = dict(containers())["telemetry-submit/job-server"]["args"]
    port = re.search(r"--job-port=(\d+)", script)
    assert port is not None
    assert f"--job_endpoint=localhost:{port[1]}" in beams
    (name,) = of_kind("FlinkDeployment")
    assert f"--flink-master={name}-rest:8081" in script
    assert f"--flink_master={name}-rest:8081" in beams


def test_flink_is_set_as_the_tests_set_it() -> None:
    told = flink()["flinkConfiguration"]
    assert told["classloader.resolve-order"] == "parent-first"
    assert told["restart-strategy.type"] == "exponential-delay"


@pytest.mark.parametrize(
    "path", [BASE, *(BASE.parent / "overlays" / name for name in OVERLAYS)], ids=lambda p: p.name
)
def test_settings_load_and_name_the_topics_that_are_created(path: Path) -> None:
    found = settings(path / "telemetry.toml")
    created = (DEPLOY / "kafka" / "create-topics.sh").read_text()
    assert set(found.sources) == set(re.search(r"for event in ([\w ]+);", created)[1].split())  # type: ignore[index]
    for name, source in found.sources.items():
        assert isinstance(source, KafkaSourceSettings)
        assert (source.event, source.topic) == (name, f"telemetry.{name}")
    assert found.kafka.optout_topic is not None
    for topic in (found.kafka.optout_topic, found.kafka.requests_topic):
        assert f"create {topic} " in created


def test_settings_name_files_that_are_mounted() -> None:
    found = settings()
    mounted = {
        m["mountPath"] for m in dict(containers())["taskmanager/worker-pool"]["volumeMounts"]
    }
    assert str(found.need_state()) in mounted
    assert str(Path(str(found.kafka.ca_file)).parent) in mounted
    assert isinstance(found.kafka.password, Secret)
    for name, container in containers():
        if container["image"] == "telemetry-pipeline":
            assert {m["mountPath"] for m in container["volumeMounts"]} == mounted, name


def test_images_are_pinned_and_run_as_nobody() -> None:
    for path in DOCKERFILES:
        text = path.read_text()
        bases = re.findall(r"^FROM (\S+)", text, re.M)
        stages = set(re.findall(r"^FROM \S+ AS (\w+)", text, re.M))
        assert all(re.search(r":[\w.]*\d", base) for base in set(bases) - stages), path
        assert re.search(r"^USER \d+:\d+$", text, re.M), path
        assert "ADD " not in text, path
    (flink_base,) = re.findall(
        r"^FROM (flink:\S+)", (DEPLOY / "flink" / "Dockerfile").read_text(), re.M
    )
    assert flink_base.startswith(f"flink:{FLINK_VERSION}-")


def test_the_image_and_the_tests_run_one_version_of_beams_runner() -> None:
    group, artifact, version = BEAM_RUNNER.split(":")
    pom = (DEPLOY / "flink" / "pom.xml").read_text()
    for tag, value in (("groupId", group), ("artifactId", artifact), ("version", version)):
        assert f"<{tag}>{value}</{tag}>" in pom


@pytest.mark.second_opinion("kubectl")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_builds_and_reaches_into_flinks_own_kind(overlay: str) -> None:
    folder = BASE.parent / "overlays" / overlay
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    built = [document for document in yaml.safe_load_all(done.stdout) if document]
    names = {d["metadata"]["name"] for d in built if d["kind"] == "ConfigMap"}
    (deployment,) = [d["spec"] for d in built if d["kind"] == "FlinkDeployment"]
    pod = deployment["taskManager"]["podTemplate"]["spec"]
    assert {v["configMap"]["name"] for v in pod["volumes"] if "configMap" in v} == names
    assert deployment["image"] == f"telemetry-flink:{FLINK_VERSION}"
    (pool,) = [c for c in pod["containers"] if c["name"] == "worker-pool"]
    assert pool["image"] == f"telemetry-pipeline:{__version__}"
    assert all(
        d["metadata"].get("namespace") == "telemetry" for d in built if d["kind"] != "Namespace"
    )
    accounts = [d for d in built if d["kind"] == "ServiceAccount"]
    assert len(accounts) == 3
    assert all(d["metadata"].get("annotations") for d in accounts)
