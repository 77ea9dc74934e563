"""Failures of the machine are told by their number: what is wrong and what to do about it."""

from __future__ import annotations

import errno
import os

import pyarrow as pa
import pytest

from pipeline.errors import EnvironmentProblem, PositionConflict
from pipeline.io.disk.errors import environment_problem, errno_of, state_faults

CANARY = "alice@example.com"


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (OSError(errno.ENOSPC, CANARY), errno.ENOSPC),
        (PermissionError(errno.EACCES, CANARY), errno.EACCES),
        (OSError(f"Generic LocalFileSystem error {CANARY} (os error 28)"), errno.ENOSPC),
        (RuntimeError(f"{CANARY}: Not a directory (os error 20)"), errno.ENOTDIR),
        (pa.ArrowException(f"{CANARY} [errno 13]"), errno.EACCES),
    ],
)
def test_the_systems_number_is_found_wherever_it_is(error: Exception, number: int) -> None:
    assert errno_of(error) == number
    problem = environment_problem(error, "A file could not be written", "/state")
    assert problem is not None
    assert problem.why == os.strerror(number).lower()
    assert problem.remedy
    assert CANARY not in f"{problem} {problem!r}"


@pytest.mark.parametrize("error", [OSError(CANARY), OSError(errno.ELOOP, CANARY), ValueError("28")])
def test_what_the_machine_is_not_known_to_be_at_fault_for_is_no_problem_of_it(
    error: Exception,
) -> None:
    assert environment_problem(error, "A file could not be written", "/state") is None


def test_failures_of_the_state_folder_are_problems_of_the_machine() -> None:
    for error in (OSError(errno.EROFS, CANARY), OSError(errno.ELOOP, CANARY), OSError(CANARY)):
        with pytest.raises(EnvironmentProblem) as caught, state_faults("The list", "/state"):
            raise error
        assert CANARY not in str(caught.value)
        assert caught.value.__cause__ is None


@pytest.mark.parametrize("other", [PositionConflict("moved"), ValueError("bug")])
def test_what_is_no_failure_of_a_folder_passes_unchanged(other: Exception) -> None:
    with pytest.raises(type(other)) as caught, state_faults("The list", "/state"):
        raise other
    assert caught.value is other
