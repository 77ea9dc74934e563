"""What only a secret manager does; `tests/integration/test_secret_manager.py` runs this."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.main import main
from pipeline.errors import EnvironmentProblem, KeyUnavailable
from pipeline.io.keys.google_api import GoogleSecrets, connect
from pipeline.io.keys.local import LocalKeystore
from pipeline.io.keys.secret_manager import MOST_EPOCHS, SecretManagerKeystore
from pipeline.privacy.identity.epochs import Epoch, EpochKind, epoch_of
from tests.integration.services.secret_manager import Refused, Service, client_of, serving
from tests.unit.io.keys.stores import NOW, Clock
from tests.unit.io.keys.test_keystore import EPOCH, key_of

SECRET = f"projects/p/secrets/telemetry-epoch-{EPOCH.name}"


class Crash(BaseException):
    """The process dies here."""


class Dying:
    """A client that makes so many calls and dies before or after the next one."""

    def __init__(self, client: Any, calls: int, *, after: bool) -> None:
        self._client, self._left, self._after = client, calls, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(request: Any) -> Any:
            self._left -= 1
            if self._left != -1:
                return method(request)
            if self._after:
                with suppress(Exception):  # it dies before it learns of a refusal, too
                    method(request)
            raise Crash

        return call


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def client(service: Service) -> Iterator[Any]:
    with serving(service) as address:
        yield client_of(address)


def opened(client: Any, clock: Clock | None = None) -> SecretManagerKeystore:
    return SecretManagerKeystore(GoogleSecrets(client, "p", "telemetry"), now=clock or Clock())


@pytest.mark.parametrize("after", [False, True])
def test_the_manager_survives_a_crash_at_any_call(
    client: Any, service: Service, after: bool
) -> None:
    calls = 0
    while True:
        service.secrets.clear()
        before: dict[str, bytes | None] = {}
        finished = False
        try:
            store = opened(Dying(client, calls, after=after))
            before["epoch"] = store.epoch_key(EPOCH)
            before["data"] = store.data_key(EPOCH)
            before["optout"] = store.permanent_key("optout")
            store.destroy(EPOCH.name)
            finished = True
        except Crash:
            pass
        again = opened(client)
        epoch, optout = again.epoch_key(EPOCH), again.permanent_key("optout")
        assert before.get("optout") in (None, optout)
        if {record.name: record.live for record in again.epochs()}[EPOCH.name]:
            assert not finished
            assert before.get("epoch") in (None, epoch)
            assert before.get("data") in (None, again.data_key(EPOCH))
        else:
            assert epoch is None
            assert again.data_key(EPOCH) is None
            assert service.version(f"{SECRET}/versions/1").state == "DESTROYED"
            assert all(
                version.state == "DESTROYED"
                for name, secret in service.secrets.items()
                if "-data-" in name
                for version in secret.versions
            )
        if finished:
            break
        calls += 1
    assert calls > 12


def test_the_manager_destroys_the_content_and_keeps_the_name(client: Any, service: Service) -> None:
    store = opened(client)
    key_of(store)
    store.destroy(EPOCH.name)
    (version,) = service.secrets[SECRET].versions
    assert (version.state, version.data) == ("DESTROYED", b"")


def test_the_manager_does_not_make_a_key_again_whose_entry_was_removed(
    client: Any, service: Service
) -> None:
    store = opened(client)
    key_of(store)
    store.destroy(EPOCH.name)
    service.secrets["projects/p/secrets/telemetry-index"].annotations.clear()
    with pytest.raises(KeyUnavailable, match="listed is missing"):
        opened(client).epoch_key(EPOCH)


def test_a_removed_secret_of_the_manager_is_noticed(client: Any, service: Service) -> None:
    key_of(opened(client))
    del service.secrets[SECRET]
    with pytest.raises(KeyUnavailable, match="listed is missing"):
        opened(client).epoch_key(EPOCH)
    assert SECRET not in service.secrets


@pytest.mark.parametrize("code", ["PERMISSION_DENIED", "UNAUTHENTICATED", "INTERNAL"])
def test_failures_of_the_manager_are_told_without_its_words(
    client: Any, service: Service, code: str
) -> None:
    def refuse(method: str) -> None:
        raise Refused(code)

    service.before = refuse
    with pytest.raises(EnvironmentProblem) as caught:
        opened(client)
    assert "words of the request" not in str(caught.value)


def test_an_account_that_may_not_destroy_reads_on_after_an_expiry(
    client: Any, service: Service
) -> None:
    """The pipeline has no right to destroy; the expirer died before it had destroyed the key."""

    def refuse(method: str) -> None:
        if method == "destroy_secret_version":
            raise Refused("PERMISSION_DENIED")

    store = opened(client)
    key_of(store)
    optout = store.permanent_key("optout")
    service.before = refuse
    with pytest.raises(EnvironmentProblem, match="could not be destroyed"):
        store.destroy(EPOCH.name)
    again = opened(client)
    assert (again.epoch_key(EPOCH), again.permanent_key("optout")) == (None, optout)
    assert service.version(f"{SECRET}/versions/1").state == "ENABLED"
    service.before = lambda method: None
    opened(client)
    assert service.version(f"{SECRET}/versions/1").state == "DESTROYED"


def test_a_known_key_of_the_manager_costs_no_call(client: Any, service: Service) -> None:
    clock = Clock()
    store = opened(client, clock)
    key = key_of(store)
    calls = service.calls
    assert key_of(store) == key
    assert service.calls == calls
    clock.now += timedelta(minutes=5)
    assert key_of(store) == key
    assert service.calls > calls


def test_the_managers_index_forgets_the_oldest_destroyed_epochs_first(client: Any) -> None:
    clock = Clock()
    store = opened(client, clock)
    first = epoch_of(NOW.date(), EpochKind.DAY).index
    for number in range(MOST_EPOCHS + 20):
        clock.now = NOW + timedelta(days=number)
        key_of(store, Epoch(EpochKind.DAY, first + number))
        if number >= 90:
            store.destroy(Epoch(EpochKind.DAY, first + number - 90).name)
    names = [record.name for record in store.epochs()]
    assert len(names) <= MOST_EPOCHS + 1
    assert names[-1] == Epoch(EpochKind.DAY, first + MOST_EPOCHS + 19).name
    assert sum(record.live for record in store.epochs()) == 90


def test_commands_find_the_keys_of_the_manager_by_the_settings(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from google.cloud import secretmanager

    monkeypatch.setattr(secretmanager, "SecretManagerServiceClient", lambda: client)
    settings = tmp_path / "telemetry.toml"
    settings.write_text('[state]\npath = "state"\nkeys = "gcp-sm:projects/p/secrets/telemetry"\n')
    words = ["--config", str(settings), "--now", "2026-11-24T12:00:00Z", "--json"]
    key_of(opened(client))
    assert main(["keys", "status", *words]) == 0
    (epoch,) = json.loads(capsys.readouterr().out)["epochs"]
    assert (epoch["epoch"], epoch["status"]) == (EPOCH.name, "live")
    assert main(["optout", "add", "account-1", *words]) == 0
    assert not (tmp_path / "state" / "keys").exists()


@pytest.fixture
def commands(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    """Runs a command whose keys are the manager's; returns its JSON document."""
    from google.cloud import secretmanager

    monkeypatch.setattr(secretmanager, "SecretManagerServiceClient", lambda: client)
    settings = tmp_path / "telemetry.toml"
    settings.write_text(
        '[lake]\npath = "lake"\n'
        '[state]\npath = "state"\nkeys = "gcp-sm:projects/p/secrets/telemetry"\n'
    )
    (tmp_path / "lake").mkdir()

    def run(*words: str) -> Any:
        capsys.readouterr()
        main([*words, "--config", str(settings), "--now", "2026-11-24T12:00:00Z", "--json"])
        return json.loads(capsys.readouterr().out)

    run("optout", "add", "account-1")
    return run


