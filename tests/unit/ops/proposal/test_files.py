"""The files that are proposed load, and say what was found."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pipeline.cli.declared import load_settings
from pipeline.events.catalogue import Route, parse_catalogue
from pipeline.io.files.source import FileSourceSettings
from pipeline.io.package_data import load_catalogue, load_schemas, packaged_documents
from pipeline.ops.proposal.files import Input, catalogue_texts, schema_texts, settings_text

LOG = Input("api_request", ("access.log", 'odd "name"\\.log'), "nginx_combined", None)


def test_settings_load_and_name_every_source(tmp_path: Path) -> None:
    inputs = [
        LOG,
        Input("api_request", ("pods/",), "nginx_combined", "cri"),
        Input("session", ("s.ndjson",), None, None),
        Input("api_request", ("x.log",), "formats/Our own.toml", None),
    ]
    path = tmp_path / "telemetry.toml"
    path.write_text(settings_text(inputs, "s3://bucket/lake", "/var/state", own_schemas=True))
    settings = load_settings(path, environ={})
    assert settings.lake.path == "s3://bucket/lake"
    assert settings.catalogue.directory == tmp_path / "catalogue"
    assert settings.schemas.directory == tmp_path / "schemas"
    assert {
        name: (one.event, one.format, one.envelope) for name, one in settings.sources.items()
    } == {
        "nginx_combined": ("", "nginx_combined", None),
        "nginx_combined_2": ("", "nginx_combined", "cri"),
        "session": ("session", None, None),
        "our_own": ("", str(tmp_path / "formats/Our own.toml"), None),
    }
    source = settings.sources["nginx_combined"]
    assert isinstance(source, FileSourceSettings)
    assert source.files[1] == str(tmp_path / 'odd "name"\\.log')


def test_without_a_source_one_is_shown_as_a_comment() -> None:
    text = settings_text([], "lake", "state", own_schemas=False)
    assert "# [sources.requests]" in text
    assert set(tomllib.loads(text)) == {"lake", "state", "catalogue"}


def test_paths_start_at_the_settings_file() -> None:
    assert LOG.beside(Path()).files[0] == "access.log"
    assert LOG.beside(Path("conf")).files[0] == "../access.log"
    assert LOG.beside(Path("conf")).format == "nginx_combined"
    own = Input("api_request", ("/var/log/x",), "own.toml", None).beside(Path("conf"))
    assert (own.files, own.format) == (("/var/log/x",), "../own.toml")


def test_the_catalogue_has_what_was_found_in_place_of_the_packaged_lists() -> None:
    texts = catalogue_texts([Route("GET", "/users/{user}")], {"models": ["no", "v2v 1.0"]})
    assert set(texts) == {f"{name}.yaml" for name in packaged_documents("catalogue")}
    made = parse_catalogue({name.removesuffix(".yaml"): text for name, text in texts.items()})
    assert made.routes == (Route("GET", "/users/{user}"),)
    assert made.values("models") == ("no", "v2v 1.0")
    assert made.values("plans") == load_catalogue().values("plans")
    assert catalogue_texts([], {}) == {
        f"{name}.yaml": text for name, text in packaged_documents("catalogue").items()
    }


def test_a_schema_of_ones_own_loads_beside_the_packaged_ones(tmp_path: Path) -> None:
    for name, text in schema_texts("checkout", ["api_request", "feature_use"]).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    schemas = load_schemas(tmp_path)
    assert set(schemas) == {"api_request", "checkout", "feature_use"}
    assert [one.version for one in schemas["checkout"]] == [1]
    assert schemas["api_request"] == load_schemas()["api_request"]
