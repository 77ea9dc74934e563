"""`telemetry dashboard`: the site of a lake, and what stays of it when a build fails."""

from __future__ import annotations

from tests.unit.cli.commands.tiny import Tiny

NOTICE = "The last build failed"


def test_a_lake_without_publications_has_a_page_too(tiny: Tiny) -> None:
    site = tiny.folder / "site"
    document = tiny.call("dashboard", "build", "--out", str(site))
    page = site / "index.html"
    assert document == {"page": str(page), "bytes": page.stat().st_size}
    assert (site / "metrics" / "annotations.json").read_text("utf-8") == "[]"


def test_marks_come_from_the_flag_or_the_settings(tiny: Tiny) -> None:
    mark = '[[annotation]]\nday = 2026-11-%d\nkind = "release"\ntext = "%s"\n'
    (tiny.folder / "ours.toml").write_text(mark % (22, "v2"))
    (tiny.folder / "theirs.toml").write_text(mark % (23, "v3"))
    tiny.write('[dashboard]\nannotations = "ours.toml"\n')
    site = tiny.folder / "site"
    for words, text in (([], "v2"), (["--annotations", str(tiny.folder / "theirs.toml")], "v3")):
        tiny.say("dashboard", "build", "--out", str(site), *words)
        assert text in (site / "metrics" / "annotations.json").read_text("utf-8")


def test_after_a_failure_the_last_page_stays_under_a_notice(tiny: Tiny) -> None:
    site, marks = tiny.folder / "site", tiny.folder / "marks.toml"
    tiny.say("dashboard", "build", "--out", str(site))
    before = (site / "index.html").read_text("utf-8")
    marks.write_text("not TOML")
    words = ["dashboard", "build", "--out", str(site), "--annotations", str(marks)]
    assert "marks.toml" in tiny.refused(*words, code=3)
    after = (site / "index.html").read_text("utf-8")
    assert NOTICE in after
    assert NOTICE not in before
    assert len(after) > len(before)


def test_marks_that_cannot_be_read_are_named(tiny: Tiny) -> None:
    words = ["dashboard", "build", "--out", str(tiny.folder / "site"), "--annotations", "none.toml"]
    assert "FileNotFoundError" in tiny.refused(*words, code=3)
    assert not (tiny.folder / "site").exists()
