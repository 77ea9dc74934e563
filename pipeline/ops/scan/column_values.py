"""What each stored column may hold: a closed set for every one, texts and numbers alike.

Everything is derived from the declarations that made the column: the field's treatment, the
catalogue, the ceilings of networks. A column without a declaration of what it may hold may hold
nothing, so the first audit finds a treatment that was added without a rule here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import Schema

from pipeline.events.catalogue import Catalogue
from pipeline.events.model import Reason, Stage
from pipeline.events.schema import Column, EventSchema, Field
from pipeline.io import source_kinds as sources
from pipeline.io.lake.rejection_table import STORED
from pipeline.ops.scan import closed_json
from pipeline.ops.scan.closed_json import Misfit, Rule, exactly, record, sequence
from pipeline.privacy.treatments.numeric import Bucket
from pipeline.privacy.treatments.plain import Keep
from pipeline.privacy.values.versions import major_minor

Wrong = Callable[[pa.Array], int]
"""How many of the distinct values of a column are not what the column may hold."""

ADDRESS = (
    r"(^|[^0-9.])[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}($|[^0-9./])"
    r"|[0-9A-Fa-f]{1,4}:([0-9A-Fa-f]{0,4}:){1,6}[0-9A-Fa-f]{1,4}($|[^0-9A-Fa-f:/])"
)
"""An IPv4 or IPv6 address that is not followed by the length of a network."""
MOST_SIZE_BITS = 31
_DIGITS = np.zeros(256, np.bool_)
_DIGITS[[*b"0123456789abcdef"]] = True


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Most bits of a stored network: what the settings say, at most 24 and 48."""

    ipv4_bits: int = 24
    ipv6_bits: int = 48


def declared_columns(schemas: Sequence[pa.Schema]) -> Rule:
    """For each column, what some version of the schema declares."""
    declared: dict[str, list[object]] = {}
    for schema in schemas:
        parsed = closed_json.parse(Schema.from_arrow(schema).to_json())
        assert parsed is not None  # delta-rs writes JSON
        fields = parsed[0]["fields"]  # type: ignore[index]
        for one in fields:
            # Schemas written by 0.1 do not say what texts hold.
            before = {key: said for key, said in one["metadata"].items() if key != "values"}
            declared.setdefault(one["name"], []).extend([one, {**one, "metadata": before}])

    def column(value: object) -> Iterator[Misfit]:
        known = declared.get(value.get("name", ""), []) if isinstance(value, dict) else []
        if value not in known:
            yield Misfit("", "a column that no version declares")

    return record({"type": exactly("struct"), "fields": sequence(column)})


def event_columns(
    versions: Sequence[EventSchema], catalogue: Catalogue, ceilings: Ceilings
) -> Mapping[str, Wrong]:
    """What every column of an event's table may hold, by name, without the partition column."""
    found: dict[str, Wrong] = {}
    for rules in version_columns(versions, catalogue, ceilings):
        for name, rule in rules.items():
            earlier = found.get(name)
            found[name] = rule if earlier is None else either(earlier, rule)
    return found


def version_columns(
    versions: Sequence[EventSchema], catalogue: Catalogue, ceilings: Ceilings
) -> list[Mapping[str, Wrong]]:
    """The same for each version by itself, in their order."""
    return [
        {
            column.name: _of_column(schema, field, column, catalogue, ceilings, len(versions))
            for field in schema.fields
            for column in field.columns
        }
        for schema in versions
    ]


def rejection_columns(events: Iterable[str], topics: Iterable[str]) -> Mapping[str, Wrong]:
    """What every column of the rejections table may hold: coordinates and closed words."""
    sizes = [0, *(1 << bit for bit in range(MOST_SIZE_BITS))]
    return {
        "ingest_hour": _between(0, 23),
        "source": one_of(sources.NAMES),
        "topic": _either(one_of(topics), hexadecimal(16)),
        "partition": _between(0, 1_000_000),
        "offset": _between(0, 2**53),
        "event": one_of(events),
        "stage": one_of([stage.value for stage in Stage]),
        "reason": one_of([reason.value for reason in Reason]),
        "size_bucket": numbers(sizes, STORED.field("size_bucket").type),
    }


