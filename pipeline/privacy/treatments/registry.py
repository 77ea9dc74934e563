"""Every treatment that a schema may declare."""

from __future__ import annotations

from pipeline.events.treatments import by_key
from pipeline.privacy.treatments.addresses import Truncate
from pipeline.privacy.treatments.generalize import (
    Age,
    AgentClass,
    CommonAgentClass,
    ListValue,
    MinorVersion,
    ReferrerClass,
    Route,
)
from pipeline.privacy.treatments.numeric import (
    LowerEdges,
    PowersOfFour,
    PowersOfTwo,
    QuarterOctaves,
    UpperEdges,
)
from pipeline.privacy.treatments.plain import Drop, FloorHour, Keep, Pseudonymize

TREATMENTS = by_key(
    (
        Keep,
        Drop,
        FloorHour,
        Pseudonymize,
        Truncate,
        QuarterOctaves,
        PowersOfTwo,
        PowersOfFour,
        LowerEdges,
        UpperEdges,
        ListValue,
        AgentClass,
        CommonAgentClass,
        Route,
        ReferrerClass,
        Age,
        MinorVersion,
    )
)
"""The classes by the beginning of their declarations; documented in this order."""
