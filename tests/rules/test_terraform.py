"""The cloud resources keep the promises: what is deleted is gone, and rights are the least ones.

Providers cannot be fetched where these tests run, so `terraform validate` is left to whoever
deploys; here the files are parsed, and what they say is compared with what was promised.
"""

from __future__ import annotations

import re
import subprocess
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import hcl2
import pytest

from pipeline.io.keys import aws_api
from pipeline.io.keys.google_api import SecretClient
from pipeline.io.package_data import load_schemas
from tests.rules.sources import ROOT

TERRAFORM = ROOT / "deploy" / "terraform"
CLOUDS = ("aws", "gcp", "kafka")
LAKES = ("aws", "gcp")
WORD = re.compile(r'^"(.*)"$', re.S)


def plain(value: Any) -> Any:
    """The parsed value without the quotes that the parser keeps, and without its marks."""
    if isinstance(value, dict):
        return {plain(k): plain(v) for k, v in value.items() if not str(k).startswith("__")}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str) and (found := WORD.match(value)):
        return found[1]
    return value


@cache
def parsed(cloud: str) -> dict[str, list[Any]]:
    blocks: dict[str, list[Any]] = {}
    for path in sorted((TERRAFORM / cloud).glob("*.tf")):
        for kind, found in plain(hcl2.loads(path.read_text())).items():
            blocks.setdefault(kind, []).extend(found)
    return blocks


def resources(cloud: str, kind: str) -> dict[str, Any]:
    return {
        name: body
        for block in parsed(cloud)["resource"]
        for found, named in block.items()
        if found == kind
        for name, body in named.items()
    }


def only(value: Any) -> Any:
    """The one block of a name."""
    (found,) = value
    return found


@pytest.mark.parametrize("cloud", LAKES)
def test_partitions_of_every_event_have_a_backstop_and_logs_have_none(cloud: str) -> None:
    found = only(b for b in parsed(cloud)["locals"] if "events" in b)
    assert found["events"] == sorted(load_schemas())
    prefixes = re.findall(r'"(telemetry/[^"]+)"', str(found["partitions"]))
    assert prefixes == [
        "telemetry/events/${event}/event_date=",
        "telemetry/restricted/${event}/event_date=",
    ]


@pytest.mark.parametrize("cloud", LAKES)
def test_the_backstop_is_no_later_than_the_promise(cloud: str) -> None:
    variables = {n: body for block in parsed(cloud)["variable"] for n, body in block.items()}
    assert variables["backstop_days"]["default"] == 90
    assert "<= 90" in str(only(variables["backstop_days"]["validation"])["condition"])


def test_google_keeps_nothing_that_was_deleted() -> None:
    buckets = resources("gcp", "google_storage_bucket")
    assert set(buckets) == {"lake", "staging"}
    for bucket in buckets.values():
        assert only(bucket["versioning"])["enabled"] is False
        assert only(bucket["soft_delete_policy"])["retention_duration_seconds"] == 0
        assert bucket["uniform_bucket_level_access"] is True
        assert bucket["public_access_prevention"] == "enforced"
        assert "retention_policy" not in bucket
    rules = buckets["lake"]["lifecycle_rule"]
    actions = [(only(rule["action"])["type"], only(rule["condition"])) for rule in rules]
    assert [(action, set(condition)) for action, condition in actions] == [
        ("Delete", {"days_since_custom_time", "matches_prefix"}),
        ("Delete", {"age", "matches_prefix"}),
        ("AbortIncompleteMultipartUpload", {"age"}),
    ]
    assert {str(condition.get("matches_prefix")) for _, condition in actions} == {
        "${local.partitions}",
        "None",
    }
    assert actions[-1][1]["age"] == 1
    assert "default_kms_key_name" in only(buckets["lake"]["encryption"])


def test_amazon_keeps_nothing_that_was_deleted() -> None:
    versioning = resources("aws", "aws_s3_bucket_versioning")["lake"]
    assert only(versioning["versioning_configuration"])["status"] == "Disabled"
    assert resources("aws", "aws_s3_bucket_object_lock_configuration") == {}
    access = resources("aws", "aws_s3_bucket_public_access_block")["lake"]
    assert {v for k, v in access.items() if k != "bucket"} == {True}
    cipher = resources("aws", "aws_s3_bucket_server_side_encryption_configuration")["lake"]
    assert "aws:kms" in str(cipher)
    lifecycle = resources("aws", "aws_s3_bucket_lifecycle_configuration")["lake"]
    (multipart,) = lifecycle["rule"]
    assert only(multipart["abort_incomplete_multipart_upload"])["days_after_initiation"] == 1
    (backstop,) = lifecycle["dynamic"]
    assert "local.partitions" in str(backstop["rule"]["for_each"])