def lose_a_key(service: Service, state: Path) -> None:
    service.version(f"{SECRET}/versions/1").state = "DISABLED"


def write_a_short_key(service: Service, state: Path) -> None:
    service.version(f"{SECRET}/versions/1").data = b"x" * 16


def write_a_weak_key(service: Service, state: Path) -> None:
    service.version(f"{SECRET}/versions/1").data = b"x" * 32


def use_a_key_twice(service: Service, state: Path) -> None:
    optout = service.version("projects/p/secrets/telemetry-optout/versions/1")
    service.version(f"{SECRET}/versions/1").data = optout.data


def leave_local_keys(service: Service, state: Path) -> None:
    LocalKeystore(state / "keys", now=Clock()).permanent_key("optout")


def take_the_rights(service: Service, state: Path) -> None:
    def refuse(method: str) -> None:
        raise Refused("PERMISSION_DENIED")

    service.before = refuse


BROKEN_KEYS = [
    (lose_a_key, "fail", "keys_sound"),
    (write_a_short_key, "fail", "keys_sound"),
    (write_a_weak_key, "ok", "keys_sound"),
    (use_a_key_twice, "ok", "keys_sound"),
    (leave_local_keys, "warn", "known_places"),
    (take_the_rights, "fail", "keys_sound"),
]


@pytest.mark.parametrize(
    ("spoil", "doctor", "audit"), BROKEN_KEYS, ids=[spoil.__name__ for spoil, _, _ in BROKEN_KEYS]
)
def test_doctor_and_audit_look_at_the_keys_of_the_manager(
    commands: Callable[..., Any],
    client: Any,
    service: Service,
    tmp_path: Path,
    spoil: Callable[[Service, Path], None],
    doctor: str,
    audit: str,
) -> None:
    """A key's length and presence are the doctor's business, its randomness is the audit's."""
    key = key_of(opened(client))
    assert (doctored(commands), broken(commands) & {audit}) == ("ok", set())
    spoil(service, tmp_path / "state")
    assert (doctored(commands), broken(commands) & {audit}) == (doctor, {audit})
    assert key.hex() not in json.dumps(commands("audit"))


def doctored(commands: Callable[..., Any]) -> str:
    """The worst that `telemetry doctor` says of the keys."""
    found = {one["state"] for one in commands("doctor")["checks"] if one["name"] == "keys"}
    return next(state for state in ("fail", "warn", "ok") if state in found)


def broken(commands: Callable[..., Any]) -> set[str]:
    """The checks of `telemetry audit` that failed."""
    return {
        check["check"]
        for promise in commands("audit")["promises"]
        for check in promise["checks"]
        if check["verdict"] == "broken"
    }


def test_credentials_for_the_manager_that_are_missing_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the manager's real client, in a process that has no account."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/credentials.json")
    with pytest.raises(EnvironmentProblem, match="no credentials"):
        connect("p", "telemetry")
