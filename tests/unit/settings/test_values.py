"""Single values: each type is read as what it is, or refused; never repeated."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.cli.declared import load_settings
from pipeline.errors import SettingsError
from pipeline.io.kafka.source import KafkaSourceSettings
from pipeline.settings import Secret, values
from pipeline.settings.values import ValueRefused, ValueType
from tests.unit.settings.test_load import PLANTED, written

REFERENCE = values.matching(
    [("vault:NAME", re.compile("vault:[a-z]")), ("folder:PATH", re.compile("folder:/.+"))]
)


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
    source = settings.sources["k"]
    assert isinstance(source, KafkaSourceSettings)
    assert source.start == "latest"


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


@pytest.mark.parametrize(
    ("type_", "value", "read"),
    [
        (values.text, "x", "x"),
        (values.path, "/a", Path("/a")),
        (values.text_list, "a, b,,c", ("a", "b", "c")),
        (values.networks, ["2001:db8::/32"], ("2001:db8::/32",)),
        (values.choice("on", "off"), "off", "off"),
        (values.switch, "true", True),
        (values.switch, False, False),
        (values.whole(0, 24), "12", 12),
        (values.duration("1s", "1h"), "90s", timedelta(seconds=90)),
        (values.size("1MiB", "1GiB"), "2MiB", 2 * 2**20),
        (values.secret, "env:NAME", Secret("env:NAME")),
        (values.among(values.text_list, "a", "b"), ["b"], ("b",)),
        (REFERENCE, "vault:a", "vault:a"),
    ],
)
def test_a_value_becomes_what_its_type_says(type_: ValueType, value: object, read: object) -> None:
    assert type_.read(value) == read


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (values.text, ""),
        (values.text, PLANTED + "\x00"),
        (values.text_list, 5),
        (values.networks, [f"{PLANTED}/8"]),
        (values.networks, ["10.0.0.1/8"]),
        (values.choice("on", "off"), PLANTED),
        (values.switch, "yes"),
        (values.whole(0, 24), "25"),
        (values.whole(0, 24), True),
        (values.duration("1s", "1h"), "2h"),
        (values.duration("1s", "1h"), "90"),
        (values.size("1MiB", "1GiB"), "512KiB"),
        (values.secret, PLANTED),
        (values.among(values.text_list, "a", "b"), ["c"]),
        (REFERENCE, f"vault:{PLANTED}"),
        (REFERENCE, "folder:"),
        (values.KEY_REFERENCE, PLANTED),
        (values.storage, [PLANTED]),
        (values.storage, {"password": PLANTED}),
    ],
)
def test_a_value_of_another_type_is_refused_and_not_repeated(
    type_: ValueType, value: object
) -> None:
    with pytest.raises(ValueRefused, match=r"expected|secret") as refused:
        type_.read(value)
    assert PLANTED not in str(refused.value)


def test_the_id_of_a_key_of_the_store_is_no_secret() -> None:
    assert values.storage.read({"aws_access_key_id": "AKIA"}) == {"aws_access_key_id": "AKIA"}
