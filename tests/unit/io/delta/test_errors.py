"""Failures of the lake's storage are told in our words, nothing of a library's text."""

from __future__ import annotations

import errno
import os

import pyarrow as pa
import pytest
from deltalake.exceptions import DeltaError

from pipeline.errors import EnvironmentProblem, LakeError, PositionConflict
from pipeline.io.delta.errors import lake_faults, lake_problem

CANARY = "alice@example.com"


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (OSError(errno.ENOSPC, CANARY), errno.ENOSPC),
        (OSError(f"Generic LocalFileSystem error {CANARY} (os error 28)"), errno.ENOSPC),
        (DeltaError(f"{CANARY}: Not a directory (os error 20)"), errno.ENOTDIR),
    ],
)
def test_a_fault_of_the_machine_is_told_as_the_systems(error: Exception, number: int) -> None:
    problem = lake_problem(error, "The lake could not be written", "/lake")
    assert type(problem) is EnvironmentProblem
    assert (problem.why, problem.where) == (os.strerror(number).lower(), "/lake")
    assert CANARY not in f"{problem} {problem!r}"


def test_what_the_machine_does_not_explain_is_the_lakes() -> None:
    problem = lake_problem(DeltaError(CANARY), "The lake could not be written", "/lake")
    assert type(problem) is LakeError
    assert problem.why == "the storage answered DeltaError"
    assert problem.remedy
    assert CANARY not in f"{problem} {problem!r}"


@pytest.mark.parametrize(
    "error",
    [OSError(CANARY), DeltaError(CANARY), pa.ArrowInvalid(CANARY), pa.ArrowKeyError(CANARY)],
)
def test_no_cause_travels_along(error: Exception) -> None:
    with pytest.raises(LakeError) as caught, lake_faults("The lake could not be read", "/lake"):
        raise error
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("other", [PositionConflict("moved"), KeyError("bug"), KeyboardInterrupt()])
def test_what_is_no_fault_of_the_storage_passes_unchanged(other: BaseException) -> None:
    with pytest.raises(type(other)) as caught, lake_faults("The lake", "/lake"):
        raise other
    assert caught.value is other
