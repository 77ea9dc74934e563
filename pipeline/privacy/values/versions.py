"""Software versions, reduced to `major.minor`."""

from __future__ import annotations

import re

_VERSION = re.compile(r"(0|[1-9][0-9]{0,2})\.(0|[1-9][0-9]{0,2})(?:[.+-][!-~]*)?")


def major_minor(version: str) -> str | None:
    """`major.minor` of a version that begins with two numbers up to 999; None otherwise.

    >>> major_minor("2.3.1-beta+build.7"), major_minor("2"), major_minor("v2.3")
    ('2.3', None, None)
    """
    match = _VERSION.fullmatch(version)
    return f"{match[1]}.{match[2]}" if match else None
