#!/usr/bin/env python3
"""Start one Beam Python SDK worker the way Beam's own container does, without a container.

Beam's worker pool (`EXTERNAL` environment) and Flink's `PROCESS` environment start this file
once for each worker. It asks the runner's provision service for the pipeline options and the
endpoints, puts them where `sdk_worker_main` expects them, and becomes that worker. Without it a
worker of the pool runs with no options and no logging.

    python -m apache_beam.runners.worker.worker_pool_main \
        --service_port=50000 --container_executable=/opt/telemetry/worker_shim.py

Contract: https://beam.apache.org/documentation/runtime/environments/ (`boot.go` of the Python SDK).
It stages no artifacts: the pipeline's package is installed beside it.
"""

from __future__ import annotations

import argparse
import os
import sys

import grpc
from apache_beam.portability.api import (
    beam_provision_api_pb2,
    beam_provision_api_pb2_grpc,
    endpoints_pb2,
)
from apache_beam.runners.worker.worker_id_interceptor import WorkerIdInterceptor
from google.protobuf import json_format, text_format

PROVISION_TIMEOUT_S = 60


def provision(worker_id: str, endpoint: str) -> beam_provision_api_pb2.ProvisionInfo:
    """Return what the runner says of this worker: pipeline options, endpoints, capabilities."""
    channel = grpc.intercept_channel(
        grpc.insecure_channel(endpoint), WorkerIdInterceptor(worker_id)
    )
    stub = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel)
    request = beam_provision_api_pb2.GetProvisionInfoRequest()
    answer = stub.GetProvisionInfo(request, timeout=PROVISION_TIMEOUT_S, wait_for_ready=True)
    info: beam_provision_api_pb2.ProvisionInfo = answer.info
    return info


def worker_environment(
    worker_id: str,
    logging_endpoint: str,
    control_endpoint: str,
    info: beam_provision_api_pb2.ProvisionInfo,
) -> dict[str, str]:
    """Return the variables that `sdk_worker_main` reads, taken from flags and provision info."""

    def descriptor(url: str) -> str:
        message = endpoints_pb2.ApiServiceDescriptor(url=url)
        text: str = text_format.MessageToString(message, as_one_line=True)
        return text

    variables = {
        "WORKER_ID": worker_id,
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "SEMI_PERSISTENT_DIRECTORY": os.environ.get("SEMI_PERSISTENT_DIRECTORY", "/tmp"),
        "RUNNER_CAPABILITIES": " ".join(info.runner_capabilities),
        "LOGGING_API_SERVICE_DESCRIPTOR": descriptor(info.logging_endpoint.url or logging_endpoint),
        "CONTROL_API_SERVICE_DESCRIPTOR": descriptor(info.control_endpoint.url or control_endpoint),
    }
    if info.status_endpoint.url:
        variables["STATUS_API_SERVICE_DESCRIPTOR"] = descriptor(info.status_endpoint.url)
    return variables


def main(arguments: list[str]) -> None:
    """Parse the container contract's flags, ask for provision info and become the worker."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for flag in ("id", "provision_endpoint", "logging_endpoint", "control_endpoint"):
        parser.add_argument(f"--{flag}", required=flag in ("id", "provision_endpoint"), default="")
    options, _ = parser.parse_known_args(arguments)
    info = provision(options.id, options.provision_endpoint)
    variables = worker_environment(
        options.id, options.logging_endpoint, options.control_endpoint, info
    )
    # The pool never reads a worker's stdout: a full pipe would block the worker.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    worker = [sys.executable, "-m", "apache_beam.runners.worker.sdk_worker_main"]
    os.execve(sys.executable, worker, {**os.environ, **variables})


if __name__ == "__main__":
    main(sys.argv[1:])
