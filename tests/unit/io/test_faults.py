"""Failures are told in our words: what is wrong and what to do, nothing of a library's text."""

from __future__ import annotations

import errno
import os

import pyarrow as pa
import pytest
from deltalake.exceptions import DeltaError

from pipeline.errors import EnvironmentProblem, LakeError, PositionConflict
from pipeline.io.faults import errno_of, state_faults
from pipeline.io.lake_faults import lake_faults, lake_problem

CANARY = "alice@example.com"


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (OSError(errno.ENOSPC, CANARY), errno.ENOSPC),
        (PermissionError(errno.EACCES, CANARY), errno.EACCES),
        (OSError(f"Generic LocalFileSystem error {CANARY} (os error 28)"), errno.ENOSPC),
        (DeltaError(f"{CANARY}: Not a directory (os error 20)"), errno.ENOTDIR),
        (pa.ArrowException(f"{CANARY} [errno 13]"), errno.EACCES),
        (DeltaError(CANARY), None),
    ],
)
def test_the_systems_number_is_found_wherever_it_is(error: Exception, number: int | None) -> None:
    assert errno_of(error) == number
    problem = lake_problem(error, "The lake could not be written", "/lake")
    assert CANARY not in f"{problem} {problem!r}"
    assert problem.remedy
    if number is None:
        assert type(problem) is LakeError
        assert "DeltaError" in problem.why
    else:
        assert type(problem) is EnvironmentProblem
        assert problem.why == os.strerror(number).lower()


@pytest.mark.parametrize(
    "error",
    [OSError(CANARY), DeltaError(CANARY), pa.ArrowInvalid(CANARY), pa.ArrowKeyError(CANARY)],
)
def test_no_cause_travels_along(error: Exception) -> None:
    with pytest.raises(LakeError) as caught, lake_faults("The lake could not be read", "/lake"):
        raise error
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_errors_of_ours_pass_unchanged() -> None:
    ours = PositionConflict("moved")
    with pytest.raises(PositionConflict) as caught, lake_faults("The lake", "/lake"):
        raise ours
    assert caught.value is ours


def test_failures_of_the_state_folder_are_problems_of_the_machine() -> None:
    for error in (OSError(errno.EROFS, CANARY), OSError(errno.ELOOP, CANARY), OSError(CANARY)):
        with pytest.raises(EnvironmentProblem) as caught, state_faults("The list", "/state"):
            raise error
        assert CANARY not in str(caught.value)
        assert caught.value.__cause__ is None
