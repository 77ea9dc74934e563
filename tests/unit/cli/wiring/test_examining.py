"""What doctor asks of sources: their files, and the registries that they name."""

from __future__ import annotations

from pathlib import Path

from pipeline.cli.frame.options import Invocation
from pipeline.cli.frame.output import Output
from pipeline.cli.wiring.examining import Examined, State, registries, sources
from pipeline.settings import load_settings
from tests.unit.io.registry.registry_server import registry


def invocation(folder: Path, text: str) -> Invocation:
    (folder / "telemetry.toml").write_text(text, "utf-8")
    return Invocation(Output(quiet=True), load_settings(folder / "telemetry.toml", {}))


def test_each_source_with_a_registry_is_asked_for_its_topic(tmp_path: Path) -> None:
    with registry() as served:
        text = (
            '[sources.edge]\nevent = "api_request"\nservers = ["127.0.0.1:1"]\ntopic = "t"\n'
            f'registry = "{served.url}"\n'
        )
        (found,) = registries(invocation(tmp_path, text))
    assert (found.name, found.state) == ("registry of edge", State.WARN)
    assert served.asked == ["/subjects/t-value/versions/latest"]


def test_files_of_a_source_are_counted(tmp_path: Path) -> None:
    (tmp_path / "in.log").touch()
    text = '[sources.a]\nevent = "api_request"\nfiles = ["in.log"]\n'
    assert list(sources(invocation(tmp_path, text))) == [
        Examined("source a", State.OK, "1 file of api_request")
    ]
