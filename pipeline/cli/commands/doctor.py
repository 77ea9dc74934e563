"""`telemetry doctor`: is everything as the pipeline needs it, and if not, how to fix it?"""

from __future__ import annotations

import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import click

from pipeline import native
from pipeline.cli.frame.options import Invocation, configured
from pipeline.cli.wiring.examining import Examined, State, registries, sources
from pipeline.cli.wiring.lists import read_optouts
from pipeline.cli.wiring.opening import (
    existing_keys,
    has_keys,
    open_catalogue,
    open_country,
    open_keystore,
    open_lake,
    open_schemas,
)
from pipeline.errors import EnvironmentProblem, TelemetryError, counted
from pipeline.io.state_folder import StateFolder

DISTRIBUTION = "telemetry-pipeline"
WARN_FREE_GIB, FAIL_FREE_GIB = 5, 1
CLOCK_TOLERANCE_S = 300
_GIB = 2**30


@click.command()
@configured
def command(call: Invocation) -> int:
    """Check packages, kernel, folders, keys, opt-outs, countries, disk, clock, sources, registries.

    Exit code 3 if a check fails; warnings alone leave it 0.
    """
    checks = [check for look in CHECKS for check in _guarded(look, call)]
    failed = [check for check in checks if check.state is State.FAIL]
    document = {"ok": not failed, "checks": [asdict(check) for check in checks]}

    def text() -> None:
        call.out.table(
            ["check", "state", "detail", "to repair"],
            [[check.name, check.state.value, check.detail, check.remedy] for check in checks],
        )

    call.out.result(document, text)
    return EnvironmentProblem.exit_code if failed else 0


def _guarded(
    look: Callable[[Invocation], Iterator[Examined]], call: Invocation
) -> Iterator[Examined]:
    """A check that raises one of our errors has failed, and the error says how to fix it."""
    name = look.__name__.removeprefix("_").replace("_", " ")
    try:
        yield from look(call)
    except TelemetryError as error:
        detail = f"{error.what} ({error.why})" if error.why else error.what
        yield Examined(name, State.FAIL, detail, error.remedy)


def _python(call: Invocation) -> Iterator[Examined]:
    del call
    yield Examined("python", State.OK, ".".join(map(str, sys.version_info[:3])))


def _packages(call: Invocation) -> Iterator[Examined]:
    del call
    try:
        needed = [line for line in requires(DISTRIBUTION) or [] if "extra ==" not in line]
    except PackageNotFoundError:
        yield Examined("packages", State.WARN, "not installed as a package", "make install")
        return
    missing = []
    for line in needed:
        name = line.split(";")[0].split("[")[0]
        name = name[: next((i for i, c in enumerate(name) if c in "<>=!~ "), len(name))]
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Examined("packages", State.FAIL, f"missing: {', '.join(missing)}", "make install")
    else:
        yield Examined("packages", State.OK, f"{len(needed)} installed")


def _kernel(call: Invocation) -> Iterator[Examined]:
    del call
    built = native.kernel() is not None or native.is_switched_off()
    remedy = "" if built else "Install Rust 1.88 or newer and the package again: ten times faster"
    yield Examined("kernel", State.OK if built else State.WARN, native.running(), remedy)


def _java(call: Invocation) -> Iterator[Examined]:
    del call
    where = shutil.which("java")
    detail = where or "not found; needed for --runner FlinkRunner alone"
    yield Examined("java", State.OK, detail)


def _schemas(call: Invocation) -> Iterator[Examined]:
    events = open_schemas(call.settings)
    lists = open_catalogue(call.settings).lists
    detail = f"{counted(len(events), 'event')}, {counted(len(lists), 'closed list')}"
    yield Examined("schemas", State.OK, detail)


def _state(call: Invocation) -> Iterator[Examined]:
    state = call.settings.state.path
    if state is None:
        yield Examined("state", State.WARN, "no state folder is set", "Pass --state PATH")
        return
    if not state.exists():
        yield Examined("state", State.OK, "not there yet; made at first use, mode 0700")
        return
    mode = stat.S_IMODE(state.stat().st_mode)
    if mode & 0o077:
        yield Examined(
            "state", State.FAIL, f"accessible to other accounts: {mode:o}", f"chmod 0700 {state}"
        )
    else:
        yield Examined("state", State.OK, f"{state}, mode {mode:o}")
    lake = call.settings.lake.path
    if lake is not None and "://" not in lake and _inside(state, Path(lake)):
        yield Examined(
            "state",
            State.FAIL,
            "the state folder is inside the lake: readers of the lake could read keys",
            f"mv {state} to a place outside the lake, and pass that as --state",
        )


def _inside(inner: Path, outer: Path) -> bool:
    return inner.resolve().is_relative_to(outer.resolve())


def _keys(call: Invocation) -> Iterator[Examined]:
    state = call.settings.state.path
    if state is None or not has_keys(call.settings):
        yield Examined("keys", State.OK, "none yet; made at first use")
        return
    keys = open_keystore(call.settings, call.now)
    live = [record for record in keys.epochs() if record.live]
    for record in live:
        keys.live_key(record.name)
        keys.live_data_key(record.name)
    yield Examined("keys", State.OK, f"{counted(len(live), 'epoch')} live, every key readable")
    if call.settings.state.keys is not None and StateFolder(state).keys.exists():
        yield Examined(
            "keys",
            State.WARN,
            "there are key files in the state folder, too: copies that no expiry destroys",
            f"Find out whose they are, then remove {StateFolder(state).keys}",
        )


