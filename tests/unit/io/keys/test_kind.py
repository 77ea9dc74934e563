"""A store of keys is a reference that settings can read, and what opens it."""

from __future__ import annotations

import re

from pipeline.io.keys.kind import KeystoreKind
from pipeline.io.keystores import KINDS


def test_each_store_shows_how_its_reference_is_written() -> None:
    for kind in KINDS:
        scheme, colon, _ = kind.form.partition(":")
        assert (re.fullmatch("[a-z-]+", scheme), colon) != (None, "")
        assert isinstance(kind, KeystoreKind)
        assert kind.says.endswith(".")


def test_no_two_stores_have_one_scheme() -> None:
    schemes = [kind.form.partition(":")[0] for kind in KINDS]
    assert len(set(schemes)) == len(schemes)
