"""Settings: precedence, limits, refusals, and what never shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli.declared import load_settings, trace_settings
from pipeline.errors import SettingsError
from pipeline.io.files.source import FileSourceSettings
from pipeline.io.kafka.source import KafkaSourceSettings
from pipeline.settings.load import wants_color

PLANTED = "hunter2-canary"


def written(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text)
    return path


def test_a_flag_wins_over_the_environment_over_the_file_over_the_default(tmp_path: Path) -> None:
    file = written(tmp_path, '[state]\npath = "/file"\n[privacy]\nipv4_bits = 8\nipv6_bits = 24\n')
    environ = {"TELEMETRY_STATE": "/env", "TELEMETRY_PRIVACY_IPV4_BITS": "12"}
    settings = load_settings(file, {"state.path": "/flag", "lake.path": None}, environ)
    assert settings.state.path == Path("/flag")
    assert settings.privacy.ipv4_bits == 12
    assert settings.privacy.ipv6_bits == 24
    assert settings.privacy.max_age_days == 7


def test_the_file_in_the_working_directory_is_used_unless_another_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(environ={}).lake.path is None
    (tmp_path / "telemetry.toml").write_text('[lake]\npath = "here"\n')
    assert load_settings(environ={}).lake.path == "here"
    other = written(tmp_path, '[lake]\npath = "s3://bucket/lake"\n')
    assert load_settings(environ={"TELEMETRY_CONFIG": str(other)}).lake.path == "s3://bucket/lake"


def test_relative_paths_of_a_file_start_at_its_folder(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        '[lake]\npath = "lake"\n[state]\npath = "state"\n'
        '[sources.a]\nevent = "session"\nfiles = ["in/*.ndjson", "/abs"]\n',
    )
    settings = load_settings(file, environ={})
    assert settings.lake.path == str(tmp_path / "lake")
    assert settings.state.path == tmp_path / "state"
    source = settings.sources["a"]
    assert isinstance(source, FileSourceSettings)
    assert source.files == (str(tmp_path / "in/*.ndjson"), "/abs")


@pytest.mark.parametrize(
    "url",
    ["registry:8081", "ftp://registry", "https://", "https://user:canary@registry", "http://a b"],
)
def test_the_address_of_a_registry_holds_no_credentials(tmp_path: Path, url: str) -> None:
    text = '[sources.a]\nevent = "session"\nservers = ["a:1"]\ntopic = "t"\n'
    given = load_settings(written(tmp_path, f'{text}registry = "https://a:1/b"\n'), environ={})
    source = given.sources["a"]
    assert isinstance(source, KafkaSourceSettings)
    assert source.registry == "https://a:1/b"
    with pytest.raises(SettingsError, match="without user and password") as refused:
        load_settings(written(tmp_path, f'{text}registry = "{url}"\n'), environ={})
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("line", ['registry = "https://a"', 'start = "latest"', 'group = "g"'])
def test_a_setting_of_another_kind_of_source_is_refused(tmp_path: Path, line: str) -> None:
    text = f'[sources.a]\nevent = "session"\nfiles = ["in"]\n{line}\n'
    with pytest.raises(SettingsError, match="has no effect on a source of files"):
        load_settings(written(tmp_path, text), environ={})


@pytest.mark.parametrize(
    ("text", "names", "suggests"),
    [
        ("[privcy]\nipv4_bits = 8", "[privcy]", "privacy"),
        ("[privacy]\nipv4_bit = 8", "privacy.ipv4_bit", "ipv4_bits"),
        ('[sources.a]\nevnt = "session"', "[sources.a].evnt", "event"),
        ("lake = 5", "settings.toml", "[lake]"),
        ("[privacy]\nzebra = 1", "privacy.zebra", "docs/configuration.md"),
    ],
)
def test_an_unknown_name_is_refused_with_a_suggestion(
    tmp_path: Path, text: str, names: str, suggests: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(written(tmp_path, text), environ={})
    assert names in refused.value.where
    assert suggests in refused.value.remedy


@pytest.mark.parametrize(
    "text", ["[lake\n", "a = 1\na = 2\n", f'[kafka]\npassword = "{PLANTED}"\n']
)
def test_a_refusal_never_repeats_what_was_written(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(written(tmp_path, text), environ={})
    assert PLANTED not in str(refused.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as missing:
        load_settings(tmp_path / "none.toml", environ={})
    assert missing.value.where == str(tmp_path / "none.toml")
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="UTF-8"):
        load_settings(binary, environ={})


def test_a_misspelt_variable_of_a_section_is_refused_and_foreign_ones_are_not() -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(environ={"TELEMETRY_PRIVACY_IPV4_BTS": "8"})
    assert "TELEMETRY_PRIVACY_IPV4_BITS" in refused.value.remedy
    load_settings(environ={"TELEMETRY_TEST_BROKER": "x", "OTHER": "y"})


@pytest.mark.parametrize(("environ", "color"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_is_obeyed(environ: dict[str, str], color: bool) -> None:
    assert wants_color(environ) is color


def test_a_trace_says_where_each_value_is_from(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        '# ours\n[lake]\npath = "lake"\n[privacy]\nipv6_bits = 24\nipv4_bits = 8\n'
        '[sources.a]\nevent = "session"\nfiles = [\n  "in",\n]\n',
    )
    environ = {"TELEMETRY_PRIVACY_IPV4_BITS": "12"}
    trace = trace_settings(file, {"state.path": "/flag"}, environ)
    assert trace.origins == {
        "lake.path": f"{file}:3",
        "privacy.ipv6_bits": f"{file}:5",
        "privacy.ipv4_bits": "environment TELEMETRY_PRIVACY_IPV4_BITS",
        "sources.a.event": f"{file}:8",
        "sources.a.files": f"{file}:9",
        "state.path": "flag --state",
    }
    assert trace.problems == ()
    assert trace.file == str(file)


def test_a_trace_holds_every_problem_and_reads_the_rest(tmp_path: Path) -> None:
    file = written(
        tmp_path, '[privcy]\n[privacy]\nipv4_bits = 99\nipv6_bits = 8\n[sources.a]\nfiles = ["x"]\n'
    )
    trace = trace_settings(file, environ={"TELEMETRY_LAKE_PATHS": "x"})
    assert [problem.where.removeprefix(str(file)) for problem in trace.problems] == [
        ":1: [privcy]",
        ":3: privacy.ipv4_bits",
        ":5: [sources.a]",
        "environment: TELEMETRY_LAKE_PATHS",
    ]
    assert trace.settings.privacy.ipv6_bits == 8


def test_the_first_problem_is_raised_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(written(tmp_path, '[kafka]\n\nprotocol = "sasl_sl"\n'), environ={})
    assert refused.value.where.endswith("settings.toml:3: kafka.protocol")
    assert "Did you mean SASL_SSL?" in refused.value.what


def test_the_name_of_the_schema_for_editors_is_no_setting(tmp_path: Path) -> None:
    file = written(tmp_path, '"$schema" = "./telemetry.schema.json"\n[lake]\npath = "/l"\n')
    assert load_settings(file, environ={}).lake.path == "/l"
