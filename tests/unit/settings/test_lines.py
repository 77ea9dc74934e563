"""Lines of settings in their file."""

from __future__ import annotations

from pipeline.settings.lines import lines_of


def test_each_setting_has_the_line_on_which_it_begins() -> None:
    text = (
        "# a comment\n"
        "[lake] # and another\n"
        "\n"
        'path = """\n[state]\npath = 1\n"""\n'
        "[sources.a]\r\n"
        'files = [\n "x", # no end yet\n]\n'
        '"event" = "session"\n'
        "[kafka]\n"
        "servers = []\n"
    )
    assert lines_of(text) == {
        ("lake",): 2,
        ("lake", "path"): 4,
        ("sources",): 8,
        ("sources", "a"): 8,
        ("sources", "a", "files"): 9,
        ("sources", "a", "event"): 12,
        ("kafka",): 13,
        ("kafka", "servers"): 14,
    }


def test_dotted_names_and_inline_tables_have_lines_too() -> None:
    found = lines_of('lake.path = "x"\nstate = { path = "y" }\n')
    assert found == {
        ("lake",): 1,
        ("lake", "path"): 1,
        ("state",): 2,
        ("state", "path"): 2,
    }
