"""The manifests fit the schemas that Kubernetes and Flink's operator publish, strictly.

Kubernetes' schemas come with the package `kubernetes-validate`, the operator's with its artefact
(`vendor/flink-kubernetes-operator.NOTICE`). Strictly means that a field which no schema knows
fails: a cluster would drop it in silence, and a misspelt limit or right would be none.
"""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from tests.rules.sources import ROOT
from tests.rules.test_kubernetes import BASE, OVERLAYS, resources

CRD = Path(__file__).parent / "vendor" / "flinkdeployments.flink.apache.org-v1.yml"
OLDEST = "1.27"
"""The first in which a CronJob's time zone is stable; docs/deployment.md names it."""
VERSIONS = (OLDEST, kubernetes_validate.latest_version())
Document = dict[str, Any]
EMBEDDED: Document = yaml.safe_load((BASE.parent / "embedded" / "run.yaml").read_text())


def closed(schema: Any) -> Any:
    """A custom resource's schema that refuses what it does not name (`--validate=strict`)."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(part) for name, part in schema.items()}
    is_open = found.get("x-kubernetes-preserve-unknown-fields")
    if found.get("type") == "object" and isinstance(found.get("properties"), dict) and not is_open:
        found.setdefault("additionalProperties", False)
    if found.pop("x-kubernetes-int-or-string", False):
        found.pop("anyOf", None)
        found["type"] = ["integer", "string"]
    return found


@cache
def operators_schema() -> tuple[str, jsonschema.Draft202012Validator]:
    crd = yaml.load(CRD.read_text(), yaml.CSafeLoader)
    (version,) = [one for one in crd["spec"]["versions"] if one["served"]]
    schema = closed(version["schema"]["openAPIV3Schema"])
    # Every resource has these; a CRD does not list what they hold.
    schema["properties"] |= {
        "apiVersion": {"const": f"{crd['spec']['group']}/{version['name']}"},
        "kind": {"const": crd["spec"]["names"]["kind"]},
        "metadata": {"type": "object", "required": ["name"]},
    }
    schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
    return crd["spec"]["names"]["kind"], jsonschema.Draft202012Validator(schema)


def pod_templates(document: Document) -> list[Document]:
    """The pods of a FlinkDeployment: the CRD names no required field of theirs, Kubernetes does."""
    spec = document["spec"]
    found = [part.get("podTemplate") for part in (spec, spec["jobManager"], spec["taskManager"])]
    name = document["metadata"]["name"]
    return [
        {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": name}, "template": one}
        for one in found
        if one is not None
    ]


def check(document: Document, version: str) -> None:
    """Raise jsonschema.ValidationError if the document does not fit."""
    kind, validator = operators_schema()
    ours = [document]
    if document["kind"] == kind:
        validator.validate(document)
        ours = pod_templates(document)
    for one in ours:
        kubernetes_validate.validate(one, version, strict=True)


def named(document: Document) -> str:
    return f"{document['kind']}-{document['metadata']['name']}"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("document", [*resources(), EMBEDDED], ids=named)
def test_a_manifest_fits_the_published_schema(document: Document, version: str) -> None:
    check(document, version)


def the(kind: str) -> Document:
    return copy.deepcopy(next(one for one in resources() if one["kind"] == kind))


def pod(document: Document) -> Document:
    if document["kind"] == "FlinkDeployment":
        return document["spec"]["taskManager"]["podTemplate"]["spec"]
    spec = document["spec"]
    return (spec["jobTemplate"]["spec"] if "jobTemplate" in spec else spec)["template"]["spec"]


def misspell_a_limit(document: Document) -> None:
    box = pod(document)["containers"][-1]["resources"]
    box["limit"] = box.pop("limits")


def misspell_a_right(document: Document) -> None:
    box = pod(document)["containers"][-1]["securityContext"]
    box["allowPriviledgeEscalation"] = box.pop("allowPrivilegeEscalation")


def give_a_word_for_a_number(document: Document) -> None:
    pod(document)["containers"][-1]["securityContext"]["runAsUser"] = "telemetry"


def forget_a_name(document: Document) -> None:
    del pod(document)["containers"][-1]["name"]


def forget_where_a_volume_goes(document: Document) -> None:
    del pod(document)["containers"][-1]["volumeMounts"][0]["mountPath"]


def indent_too_far(document: Document) -> None:
    pod(document)["containers"][-1]["volumes"] = pod(document).pop("volumes")


@pytest.mark.parametrize("kind", ["Deployment", "CronJob", "FlinkDeployment"])
@pytest.mark.parametrize(
    "spoil",
    [
        misspell_a_limit,
        misspell_a_right,
        give_a_word_for_a_number,
        forget_a_name,
        forget_where_a_volume_goes,
        indent_too_far,
    ],
    ids=lambda spoil: spoil.__name__,
)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_spoilt_pod_is_refused(
    kind: str, spoil: Callable[[Document], None], version: str
) -> None:
    document = the(kind)
    check(document, version)
    spoil(document)
    with pytest.raises(jsonschema.ValidationError):
        check(document, version)


@pytest.mark.parametrize(
    ("kind", "place", "name", "value"),
    [
        ("CronJob", ("spec",), "timezone", "Etc/UTC"),
        ("CronJob", ("spec",), "startingDeadlineSeconds", "an hour"),
        ("Deployment", ("spec",), "replica", 1),
        ("Deployment", ("spec", "strategy"), "type", 3),
        ("NetworkPolicy", ("spec",), "policyType", ["Ingress"]),
        ("PersistentVolumeClaim", ("spec",), "accessModes", "ReadWriteMany"),
        ("ServiceAccount", (), "automountServiceAccountTokens", False),
        ("Namespace", ("metadata",), "labels", {"pod-security.kubernetes.io/enforce": 1}),
        ("FlinkDeployment", ("spec",), "flinkVersion", "v1_99"),
        ("FlinkDeployment", ("spec",), "serviceAccountName", "flink"),
        ("FlinkDeployment", ("spec", "flinkConfiguration"), "taskmanager.numberOfTaskSlots", 2),
        ("FlinkDeployment", ("spec", "jobManager"), "replicas", "one"),
        ("FlinkDeployment", ("spec", "taskManager", "resource"), "memories", "1g"),
        ("FlinkDeployment", (), "kind", "FlinkDeployments"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_spoilt_field_is_refused(
    kind: str, place: tuple[str, ...], name: str, value: Any
) -> None:
    document = the(kind)
    inner = document
    for part in place:
        inner = inner[part]
    inner[name] = value
    with pytest.raises((jsonschema.ValidationError, kubernetes_validate.SchemaNotFoundError)):
        check(document, VERSIONS[-1])


@pytest.mark.second_opinion("kubectl")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_an_overlay_builds_fits_the_published_schema(overlay: str) -> None:
    folder = ROOT / BASE.parent / "overlays" / overlay
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    built = [one for one in yaml.safe_load_all(done.stdout) if one]
    assert len(built) > len(resources())
    for document in built:
        for version in VERSIONS:
            check(document, version)
