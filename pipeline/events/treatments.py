"""The treatments that a schema may declare, as values: `truncate[16,32]`, `keep`, `drop`.

This module says which treatments exist, what they are called with, which kinds of field they
apply to and what columns they make. Carrying them out is the business of `privacy/`.

    keep                     the value itself (never for identifying or content fields)
    drop                     nothing; the field's comment says what it is read for
    floor[hour]              event_date and event_hour of a timestamp
    pseudonymize[DOMAIN]     keyed token: subj, sess, evt (32 hex digits), fp (16)
    truncate[V4,V6]          an address: prefix of so many bits, its class and country
    bucket[log4,N]           geometric mean of a quarter-octave bucket, capped at 2^N
    bucket[pow2,N]           power of two at or below, capped at 2^N
    bucket[edges,A,B,...]    the largest edge that is not above the value
    bucket[upto,A,B,...]     the smallest edge that is not below the value; the last one beyond
    generalize[LIST]         the value if it is in that closed list, else the list's fallback
    generalize[agent]        client family and major version, system and device class
    generalize[route]        the API route that method and path match
    generalize[referrer]     the class of the referring site
    generalize[age]          days between a date and the event, in four classes
    generalize[minor]        `major.minor` of a version

A bucket of a timestamp is the bucket of the seconds between the event's time and that timestamp.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from pipeline.events.catalogue import LISTS


class FieldType(Enum):
    """What a raw field's JSON value must be."""

    STRING = "string"
    IDENTIFIER = "identifier"
    INT64 = "int64"
    FLOAT64 = "float64"
    TIMESTAMP = "timestamp"
    DATE = "date"
    LIST = "list"
    SIGNAL = "signal"


class Sensitivity(Enum):
    """How close to a person a field's raw value is."""

    TECHNICAL = "technical"
    INTERACTION = "interaction"
    CONTENT = "content"
    IDENTIFYING = "identifying"


PSEUDONYM_DOMAINS = ("subj", "sess", "evt", "fp")
REDUCTIONS = ("agent", "route", "referrer", "age", "minor")
_LIST_SOURCES = LISTS - {
    "account_ages",
    "device_classes",
    "ip_classes",
    "referrer_classes",
    "clients",
    "os_families",
    "routes",
}
"""Lists that a value can be looked up in directly; the others belong to a reduction."""

_NUMBER = frozenset({FieldType.INT64, FieldType.FLOAT64})
_SHAPE = re.compile(r"([a-z]+)(?:\[([a-z0-9_.]+(?:,[a-z0-9_.]+)*)\])?")
_NUMERAL = re.compile(r"(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,6})?")


class TreatmentError(Exception):
    """Why a declared treatment does not stand; the schema loader adds file and field."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """A treatment's name and arguments, checked."""

    name: str
    args: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}[{','.join(self.args)}]" if self.args else self.name


def parse_treatment(text: str, kind: FieldType, sensitivity: Sensitivity) -> Treatment:
    """The treatment that `text` declares for a field of this type and sensitivity.

    Raises `TreatmentError` when it does not exist, is called with wrong arguments, does not
    apply to the type, or would let an identifying value or free text through.
    """
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise TreatmentError("a treatment is written `name` or `name[argument,...]`")
    name, args = match[1], tuple(match[2].split(",")) if match[2] else ()
    check = _CHECKS.get(name)
    if check is None:
        raise TreatmentError(f"treatments are {', '.join(_CHECKS)}")
    allowed = check(args)
    if kind not in allowed:
        kinds = ", ".join(sorted(item.value for item in allowed))
        raise TreatmentError(f"{text} applies to fields of type {kinds}")
    if name not in _ALLOWED[sensitivity]:
        names = ", ".join(sorted(_ALLOWED[sensitivity]))
        raise TreatmentError(f"a field that is {sensitivity.value} may only have {names}")
    return Treatment(name, args)


_HARD = frozenset({"drop", "pseudonymize", "generalize"})
_ALLOWED = {
    Sensitivity.TECHNICAL: _HARD | {"keep", "floor", "truncate", "bucket"},
    Sensitivity.INTERACTION: _HARD | {"keep", "floor", "truncate", "bucket"},
    Sensitivity.CONTENT: _HARD,
    Sensitivity.IDENTIFYING: _HARD | {"truncate"},
}


def _none(args: tuple[str, ...]) -> None:
    if args:
        raise TreatmentError("this treatment takes no arguments")


def _keep(args: tuple[str, ...]) -> frozenset[FieldType]:
    _none(args)
    return _NUMBER  # text is never kept as it came: it goes through a closed list


def _drop(args: tuple[str, ...]) -> frozenset[FieldType]:
    _none(args)
    return frozenset(FieldType)


def _floor(args: tuple[str, ...]) -> frozenset[FieldType]:
    if args != ("hour",):
        raise TreatmentError("times are floored to the hour: floor[hour]")
    return frozenset({FieldType.TIMESTAMP})


def _pseudonymize(args: tuple[str, ...]) -> frozenset[FieldType]:
    if len(args) != 1 or args[0] not in PSEUDONYM_DOMAINS:
        raise TreatmentError(f"pseudonymize takes one domain of {', '.join(PSEUDONYM_DOMAINS)}")
    return frozenset({FieldType.STRING if args[0] == "fp" else FieldType.IDENTIFIER})


def _truncate(args: tuple[str, ...]) -> frozenset[FieldType]:
    bits = [int(arg) if arg.isdigit() else -1 for arg in args]
    if len(bits) != 2 or not 0 <= bits[0] <= 24 or not 0 <= bits[1] <= 48:
        raise TreatmentError("truncate takes the bits kept: at most [24,48], by default [16,32]")
    return frozenset({FieldType.STRING})


def _bucket(args: tuple[str, ...]) -> frozenset[FieldType]:
    kind, numbers = (args[0], args[1:]) if args else ("", ())
    if not all(_NUMERAL.fullmatch(number) for number in numbers):
        raise TreatmentError("bucket edges are plain decimal numbers from 0")
    edges = [float(number) for number in numbers]
    if kind in ("log4", "pow2"):
        if len(numbers) != 1 or not numbers[0].isdigit() or not 1 <= edges[0] <= 62:
            raise TreatmentError(f"bucket[{kind},N] takes the exponent of its cap, 1 to 62")
        return _NUMBER
    if kind in ("edges", "upto"):
        if len(edges) < 2 or any(a >= b for a, b in pairwise(edges)):
            raise TreatmentError(f"bucket[{kind},...] takes two or more rising edges")
        return _NUMBER | {FieldType.TIMESTAMP}
    raise TreatmentError("buckets are log4, pow2, edges, upto")


def _generalize(args: tuple[str, ...]) -> frozenset[FieldType]:
    if len(args) == 1 and args[0] in REDUCTIONS:
        return frozenset({FieldType.DATE if args[0] == "age" else FieldType.STRING})
    if len(args) == 1 and args[0] in _LIST_SOURCES:
        return frozenset({FieldType.STRING, FieldType.LIST})
    raise TreatmentError(
        f"generalize takes one of {', '.join((*REDUCTIONS, *sorted(_LIST_SOURCES)))}"
    )


_CHECKS = {
    "keep": _keep,
    "drop": _drop,
    "floor": _floor,
    "pseudonymize": _pseudonymize,
    "truncate": _truncate,
    "bucket": _bucket,
    "generalize": _generalize,
}
