"""Settings of the whole test run: caches outside the tree, Hypothesis profiles, no silent skips."""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

CACHE = Path(
    os.environ.get("TELEMETRY_CACHE")
    or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "telemetry-pipeline"
)
_ABSENT = pytest.StashKey[set[str]]()
IN_CI = os.environ.get("CI") == "true"

# A shell's job in the background ignores SIGINT, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
set_hypothesis_home_dir(str(CACHE / "hypothesis"))
# Time limits per example fail on a busy machine and say nothing about the code.
settings.register_profile("quick", deadline=None, max_examples=50)
settings.register_profile(
    "ci",
    deadline=None,
    max_examples=100,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", deadline=None, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if IN_CI else "quick"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out second opinions by tools that no package registry brings, and say so.

    They are not skips: what they check is checked by other tests as well, without the tool.
    """
    absent: dict[pytest.Item, str] = {}
    for item in items:
        for mark in item.iter_markers("second_opinion"):
            if shutil.which(mark.args[0]) is None:
                absent[item] = mark.args[0]
    if absent:
        config.hook.pytest_deselected(items=list(absent))
        items[:] = [item for item in items if item not in absent]
        config.stash.setdefault(_ABSENT, set()).update(absent.values())


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    """Name the tools whose second opinion was not asked."""
    absent = config.stash.setdefault(_ABSENT, set())
    return [f"no second opinion by {', '.join(sorted(absent))}: not on the PATH"] if absent else []


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failure: a check that silently does not run proves nothing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not IN_CI or reporter is None or hasattr(session.config, "workerinput"):
        return
    skipped = reporter.stats.get("skipped", [])
    if skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter.write_line("")
        reporter.write_line(f"CI=true: {len(skipped)} skipped test(s) count as failures", red=True)


@pytest.fixture
def heeds_permissions() -> Iterator[None]:
    """Make the system heed file modes, also where the tests run as root.

    Root reads and writes everything by two capabilities. They are laid down for the test, by this
    thread and the processes it starts meanwhile, and taken up again afterwards.
    """
    held = _capabilities()
    try:
        (effective, permitted, inherited), upper = held
        _set_capabilities([(effective & ~_OVERRIDES, permitted, inherited), upper])
        yield
    finally:
        _set_capabilities(held)


_OVERRIDES = (1 << 1) | (1 << 2)
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, see capabilities(7)."""
_VERSION_3 = 0x20080522
Capabilities = list[tuple[int, int, int]]


def _call(name: str, values: Capabilities) -> Capabilities:
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)(*itertools.chain.from_iterable(values))
    if getattr(ctypes.CDLL(None, use_errno=True), name)(header, data) != 0:
        raise OSError(ctypes.get_errno(), f"{name} failed")
    flat = list(data)
    return [(flat[0], flat[1], flat[2]), (flat[3], flat[4], flat[5])]


def _capabilities() -> Capabilities:
    return _call("capget", [(0, 0, 0), (0, 0, 0)])


def _set_capabilities(values: Capabilities) -> None:
    _call("capset", values)
