"""A promise is kept when every check saw that it is; what could not be seen is never kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import LakeError, SchemaError
from pipeline.events.promises import Promise
from pipeline.ops.audit.audit import (
    MOST_EVIDENCE,
    Audited,
    Check,
    Observation,
    Verdict,
    audit,
    broken,
    kept,
    not_applicable,
    not_verified,
    proven,
    unless,
)
from tests.unit.ops.sound import NOW, Sound

SEEN = {
    "fine": kept("3 files"),
    "wrong": broken("rows are there", ["a", "b"]),
    "unseen": not_verified("nobody looked"),
    "nothing": not_applicable("no bucket"),
}


def check(name: str, seen: Observation, asked: list[str]) -> Check:
    def look(_: Audited) -> Observation:
        asked.append(name)
        return seen

    return Check(name, "stored bytes", f"Sentence of {name}.", look)


def checks(asked: list[str] | None = None) -> dict[str, Check]:
    return {
        name: check(name, seen, asked if asked is not None else []) for name, seen in SEEN.items()
    }


def promises(*names: tuple[str, ...]) -> list[Promise]:
    return [Promise(f"P{number:02d}", "Words", one) for number, one in enumerate(names)]


@pytest.mark.parametrize(
    ("names", "verdict"),
    [
        (("fine",), Verdict.KEPT),
        (("fine", "nothing"), Verdict.KEPT),
        (("nothing",), Verdict.NOT_APPLICABLE),
        (("fine", "unseen"), Verdict.NOT_VERIFIED),
        (("fine", "unseen", "wrong"), Verdict.BROKEN),
    ],
)
def test_a_promise_stands_as_its_worst_check(
    tmp_path: Path, names: tuple[str, ...], verdict: Verdict
) -> None:
    report = audit(Sound(tmp_path).audited(), promises(names), checks())
    assert report.proofs[0].verdict is verdict
    assert report.of(verdict) == ("P00",)
    assert report.broken == (("P00",) if verdict is Verdict.BROKEN else ())


def test_a_check_of_several_promises_runs_once(tmp_path: Path) -> None:
    asked: list[str] = []
    told: list[str] = []
    audited = Sound(tmp_path).audited(progress=told.append)
    report = audit(audited, promises(("fine", "wrong"), ("wrong",)), checks(asked))
    assert asked == told == ["fine", "wrong"]
    assert report.broken == ("P00", "P01")
    assert (report.at, report.lake) == (NOW, str(tmp_path / "lake"))


def test_a_check_that_meets_an_error_proves_nothing(tmp_path: Path) -> None:
    def fail(_: Audited) -> Observation:
        raise LakeError("the log is damaged", where="/lake", why="EIO")

    known = {"fails": Check("fails", "log", "Sentence.", fail)}
    report = audit(Sound(tmp_path).audited(), promises(("fails",)), known)
    (result,) = report.proofs[0].results
    assert result.observation == broken("the log is damaged (EIO)", ["/lake"])


def test_an_audit_goes_on_where_the_receipts_cannot_be_read(tmp_path: Path) -> None:
    """The check of their chain says what is wrong; everything else is looked at all the same."""
    sound = Sound(tmp_path)
    receipt = sound.receipts.write("forget", {"tombstones": 1}, NOW)
    assert audit(sound.audited(), promises(("fine",)), checks()).last_receipt == receipt.hash
    (sound.state / "receipts.ndjson").unlink()
    report = audit(sound.audited(), promises(("fine",)), checks())
    assert (report.last_receipt, report.broken) == (None, ())


def test_evidence_is_cut_and_counted() -> None:
    many = [str(number) for number in range(MOST_EVIDENCE + 5)]
    seen = broken("rows", many)
    assert (len(seen.evidence), seen.findings) == (MOST_EVIDENCE, MOST_EVIDENCE + 5)
    assert unless([], "fine", "wrong") == kept("fine")
    assert unless(["a"], "fine", "wrong") == broken("wrong", ["a"])


def test_a_promise_names_checks_that_exist() -> None:
    proven(promises(("fine", "wrong")), checks(), "promises.yaml")
    with pytest.raises(SchemaError, match="no check 'wrnog'") as caught:
        proven(promises(("fine",), ("wrnog",)), checks(), "promises.yaml")
    assert caught.value.where == "promises.yaml, P01"
    assert "wrong" in caught.value.remedy


def test_everything_is_scanned_once_for_all_checks(tmp_path: Path) -> None:
    sound = Sound(tmp_path)
    audited = sound.audited()
    asked: list[Audited] = []

    def scan(one: Audited) -> object:
        asked.append(one)
        return "scanned"

    assert audited.scanned(scan) == audited.scanned(scan) == "scanned"  # type: ignore[arg-type, comparison-overlap]
    assert asked == [audited]
