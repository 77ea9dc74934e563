"""Settings: precedence, limits, refusals, and what never shows."""

from __future__ import annotations

import pickle
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem, SettingsError
from pipeline.settings import Secret, load_settings
from pipeline.settings.load import wants_color
from pipeline.settings.secrets import reveal

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
    assert settings.sources["a"].files == (str(tmp_path / "in/*.ndjson"), "/abs")


def test_times_sizes_and_lists_are_read_as_what_they_are(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        '[flush]\ninterval = "500ms"\nbytes = "16MiB"\n'
        '[privacy]\ntrusted_proxies = ["10.0.0.0/8"]\npublic_ranges = ["198.18.0.0/15"]\n'
        '[sources.k]\nevent = "session"\nservers = ["a:9092"]\ntopic = "t"\nstart = "latest"\n',
    )
    settings = load_settings(file, environ={})
    assert settings.flush.interval == timedelta(milliseconds=500)
    assert settings.flush.bytes == 16 * 2**20
    assert settings.privacy.trusted_proxies == ("10.0.0.0/8",)
    assert settings.sources["k"].start == "latest"


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
    "line",
    [
        "ipv4_bits = 25",
        "ipv6_bits = 49",
        "ipv4_bits = -1",
        "ipv4_bits = true",
        "ipv4_bits = 16.0",
        "max_age_days = 90",
        "retention_days = 91",
        'optout_stale_after = "16m"',
        'epoch = "month"',
        'public_ranges = ["8.8.8.0/24"]',
        'public_ranges = ["10.0.0.0/8"]',
        'trusted_proxies = ["10.0.0.1/8"]',
        "trusted_proxies = [10]",
    ],
)
def test_floors_and_ceilings_cannot_be_crossed(tmp_path: Path, line: str) -> None:
    with pytest.raises(SettingsError, match="expected"):
        load_settings(written(tmp_path, f"[privacy]\n{line}\n"), environ={})


@pytest.mark.parametrize(
    "text",
    [
        '[sources.a]\nfiles = ["x"]',
        '[sources.a]\nevent = "session"',
        '[sources.a]\nevent = "session"\nservers = ["a:1"]',
        '[sources.a]\nevent = "session"\nfiles = ["x"]\ntopic = "t"\nservers = ["a:1"]',
        '[sources]\na = "x"',
    ],
)
def test_a_source_is_one_event_from_files_or_from_a_topic(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(written(tmp_path, text), environ={})
    assert refused.value.remedy


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


def test_what_is_needed_and_not_set_is_refused_with_all_ways_to_set_it() -> None:
    settings = load_settings(environ={})
    for need, word in ((settings.need_lake, "--lake"), (settings.need_state, "--state")):
        with pytest.raises(SettingsError) as refused:
            need()
        assert word in refused.value.remedy


def test_secrets_are_references_and_show_neither_name_nor_value(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        f'[kafka]\npassword = "env:{PLANTED.replace("-", "_")}"\n'
        f'[lake.storage]\nregion = "eu"\naws_secret_access_key = "file:/{PLANTED}"\n',
    )
    settings = load_settings(file, environ={})
    assert PLANTED not in repr(settings)
    assert PLANTED.replace("-", "_") not in repr(settings)
    assert settings.lake.storage["region"] == "eu"


def test_a_secret_of_the_store_written_out_is_refused_without_repeating_it(tmp_path: Path) -> None:
    file = written(tmp_path, f'[lake.storage]\nAWS_SECRET_ACCESS_KEY = "{PLANTED}"\n')
    with pytest.raises(SettingsError) as refused:
        load_settings(file, environ={})
    assert "env:" in str(refused.value)
    assert PLANTED not in str(refused.value)


def test_secrets_are_revealed_from_environment_and_file_only_when_there(tmp_path: Path) -> None:
    secret_file = tmp_path / "secret"
    secret_file.write_text("from file\n")
    assert reveal(Secret("env:A"), "kafka.password", {"A": "from env"}) == "from env"
    assert reveal(Secret(f"file:{secret_file}"), "kafka.password", {}) == "from file"
    for reference in ("env:MISSING", f"file:{tmp_path / 'none'}"):
        with pytest.raises(SettingsError) as refused:
            reveal(Secret(reference), "kafka.password", {})
        assert refused.value.where == "kafka.password"
        assert "MISSING" not in str(refused.value)


def test_the_secret_manager_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "google.cloud.secretmanager", None)
    with pytest.raises(EnvironmentProblem, match="gcp-sm"):
        reveal(Secret("gcp-sm:projects/p/secrets/s/versions/1"), "kafka.password", {})


def test_sections_travel_to_workers() -> None:
    settings = load_settings(environ={})
    assert pickle.loads(pickle.dumps(settings.privacy)) == settings.privacy


@pytest.mark.parametrize(("environ", "color"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_is_obeyed(environ: dict[str, str], color: bool) -> None:
    assert wants_color(environ) is color