def test_no_role_of_google_is_wider_than_needed() -> None:
    given = {
        body["role"]
        for kind in (
            "google_project_iam_member",
            "google_storage_bucket_iam_member",
            "google_secret_manager_secret_iam_member",
            "google_artifact_registry_repository_iam_member",
        )
        for body in resources("gcp", kind).values()
    }
    wide = ("roles/owner", "roles/editor", "roles/storage.admin", "roles/secretmanager.admin")
    assert not given & set(wide)
    project_wide = {b["role"] for b in resources("gcp", "google_project_iam_member").values()}
    assert len(project_wide) == 2
    assert "roles/dataflow.worker" in project_wide
    assert any("google_project_iam_custom_role.keys" in role for role in project_wide)
    keys = resources("gcp", "google_project_iam_custom_role")["keys"]["for_each"]
    assert keys["pipeline"] == keys["eraser"] == []
    assert keys["expirer"] == ["secretmanager.versions.destroy"]
    lake = {
        name
        for name, body in resources("gcp", "google_storage_bucket_iam_member").items()
        if "google_storage_bucket.lake" in str(body["bucket"])
    }
    assert lake == {"writers", "analysts"}


def test_no_statement_of_amazon_allows_everything() -> None:
    for block in parsed("aws")["data"]:
        for document in block.get("aws_iam_policy_document", {}).values():
            for statement in document["statement"]:
                if statement.get("effect") == "Deny":
                    continue
                assert all("*" not in action for action in statement["actions"])
                assert statement.get("resources") != ["*"]


def test_analysts_do_not_see_restricted_rows() -> None:
    google = resources("gcp", "google_storage_bucket_iam_member")["analysts"]
    assert "telemetry/restricted/" in str(only(google["condition"])["expression"])
    (amazon,) = (
        block["aws_iam_policy_document"]["read"]
        for block in parsed("aws")["data"]
        if "read" in block.get("aws_iam_policy_document", {})
    )
    assert "restricted" not in str(amazon)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_no_secret_has_its_value_in_a_file(cloud: str) -> None:
    kinds = {kind for block in parsed(cloud)["resource"] for kind in block}
    assert not {k for k in kinds if k.endswith(("secret_version", "_access_key", "_key_pair"))}


def test_nobody_reaches_amazons_bucket_without_tls() -> None:
    (document,) = (
        block["aws_iam_policy_document"]["transport"]
        for block in parsed("aws")["data"]
        if "transport" in block.get("aws_iam_policy_document", {})
    )
    statement = only(document["statement"])
    assert (statement["effect"], statement["actions"]) == ("Deny", ["s3:*"])
    assert only(statement["condition"])["variable"] == "aws:SecureTransport"
    assert "transport" in resources("aws", "aws_s3_bucket_policy")["lake"]["policy"]


def test_the_keystore_has_the_rights_that_it_uses_and_no_other() -> None:
    """The calls of `pipeline/io/keys/google_api.py`, each by the right that it needs."""
    used = {
        "create_secret": "secretmanager.secrets.create",
        "get_secret": "secretmanager.secrets.get",
        "update_secret": "secretmanager.secrets.update",
        "add_secret_version": "secretmanager.versions.add",
        "access_secret_version": "secretmanager.versions.access",
        "destroy_secret_version": "secretmanager.versions.destroy",
    }
    assert {name for name in vars(SecretClient) if not name.startswith("_")} == set(used)
    role = resources("gcp", "google_project_iam_custom_role")["keys"]
    given = set(re.findall(r"secretmanager\.\w+\.\w+", str(role)))
    assert given == set(used.values())


def test_amazons_keystore_has_the_rights_that_it_uses_and_no_other() -> None:
    """The calls of `pipeline/io/keys/aws_api.py`, each by the right of its name."""
    calls = set(re.findall(r"self\._client\.(\w+)\(", Path(aws_api.__file__).read_text("utf-8")))
    used = {f"secretsmanager:{call.title().replace('_', '')}" for call in calls}
    (document,) = (
        block["aws_iam_policy_document"]["keys"]
        for block in parsed("aws")["data"]
        if "keys" in block.get("aws_iam_policy_document", {})
    )
    given = only(b for b in parsed("aws")["locals"] if "destroys" in b)
    assert given["destroys"] == {
        "pipeline": [],
        "eraser": [],
        "expirer": ["secretsmanager:DeleteSecret"],
    }
    statement = only(document["statement"])
    everybodys = set(re.findall(r"secretsmanager:\w+", str(statement["actions"])))
    assert everybodys == used - {"secretsmanager:DeleteSecret"}
    assert given["keys"] == "telemetry/keys"
    assert "${local.keys}-*" in str(statement["resources"])
    logins = resources("aws", "aws_secretsmanager_secret").values()
    assert not [one for one in logins if one["name"].startswith(f"{given['keys']}-")]


