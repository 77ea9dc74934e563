"""All checks stand in one table, each under its own name, with a sentence for the report."""

from __future__ import annotations

import re

import pytest

from pipeline.errors import SchemaError
from pipeline.ops.audit import checks
from pipeline.ops.audit.audit import Check
from pipeline.ops.audit.check_encryption import ENCRYPTION
from pipeline.ops.audit.check_figures import FIGURES
from pipeline.ops.audit.check_installation import INSTALLATION
from pipeline.ops.audit.check_rights import RIGHTS
from pipeline.ops.audit.check_settings import SETTINGS
from pipeline.ops.audit.check_stored import STORED
from pipeline.ops.audit.checks import CHECKS, packaged_promises

TABLES = (STORED, ENCRYPTION, FIGURES, RIGHTS, SETTINGS, INSTALLATION)


def test_no_check_takes_the_name_of_another() -> None:
    assert len(CHECKS) == sum(map(len, TABLES))


@pytest.mark.parametrize("check", CHECKS.values(), ids=lambda check: check.name)
def test_a_check_says_what_it_looks_at_and_what_it_proves(check: Check) -> None:
    assert CHECKS[check.name] is check
    assert check.subject
    assert re.fullmatch(r"[A-Z].*\.", check.sentence)


def test_the_packaged_promises_name_them(monkeypatch: pytest.MonkeyPatch) -> None:
    used = {name for promise in packaged_promises() for name in promise.checks}
    assert used <= CHECKS.keys()
    fewer = {name: check for name, check in CHECKS.items() if name != min(used)}
    monkeypatch.setattr(checks, "CHECKS", fewer)
    with pytest.raises(SchemaError, match=min(used)):
        packaged_promises()
