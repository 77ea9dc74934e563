"""The client's address, reduced to country, network and class."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.events.schema import EventSchema, Field
from pipeline.events.treatments import (
    ANY_SENSITIVITY,
    FieldType,
    Sensitivity,
    Treatment,
    TreatmentError,
)
from pipeline.privacy.columns import distinct, pick
from pipeline.privacy.networks import IPV4_CEILING, IPV6_CEILING
from pipeline.privacy.policy import Policy
from pipeline.privacy.tools import Tools, Work
from pipeline.privacy.treatments.column import ColumnTreatment
from pipeline.privacy.values.addresses import MISSING


@dataclass(frozen=True, slots=True)
class Truncate(ColumnTreatment):
    """Country, network and class of the client's address.

    The declared bits are stored, unless the settings name others. Neither goes beyond /24 and /48.
    """

    form = "truncate[V4,V6]"
    stores = (
        "an address: country, prefix of so many bits (at most `[24,48]`; "
        "`privacy.ipv4_bits` and `ipv6_bits` take precedence where they are set), class"
    )
    makes = ("country", "network", "class")
    sensitivities = ANY_SENSITIVITY - {Sensitivity.CONTENT}
    reads = "forwarded_for"

    @property
    def kinds(self) -> frozenset[FieldType]:
        return frozenset({FieldType.STRING})

    @property
    def bits(self) -> tuple[int, int]:
        """Bits of an IPv4 and of an IPv6 address."""
        return int(self.args[0]), int(self.args[1])

    def check(self, sources: Collection[str]) -> None:
        del sources
        good = len(self.args) == 2 and all(arg.isdigit() for arg in self.args)
        if not good or self.bits[0] > IPV4_CEILING or self.bits[1] > IPV6_CEILING:
            raise TreatmentError(
                "truncate takes the bits kept: at most [24,48], by default [16,32]"
            )

    def in_words(self) -> str:
        return "network of its first bits, its class and its country"

    def keeps_no_more_than(self, other: Treatment) -> bool:
        return isinstance(other, Truncate) and all(
            own <= before for own, before in zip(self.bits, other.bits, strict=True)
        )

    def treat(self, tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
        found = tools.addresses(*self.bits)
        peers = distinct(work.raw(field))
        answers = found.peers.get(peers.values.to_pylist())
        kept = [*(answer[0] for answer in answers), MISSING]
        codes = peers.codes
        if tools.policy.trusted_proxies and field.reads:
            trusted = np.array([*(answer[1] for answer in answers), False])
            rows = np.flatnonzero(trusted[codes])
            hops = distinct(work.column(field.reads).take(pa.array(rows)))
            codes = codes.copy()
            codes[rows] = hops.codes + len(kept)
            kept += [*found.forwarded.get(hops.values.to_pylist()), MISSING]
        return (
            pick([entry.country for entry in kept], codes),
            pick([entry.prefix for entry in kept], codes),
            pick([entry.ip_class for entry in kept], codes),
        )


def widest_networks(schemas: Iterable[EventSchema], policy: Policy) -> tuple[int, int]:
    """Most bits of an IPv4 and an IPv6 address that those schemas store under the policy."""
    declared = [
        field.treatment.bits
        for schema in schemas
        for field in schema.fields
        if isinstance(field.treatment, Truncate)
    ]
    bits = [policy.bits(*pair) for pair in declared]
    return max((v4 for v4, _ in bits), default=0), max((v6 for _, v6 in bits), default=0)
