"""What the columnar path has learned about names that no schema declares.

A columnar parser that ignores unknown names also ignores that one stands twice, holds NaN, or
nests a thousand brackets. So the names that producers really send are added to its schema, each
with the one kind of value that it was seen with; a message with any other name or kind goes to
the strict decoder. The memory is bounded and lives in this object only: names can be
identifiers, so they are never logged, counted by name, stored or pickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Never

import pyarrow as pa

from pipeline.events.schema import TEXT_TYPES, EventSchema
from pipeline.events.strict import MAX_KEYS, Kind

MAX_NAMES: Final = 64
MAX_NAME_BYTES: Final = 128
MAX_IDLE_BLOCKS: Final = 64
"""A name that no message of so many blocks has had makes room for another."""

_KIND_TYPES = {
    Kind.NULL: pa.null(),
    Kind.TEXT: pa.string(),
    Kind.NUMBER: pa.float64(),
    Kind.FLAG: pa.bool_(),
}


class LearnedNames:
    """Undeclared names with their kinds, and the parser's schema that follows from them."""

    def __init__(self, schema: EventSchema) -> None:
        self._declared = [
            pa.field(item.name, pa.string() if item.type in TEXT_TYPES else kind.type)
            for item, kind in zip(schema.fields, schema.raw, strict=False)
        ]
        self._capacity = min(MAX_NAMES, MAX_KEYS - len(self._declared))
        self._kinds: dict[str, Kind] = {}
        self._idle: dict[str, int] = {}
        self._parser_schema: pa.Schema | None = None

    def __repr__(self) -> str:
        return f"LearnedNames({len(self._kinds)} names)"

    def __reduce__(self) -> Never:
        raise TypeError("learned names stay in the process that learned them")

    def learn(self, undeclared: Mapping[str, Kind]) -> None:
        """Take note of one message's undeclared names. A name of two kinds is `NESTED` for good."""
        for name, kind in undeclared.items():
            known = self._kinds.get(name)
            if known is None:
                if len(self._kinds) >= self._capacity or not name or _too_long(name):
                    continue
            elif kind in (known, Kind.NULL) or known is Kind.NESTED:
                continue
            elif known is not Kind.NULL:
                kind = Kind.NESTED
            self._kinds[name] = kind
            self._idle[name] = 0
            self._parser_schema = None

    def parser_schema(self) -> pa.Schema:
        """Columns that the parser shall accept: the declared ones, then the learned ones."""
        if self._parser_schema is None:
            learned = [
                pa.field(name, _KIND_TYPES[kind])
                for name, kind in self._kinds.items()
                if kind is not Kind.NESTED
            ]
            self._parser_schema = pa.schema([*self._declared, *learned])
        return self._parser_schema

    def saw(self, table: pa.Table) -> None:
        """Take note of which learned names a parsed block had, and forget those long unseen."""
        for name in tuple(self._kinds):
            at = table.schema.get_field_index(name)
            used = at >= 0 and table.column(at).null_count < table.num_rows
            self._idle[name] = 0 if used else self._idle[name] + 1
            if self._idle[name] > MAX_IDLE_BLOCKS:
                del self._kinds[name], self._idle[name]
                self._parser_schema = None


def _too_long(name: str) -> bool:
    return len(name.encode("utf-8")) > MAX_NAME_BYTES
