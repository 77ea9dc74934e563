"""Both decoders: a fixture that runs each test of a folder with the kernel and without it."""

from __future__ import annotations

import os

import pytest

from pipeline import native


@pytest.fixture(autouse=True, params=["kernel", "python"])
def decoder_in_use(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Switch the kernel on or off for one test; its name."""
    way: str = request.param
    use(way, monkeypatch)
    return way


def use(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decode by `kernel` or `python` from now on; skip, or in CI fail, where there is no kernel."""
    monkeypatch.setenv(native.SWITCH, "off" if way == "python" else "")
    if way == "kernel" and native.kernel() is None:
        why = "the native kernel is not built: run `make install` with cargo 1.88 or newer"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
