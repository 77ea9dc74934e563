"""AWS Secrets Manager for tests: moto's server in this process, over a real connection."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import boto3
import requests
from moto.server import ThreadedMotoServer


@contextmanager
def aws_secrets() -> Iterator[Any]:
    """Serve it on the loopback address, empty; gives a client, and sets what others need."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    given = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    try:
        with patch.dict(os.environ, given):
            requests.post(f"{url}/moto-api/reset", timeout=60)
            yield boto3.client("secretsmanager")
    finally:
        server.stop()