@pytest.mark.parametrize("cloud", LAKES)
def test_the_pipeline_reads_one_login_and_the_requests_another(cloud: str) -> None:
    found = only(b for b in parsed(cloud)["locals"] if "kafka_secrets" in b)
    assert found["kafka_secrets"] == {
        "kafka-username": "pipeline",
        "kafka-password": "pipeline",
        "kafka-requests-username": "eraser",
        "kafka-requests-password": "eraser",
    }


def told(script: str, tool: str, folder: Path, *words: str) -> list[list[str]]:
    """What a script of deploy/kafka tells Kafka's tool: the words of each call."""
    record = folder / "record"
    (folder / tool).write_text(f"#!/bin/sh\nprintf '%s\\t' \"$@\" >> {record}\necho >> {record}\n")
    (folder / tool).chmod(0o755)
    path = f"{folder}:/usr/bin:/bin"
    command = ["bash", str(ROOT / "deploy" / "kafka" / script), "b:9093", *words]
    subprocess.run(command, env={"PATH": path}, check=True)
    return [line.split("\t")[:-1] for line in record.read_text().splitlines()]


def after(words: list[str], option: str) -> list[str]:
    return [value for name, value in pairwise(words) if name == option]


def test_topics_are_those_of_the_script(tmp_path: Path) -> None:
    always = only(b for b in parsed("kafka")["locals"] if "always" in b)["always"]
    raw = only(b for b in parsed("kafka")["locals"] if "raw" in b)["raw"]
    expected = {}
    for words in told("create-topics.sh", "kafka-topics.sh", tmp_path, "8", "3"):
        (name,), (count,) = after(words, "--topic"), after(words, "--partitions")
        settings = dict(one.split("=") for one in after(words, "--config"))
        expected[name] = (int(count), settings)
    made = {}
    topics = resources("kafka", "kafka_topic")
    for name, body in {**{f"telemetry.{one}": topics["raw"] for one in raw}}.items():
        made[name] = (1 if name == "telemetry.privacy_requests" else 8, config(body, always))
    made["telemetry.optouts"] = (topics["optouts"]["partitions"], config(topics["optouts"], always))
    assert made == expected


def config(topic: dict[str, Any], always: dict[str, str]) -> dict[str, str]:
    """A topic's settings for three replicas; the parser gives a call of merge() as text."""
    own = dict(re.findall(r'"([\w.]+)"\s*[=:]\s*"(-?[\w.]+)"', topic["config"]))
    return {**always, "min.insync.replicas": "2", **own}


def test_rights_at_the_brokers_are_those_of_the_script(tmp_path: Path) -> None:
    rights = only(b for b in parsed("kafka")["locals"] if "rights" in b)["rights"]
    made = {(r["user"], r["type"], r["name"], one) for r in rights for one in r["operations"]}
    expected = set()
    for words in told("create-acls.sh", "kafka-acls.sh", tmp_path, "pipeline", "requests"):
        (user,) = after(words, "--allow-principal")
        for option, kind in (("--topic", "Topic"), ("--transactional-id", "TransactionalID")):
            for name in after(words, option):
                for operation in after(words, "--operation"):
                    expected.add((user.removeprefix("User:"), kind, name, operation))
    assert made == expected


@pytest.mark.second_opinion("terraform")
@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_files_are_formatted(cloud: str) -> None:
    command = ["terraform", "fmt", "-check", "-no-color", str(TERRAFORM / cloud)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


PLACES = {"aws": ["kubernetes/overlays/aws"], "gcp": ["kubernetes/overlays/gcp", "dataflow"]}


@pytest.mark.parametrize("cloud", LAKES)
def test_everything_that_an_overlay_leaves_open_is_an_output(cloud: str) -> None:
    outputs = {name: body for block in parsed(cloud)["output"] for name, body in block.items()}
    told = " ".join(str(body["description"]) for body in outputs.values())
    left_open = set()
    for place in PLACES[cloud]:
        for path in sorted((ROOT / "deploy" / place).iterdir()):
            for line in path.read_text("utf-8").splitlines():
                if "replace-me" in line or "000000000000" in line:
                    left_open.add(re.split(r"\s*[=:]\s", line.strip(), maxsplit=1)[0])
    assert len(left_open) >= 3
    assert {name for name in left_open if name not in told} == set()


@pytest.mark.parametrize("cloud", LAKES)
def test_an_output_names_what_is_made_here_and_no_secret(cloud: str) -> None:
    made = {
        f"{kind}.{name}"
        for block in parsed(cloud)["resource"]
        for kind, named in block.items()
        for name in named
    }
    text = (TERRAFORM / cloud / "outputs.tf").read_text("utf-8")
    assert set(re.findall(r"\b((?:google|aws)_\w+\.\w+)", text)) <= made
    variables = {name for block in parsed(cloud)["variable"] for name in block}
    assert set(re.findall(r"\bvar\.(\w+)", text)) <= variables
    assert "secret_string" not in text
    assert "secret_data" not in text