def _installation(call: Invocation) -> Iterator[Examined]:
    """Whether the lake was written with these keys."""
    from pipeline.io.keys.installation import REMEDY
    from pipeline.ops.installation import look

    if call.settings.lake.path is None or call.settings.state.path is None:
        return
    keys = existing_keys(call.settings, call.now)
    days = call.settings.privacy.retention_days
    fit = look(open_lake(call.settings, repairs=False), keys, call.now(), days)
    if fit.misfits:
        yield Examined("installation", State.FAIL, "; ".join(fit.misfits[:3]), REMEDY)
    elif fit.unmarked:
        yield Examined("installation", State.OK, "of version 0.1; adopted by the next run")
    else:
        detail = f"{counted(fit.tables, 'table')}, written with these keys"
        yield Examined("installation", State.OK, detail)


def _encryption(call: Invocation) -> Iterator[Examined]:
    if call.settings.lake.path is None or call.settings.lake.encryption == "off":
        detail = "off: files are in the clear inside, so the disk or the bucket has to encrypt"
        yield Examined("encryption", State.OK, detail)
        return
    lake = open_lake(call.settings, repairs=False)
    files = [file for event in lake.stored_events() for file in lake.stored(event).snapshot().files]
    plain = sum(file.label is None for file in files)
    count = f"{len(files) - plain:,} of {counted(len(files), 'file')} encrypted"
    if plain:
        yield Examined("encryption", State.WARN, f"on, but only {count}", "telemetry seal")
    else:
        yield Examined("encryption", State.OK, f"on: {count}")


def _lake(call: Invocation) -> Iterator[Examined]:
    if call.settings.lake.path is None:
        return
    missing = open_lake(call.settings, repairs=False).missing_files()
    if missing:
        yield Examined(
            "lake",
            State.FAIL,
            f"{counted(len(missing), 'file')} of a log not there, the first: {missing[0]}",
            "Restore them from a backup of the lake: their rows exist nowhere else",
        )
    else:
        yield Examined("lake", State.OK, "every file that a log names is there")


def _optout(call: Invocation) -> Iterator[Examined]:
    topic = call.settings.kafka.optout_topic
    if topic is None and not has_keys(call.settings):
        yield Examined("opt-out list", State.OK, "none yet")
        return
    standings = read_optouts(call).standings
    where = "" if topic is None else f"topic {topic}: "
    accounts = counted(len(standings), "account")
    yield Examined("opt-out list", State.OK, f"{where}{accounts}, read to its end")


def _countries(call: Invocation) -> Iterator[Examined]:
    from pipeline.io.geo import FAIL_AGE_DAYS, WARN_AGE_DAYS

    database = open_country(call.settings)
    info, age = database.info, database.info.age_days(call.now().date())
    database.close()
    repair = "telemetry geoip import FILE"
    detail = f"{info.type}, {counted(age, 'day')} old"
    if info.demo:
        yield Examined("countries", State.WARN, f"{detail}: knows no real address", repair)
    elif age >= FAIL_AGE_DAYS:
        yield Examined("countries", State.FAIL, detail, repair)
    else:
        yield Examined(
            "countries", State.WARN if age >= WARN_AGE_DAYS else State.OK, detail, repair
        )


def _disk(call: Invocation) -> Iterator[Examined]:
    lake = call.settings.lake.path
    local = [Path(lake)] if lake is not None and "://" not in lake else []
    for name, path in [("lake disk", path) for path in local] + _state_disk(call):
        free = shutil.disk_usage(_existing(path)).free / _GIB
        detail = f"{free:,.1f} GiB free"
        if free < FAIL_FREE_GIB:
            yield Examined(name, State.FAIL, detail, f"Free space on the disk of {path}")
        elif free < WARN_FREE_GIB:
            yield Examined(name, State.WARN, detail, f"Free space on the disk of {path}")
        else:
            yield Examined(name, State.OK, detail)


def _state_disk(call: Invocation) -> list[tuple[str, Path]]:
    state = call.settings.state.path
    return [] if state is None else [("state disk", state)]


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())


def _clock(call: Invocation) -> Iterator[Examined]:
    """Compare this machine's clock with the clock of the disk that holds the state."""
    state = call.settings.state.path
    if state is None or not state.exists():
        return
    probe = StateFolder(state).clock_probe
    probe.touch()
    difference = abs(probe.stat().st_mtime - time.time())
    probe.unlink()
    if difference > CLOCK_TOLERANCE_S:
        yield Examined(
            "clock",
            State.FAIL,
            f"{difference:.0f} s away from the storage's clock",
            "timedatectl set-ntp true",
        )
    else:
        yield Examined("clock", State.OK, f"within {difference:.0f} s of the storage's clock")


CHECKS = (
    _python,
    _packages,
    _kernel,
    _java,
    _schemas,
    _state,
    _keys,
    _installation,
    _encryption,
    _lake,
    _optout,
    _countries,
    _disk,
    _clock,
    sources,
    registries,
)
"""Every check, in the order in which they are shown."""
