"""Values of a sample that may enter a closed list: names of things that many people use.

What is in a closed list is stored as it is. So a value is proposed only if at least 20 accounts
(or addresses, where a line names no account) use it and it looks like a name: no part of it has
three digits, as ids have. Regions must look like those of a cloud provider, because the field is
often used for the name of a customer.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

import pyarrow as pa

from pipeline.events.catalogue import OTHER, UNREGISTERED
from pipeline.events.schema import EventSchema
from pipeline.privacy.treatments.generalize import ListValue

PROPOSED = frozenset(
    {"models", "regions", "features", "actions", "plans", "components", "error_codes", "sdks"}
)
"""Lists that an operator's product decides. All others mean the same everywhere."""

MIN_CALLERS = 20
MOST_VALUES = 100
"""More names than this are not a closed list: then none is proposed."""

_NAME = re.compile(r"(?=.{1,40}\Z)[A-Za-z][A-Za-z0-9]*(?:[ ._/-][A-Za-z0-9]+)*")
_ID = re.compile(r"(?:[A-Za-z]*[0-9]){3}")
_DIRECTION = r"(?:north|south|east|west|central)(?:east|west|central)?"
_REGION = re.compile(
    r"(?:us|eu|ap|ca|sa|me|af|il|mx|uk|cn|asia|europe|africa|australia|northamerica|southamerica)"
    rf"(?:-gov)?-?{_DIRECTION}-?[0-9]{{1,2}}[a-z]?"
)


def propose_lists(rows: pa.RecordBatch, schema: EventSchema) -> Mapping[str, tuple[str, ...]]:
    """Values by list, for the lists that the sample has values for."""
    callers = callers_of(rows)
    found: dict[str, tuple[str, ...]] = {}
    for field in schema.fields:
        if not isinstance(field.treatment, ListValue):
            continue
        (name,) = field.treatment.args
        column = rows.column(field.name)
        if name not in PROPOSED or pa.types.is_list(column.type):
            continue
        users: dict[str, set[str]] = defaultdict(set)
        for value, caller in zip(column.to_pylist(), callers, strict=True):
            if value is not None and caller is not None:
                users[value].add(caller)
        values = sorted(one for one, by in users.items() if _may_enter(name, one, len(by)))
        if 0 < len(values) <= MOST_VALUES:
            found[name] = tuple(values)
    return found


def callers_of(rows: pa.RecordBatch) -> list[str | None]:
    """Who sent each row: the account, or the address where no row names an account."""
    for name in ("account_id", "client_ip"):
        if name in rows.schema.names and rows.column(name).null_count < rows.num_rows:
            callers: list[str | None] = rows.column(name).to_pylist()
            return callers
    return [None] * rows.num_rows


def _may_enter(name: str, value: str, users: int) -> bool:
    if users < MIN_CALLERS or value in (OTHER, UNREGISTERED):
        return False
    if name == "regions":
        return _REGION.fullmatch(value) is not None
    return _NAME.fullmatch(value) is not None and _ID.search(value) is None
