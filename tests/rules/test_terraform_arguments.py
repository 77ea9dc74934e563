"""Every argument in the cloud resources exists in its provider, and none that is required lacks.

`terraform validate` asks the providers, which cannot be had where these tests run; what they would
answer about names is in `vendor/terraform-arguments.json`, see the notice beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2
import pytest

from tests.rules.test_terraform import CLOUDS, parsed, plain

SCHEMAS = json.loads((Path(__file__).parent / "vendor" / "terraform-arguments.json").read_text())
META = {"for_each", "count", "depends_on", "lifecycle", "provider"}


def problems(body: dict[str, Any], schema: dict[str, Any], where: str) -> Iterator[str]:
    """What is wrong with a block: names that its schema does not know, or that it lacks."""
    given = dict(body)
    for one in given.pop("dynamic", []):
        for name, block in one.items():
            given.setdefault(name, []).extend(block["content"])
    for name, value in given.items():
        if name not in schema:
            yield f"{where}: {name} does not exist"
        elif "block" in schema[name] and isinstance(value, list):
            for inner in value:
                yield from problems(inner, schema[name]["block"], f"{where}.{name}")
    yield from (
        f"{where}: {name} is missing"
        for name, one in schema.items()
        if one["required"] and name not in given
    )


def all_problems(blocks: dict[str, list[Any]]) -> list[str]:
    found = []
    for prefix, kind in (("", "resource"), ("data.", "data")):
        for block in blocks.get(kind, []):
            for name, named in block.items():
                if prefix + name not in SCHEMAS:
                    found.append(f"{prefix}{name}: unknown")
                    continue
                for title, body in named.items():
                    ours = {k: v for k, v in body.items() if k not in META}
                    found += problems(ours, SCHEMAS[prefix + name], f"{name}.{title}")
    return found


@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_argument_is_one_of_its_resource(cloud: str) -> None:
    blocks = parsed(cloud)
    assert sum(len(blocks.get(kind, [])) for kind in ("resource", "data")) >= 3
    assert all_problems(blocks) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('resource "kafka_topic" "t" {\n partition = 3\n}', "partition does not exist"),
        ('resource "kafka_topic" "t" {\n name = "t"\n}', "partitions is missing"),
        ('resource "kafka_tropic" "t" {\n name = "t"\n}', "kafka_tropic: unknown"),
        (
            'resource "google_storage_bucket" "b" {\n name = "b"\n location = "l"\n'
            " lifecycle_rule {\n  condition {\n   days = 3\n  }\n  action {\n"
            '   type = "Delete"\n  }\n }\n}',
            "b.lifecycle_rule.condition: days does not exist",
        ),
        (
            'resource "google_storage_bucket" "b" {\n name = "b"\n location = "l"\n'
            " encryption {}\n}",
            "b.encryption: default_kms_key_name is missing",
        ),
        (
            'resource "aws_s3_bucket_lifecycle_configuration" "b" {\n bucket = "b"\n'
            ' dynamic "rule" {\n  for_each = [1]\n  content {\n   id = "i"\n  }\n }\n}',
            "b.rule: status is missing",
        ),
        ('data "aws_iam_policy_document" "d" {\n statements {}\n}', "statements does not exist"),
    ],
)
def test_a_spoilt_argument_is_found(text: str, problem: str) -> None:
    blocks = {kind: list(plain(found)) for kind, found in hcl2.loads(text + "\n").items()}
    assert any(problem in found for found in all_problems(plain(blocks)))
