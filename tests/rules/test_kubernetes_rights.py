"""Which pod is who: to the cloud by its service account, to the brokers by its secret."""

from __future__ import annotations

import re

import yaml

from tests.rules.sources import ROOT
from tests.rules.test_kubernetes import BASE, OVERLAYS, of_kind, pods

ACCOUNTS = {
    "telemetry-submit": "pipeline",
    "telemetry-requests": "eraser",
    "telemetry-requests-work": "eraser",
    "telemetry-seal": "expirer",
    "telemetry-expire-plan": "expirer",
    "telemetry-rollup": "expirer",
    "telemetry-audit": "expirer",
}
WRITES_THE_OPT_OUT_LIST = {"telemetry-requests", "telemetry-requests-work"}


def test_every_pod_has_the_account_of_what_it_does() -> None:
    found = {name: spec.get("serviceAccountName") for name, spec in pods().items()}
    # TaskManagers get theirs from Flink's own setting.
    assert found.pop("taskmanager") is None
    assert found == {name: f"telemetry-{account}" for name, account in ACCOUNTS.items()}
    (flink,) = of_kind("FlinkDeployment").values()
    configured = flink["spec"]["flinkConfiguration"]
    assert configured["kubernetes.taskmanager.service-account"] == "telemetry-pipeline"


def test_accounts_are_those_that_terraform_makes_and_overlays_bind() -> None:
    made = {f"telemetry-{account}" for account in ACCOUNTS.values()}
    assert set(of_kind("ServiceAccount")) == made
    roles = (ROOT / "deploy" / "terraform" / "gcp" / "roles.tf").read_text()
    found = re.search(r"accounts = toset\(\[(.*)\]\)", roles)
    assert found is not None
    assert {f"telemetry-{name}" for name in re.findall(r'"(\w+)"', found[1])} == made
    for overlay in OVERLAYS:
        path = BASE.parent / "overlays" / overlay / "service-account.yaml"
        bound = list(yaml.safe_load_all(path.read_text()))
        assert {one["metadata"]["name"] for one in bound} == made
        for one in bound:
            (value,) = one["metadata"]["annotations"].values()
            assert one["metadata"]["name"] in value


def test_only_who_writes_the_opt_out_list_has_the_login_that_may() -> None:
    for name, spec in pods().items():
        (secret,) = (v["secret"]["secretName"] for v in spec["volumes"] if "secret" in v)
        wanted = (
            "telemetry-kafka-requests" if name in WRITES_THE_OPT_OUT_LIST else "telemetry-kafka"
        )
        assert secret == wanted, name
