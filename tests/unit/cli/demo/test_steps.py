"""The demo's steps, on the smallest demo; whole demos are run by the integration tests."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from pipeline.cli.commands.demo import prepare
from pipeline.cli.declared import load_settings
from pipeline.cli.demo.figures import SITE, dashboard
from pipeline.cli.demo.scene import Demo
from pipeline.cli.demo.steps import STEPS, expire, generate, questions, scan
from pipeline.cli.frame.options import Invocation
from pipeline.cli.frame.output import Output
from pipeline.demo.awkward import CANARIES
from pipeline.errors import PrivacyGateClosed
from pipeline.io.state_folder import StateFolder

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    """A demo of a day, with its input and its opt-outs, and nothing that has run yet."""
    settings = load_settings(prepare(tmp_path / "d"), environ={})
    call = Invocation(Output(quiet=True), settings, fixed_now=NOW)
    return Demo(call, tmp_path / "d", days=1, events=1_000, seed=1)


def document(found: object) -> dict[str, Any]:
    return cast("dict[str, Any]", found)


def test_the_input_is_a_file_a_day_and_some_accounts_opt_out(demo: Demo, tmp_path: Path) -> None:
    result = generate(demo)
    found = document(result.document)
    lines = {
        event: sum(path.read_bytes().count(b"\n") for path in (demo.inputs / event).iterdir())
        for event in demo.counts()
    }
    assert lines == demo.counts()
    assert found["opted_out_accounts"] == len(demo.world().opted_out())
    with (tmp_path / "told").open("w") as file:
        demo.call.out.out = file
        result.show()
    assert "1 day until 2026-11-24 12:00 UTC" in (tmp_path / "told").read_text()


def test_a_canary_in_what_was_written_closes_the_gate(demo: Demo) -> None:
    generate(demo)
    dashboard(demo)
    found = document(scan(demo).document)
    assert (found["findings"], found["canaries_in_output"]) == (0, 0)
    assert found["canaries_in_input"] > 0
    (demo.folder / SITE / "note").write_text(f"seen: {CANARIES[0]}")
    with pytest.raises(PrivacyGateClosed, match="note"):
        scan(demo)


def test_before_a_run_there_is_nothing_to_expire_and_nothing_in_the_answers(demo: Demo) -> None:
    generate(demo)
    (demo.folder / "lake").mkdir()
    assert expire(demo).document == {"files": 0, "rows": 0}
    answers = cast("list[dict[str, Any]]", questions(demo).document)
    assert answers
    assert all(answer["sql"].strip() for answer in answers)


def test_every_step_has_a_title_and_a_name_of_its_own() -> None:
    names = [do.__name__ for _, do in STEPS]
    assert names[0] == "generate"
    assert names[-1] == "scan"
    assert len(set(names)) == len({title for title, _ in STEPS}) == len(STEPS)


def test_the_state_folder_is_for_this_user_alone(demo: Demo) -> None:
    generate(demo)
    state = StateFolder(demo.call.settings.need_state())
    assert state.optouts.stat().st_mode & 0o077 == 0
