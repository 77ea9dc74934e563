"""An audit finds every breach, one at a time, and names promise, check, place and reason.

One installation lives through everything that leaves a trace: seals of both kinds, an erasure, an
opt-out with its purge, a restriction, an export, legal holds, publications and a page. It has no
finding. Then each function of `tests.integration.breaches` breaks a copy of it in one way. A report
never repeats what was planted.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.cli.commands.audit import as_document, open_audited, rebuilt
from pipeline.cli.declared import load_settings
from pipeline.cli.frame.options import Invocation
from pipeline.cli.frame.output import Output
from pipeline.cli.main import main
from pipeline.cli.wiring.lists import read_optouts
from pipeline.cli.wiring.opening import open_keystore, open_lake
from pipeline.events.promises import Promise
from pipeline.io.rights.holds import Holds
from pipeline.io.rights.receipts import Receipts
from pipeline.io.rights.request_queue import RequestQueue
from pipeline.io.state_folder import StateFolder
from pipeline.ops.audit.audit import Audited, Report, audit
from pipeline.ops.audit.checks import CHECKS, packaged_promises
from pipeline.ops.audit.recomputed import RECOMPUTED
from pipeline.ops.audit.recomputed_facts import SUPPRESSED
from pipeline.ops.rollup.registry import Registry
from pipeline.ops.scan import table_scan
from pipeline.ops.scan.findings import Finding
from pipeline.ops.scan.parquet_scan import FileScan, Layout, Look, scan_file
from tests.integration.breaches.figures import CHANGED
from tests.integration.breaches.planting import BREACHES, MARKS, Breach, Copy, copy_of
from tests.integration.breaches.state import AT
from tests.integration.test_audit import NOW, accounts_of
from tests.rules.sources import ROOT

for kind in ("places", "files", "logs", "state", "published", "figures"):
    importlib.import_module(f"tests.integration.breaches.{kind}")


def live_through(folder: Path) -> None:
    """Make the installation: twelve days, so that some have their final seal."""
    words = ["demo", "--dir", str(folder), "--events", "7000", "--days", "12", "--now", NOW]
    command = [sys.executable, "-m", "pipeline.cli", *words, "--no-open", "--quiet"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    config = ["--config", str(folder / "telemetry.toml"), "--now", NOW, "--json"]
    erased, restricted, gone, exported, kept, later = accounts_of(folder)[6:12]
    for words in (
        ["erase", erased, "--apply"],
        ["restrict", restricted],
        ["optout", "add", gone],
        [
            "hold",
            "add",
            "--account",
            kept,
            "--owner",
            "counsel",
            "--reason",
            "a case",
            "--until",
            "2027-01-31",
        ],
        ["requests", "work"],
        ["seal"],
        ["erase", later, "--apply"],
    ):
        assert main([*words, *config]) == 0, words
    # Published once more, so that most figures are of the rows as they are, and some are not.
    shutil.rmtree(folder / "lake" / "rollups")
    for words in (
        ["rollup"],
        ["erase", of_one_day(folder, str(CHANGED)), "--apply"],
        ["rollup"],
        ["dashboard", "build", "--out", str(folder / "dashboard")],
    ):
        assert main([*words, *config]) == 0, words
    export_by_request(folder, exported)


def of_one_day(folder: Path, day: str) -> str:
    """An account with events on that day and on no other."""
    days: dict[str, set[str]] = {}
    for path in sorted((folder / "input").glob("*/*.ndjson")):
        for line in path.read_bytes().splitlines():
            with suppress(ValueError, LookupError, AttributeError, TypeError):
                event = json.loads(line)
                at = event.get("occurred_at") or event["started_at"]
                days.setdefault(event["account_id"], set()).add(at[:10])
    return min(account for account, mine in days.items() if mine == {day})


def export_by_request(folder: Path, account: str) -> None:
    """Queue an export as the service does, and carry it out."""
    from pipeline.io.keys.local import LocalKeystore
    from pipeline.io.rights.optout_list import OptOutFile
    from pipeline.io.rights.request_queue import RequestKind, RequestQueue, account_tokens
    from pipeline.privacy.identity.epochs import EpochKind

    state = folder / "state"
    keys = LocalKeystore(state / "keys", now=lambda: AT)
    optouts = OptOutFile(state / "optout.ndjson", keys.permanent_key("optout"))
    people = account_tokens(
        [account], optouts=optouts, keys=keys, epochs=EpochKind.FOUR_WEEKS, now=AT
    )
    RequestQueue(state / "requests.ndjson").submit(RequestKind.EXPORT, people, AT)
    config = ["--config", str(folder / "telemetry.toml"), "--now", NOW, "--json"]
    assert main(["requests", "work", *config]) == 0


def invocation(folder: Path) -> Invocation:
    settings = load_settings(folder / "telemetry.toml", {})
    return Invocation(Output(quiet=True), settings, fixed_now=AT)


@cache
def declared() -> tuple[Audited, tuple[Promise, ...]]:
    """What is the same for every copy, and takes most of an audit's start: the declarations."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "state" / "keys").mkdir(parents=True)
        text = '[lake]\npath = "lake"\n[state]\npath = "state"\n'
        (folder / "telemetry.toml").write_text(text, "utf-8")
        return open_audited(invocation(folder)), packaged_promises()