def _of_column(
    schema: EventSchema,
    field: Field,
    column: Column,
    catalogue: Catalogue,
    ceilings: Ceilings,
    versions: int,
) -> Wrong:
    kind = column.type.value_type if pa.types.is_list(column.type) else column.type
    if pa.types.is_string(kind):
        return _of_text(column, catalogue, ceilings)
    match field.treatment.name:
        case "floor":
            return _between(0, 23)
        case "bucket" if isinstance(field.treatment, Bucket):
            return numbers(field.treatment.storable(), kind)
        case "keep" if column.name == "schema_version":
            return _between(1, max(versions, schema.version))
        case "keep" if isinstance(field.treatment, Keep):
            lowest, highest = field.treatment.bounds(kind)
            return _between(lowest, highest)
        case "generalize" if field.treatment.args in (("agent",), ("common_agent",)):
            return _between(0, 999)
    return len


def _of_text(column: Column, catalogue: Catalogue, ceilings: Ceilings) -> Wrong:
    match column.values:
        case "token":
            return hexadecimal(32)
        case "fingerprint":
            return hexadecimal(16)
        case "cidr":
            return networks(ceilings)
        case "country":
            return like("^[A-Z]{2}$")
        case "minor_version":
            return _each(lambda text: major_minor(text) == text)
        case None:
            return len
    return one_of(catalogue.storable(column.values))


def one_of(allowed: Iterable[str]) -> Wrong:
    """Texts of a closed list."""
    values = pa.array(sorted(set(allowed)), pa.string())
    return lambda texts: len(texts) - _true(pc.is_in(texts, value_set=values))


def numbers(allowed: Iterable[float], kind: pa.DataType) -> Wrong:
    """Numbers of a closed list, as a column of this type holds them."""
    values = pa.array(sorted(set(allowed)), pa.float64()).cast(kind, safe=False)
    return lambda found: len(found) - _true(pc.is_in(found, value_set=values))


def hexadecimal(digits: int) -> Wrong:
    """Tokens: this many lower-case hexadecimal digits."""

    def wrong(texts: pa.Array) -> int:
        if not len(texts):
            return 0
        odd = len(texts) - _true(pc.equal(pc.binary_length(texts), digits))
        if odd:
            return odd
        # All have the same length: their bytes are side by side.
        start = texts.offset
        ends = np.frombuffer(texts.buffers()[1], np.int32)[start : start + len(texts) + 1]
        data = np.frombuffer(texts.buffers()[2], np.uint8)[ends[0] : ends[-1]]
        fits = _DIGITS[data].reshape(-1, digits).all(axis=1)
        return int(len(texts) - np.count_nonzero(fits))

    return wrong


def like(pattern: str) -> Wrong:
    """Texts that a regular expression matches."""
    # RE2's `$` matches only at the very end of a text without the multi-line flag, as here.
    return lambda texts: len(texts) - _true(pc.match_substring_regex(texts, pattern))


def networks(ceilings: Ceilings) -> Wrong:
    """Networks in canonical spelling, no narrower than the ceilings."""

    def sound(text: str) -> bool:
        try:
            network = ipaddress.ip_network(text)
        except ValueError:
            return False
        limit = ceilings.ipv4_bits if network.version == 4 else ceilings.ipv6_bits
        return network.prefixlen <= limit and str(network) == text

    return _each(sound)


def addresses(texts: pa.Array) -> int:
    """How many texts hold a full address."""
    return _true(pc.match_substring_regex(texts, ADDRESS))


def _each(sound: Callable[[str], bool]) -> Wrong:
    return lambda texts: sum(not sound(text) for text in texts.to_pylist())


def _between(lowest: float, highest: float) -> Wrong:
    def wrong(found: pa.Array) -> int:
        inside = pc.and_(pc.greater_equal(found, lowest), pc.less_equal(found, highest))
        return len(found) - _true(inside)

    return wrong


def _either(first: Wrong, second: Wrong) -> Wrong:
    return lambda found: sum(bool(first(one) and second(one)) for one in _singly(found))


def either(first: Wrong, second: Wrong) -> Wrong:
    """What either of two versions of a schema may store; the newer one is asked first."""

    def wrong(found: pa.Array) -> int:
        if not second(found) or not first(found):
            return 0
        return sum(bool(second(one) and first(one)) for one in _singly(found))

    return wrong


def _singly(found: pa.Array) -> Iterable[pa.Array]:
    return (found.slice(index, 1) for index in range(len(found)))


def _true(answers: pa.Array) -> int:
    return int(pc.sum(answers).as_py() or 0)