def audited(folder: Path, only: Breach | None = None) -> Report:
    """What the command finds in a copy, without reading the declarations again.

    With `only`, the promise that it breaks is audited by the check that must say so: each check
    stands for itself, and a copy for every breach makes a whole audit of each expensive.
    """
    base, promises = declared()
    if only is not None:
        (promise,) = [one for one in promises if one.id == only.promise]
        assert only.check in promise.checks
        promises = (replace(promise, checks=(only.check,)),)
        base = replace(base, registry=told_of(base.registry, only))
    call = invocation(folder)
    state = StateFolder(folder / "state")
    opened = replace(
        base,
        lake=open_lake(call.settings, holds=True),
        state=state.root,
        site=folder / "dashboard",
        rebuilt=partial(rebuilt, call),
        keys=lambda: open_keystore(call.settings, call.now),
        optouts=lambda: (read_optouts(call).standings, None),
        queue=RequestQueue(state.requests),
        receipts=Receipts(state.receipts),
        holds=Holds(state.holds),
        _scan=[],
    )
    return audit(opened, promises, CHECKS)


def told_of(registry: Registry, breach: Breach) -> Registry:
    """Of figures that are made again, those of the metric that the breach is about."""
    named = {word.removesuffix(".parquet") for word in breach.told} & set(registry.metrics)
    if breach.check != RECOMPUTED or not named:
        return registry
    chosen = {name: metric for name, metric in registry.metrics.items() if name in named}
    # A share of hidden events is compared where its metric's figures are made again.
    if SUPPRESSED in named:
        chosen["requests"] = registry.metrics["requests"]
    return replace(registry, metrics=chosen)


class Remembered:
    """Scans of files by their bytes: a breach changes a few files, the others are as they were.

    What is asked of a file's tokens is asked again each time.
    """

    def __init__(self) -> None:
        self._done: dict[tuple[object, ...], tuple[FileScan, list[tuple[str, pa.Array]]]] = {}

    def __call__(
        self,
        source: pa.NativeFile,
        place: str,
        layout: Layout,
        decryption: pq.FileDecryptionProperties | None,
        look: Look,
    ) -> FileScan:
        key = place, hashlib.sha256(source.read()).digest(), layout.empty, layout.filters
        source.seek(0)
        if key not in self._done:
            asked: list[tuple[str, pa.Array]] = []

            def listen(name: str, tokens: pa.Array) -> Iterable[Finding]:
                asked.append((name, tokens))
                return ()

            done = scan_file(source, place, layout, decryption, listen)
            self._done[key] = done, asked
        done, asked = self._done[key]
        found = [one for name, tokens in asked for one in look(name, tokens)]
        return replace(done, findings=[*done.findings, *dict.fromkeys(found)])


@pytest.fixture(scope="module", autouse=True)
def _remembered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_scan, "scan_file", Remembered())
        yield


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sound installation; nobody may change it."""
    folder = tmp_path_factory.mktemp("breaches") / "demo"
    live_through(folder)
    return folder


@pytest.fixture
def copy(sound: Path, tmp_path: Path) -> Iterator[Copy]:
    it = copy_of(sound, tmp_path / "demo")
    yield it
    for path in it.folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)


def test_the_sound_installation_has_no_finding(sound: Path) -> None:
    report = audited(sound)
    found = [
        (result.check.name, result.observation.evidence)
        for proof in report.proofs
        for result in proof.results
        if result.observation.findings
    ]
    assert found == []
    assert report.broken == ()


def test_there_are_breaches_enough() -> None:
    assert len({breach.name for breach in BREACHES}) == len(BREACHES) > 100


@pytest.mark.parametrize("breach", BREACHES, ids=[breach.name for breach in BREACHES])
def test_a_breach_is_found(copy: Copy, breach: Breach) -> None:
    breach.plant(copy)
    report = audited(copy.folder, breach)
    (result,) = [
        result
        for proof in report.proofs
        for result in proof.results
        if result.check.name == breach.check
    ]
    assert breach.promise in report.broken
    assert result.observation.verdict.value == "broken"
    evidence = " | ".join(result.observation.evidence)
    assert [word for word in breach.told if word not in evidence] == [], evidence
    document = json.dumps(as_document(report), default=str)
    assert [mark for mark in MARKS if mark in document] == []
