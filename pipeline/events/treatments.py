"""What a treatment is, and how a schema declares one: `truncate[16,32]`, `keep`, `drop`.

A treatment is one class: how it is written, which fields it applies to, what columns it makes, how
it is explained, and how it is carried out. This module has the part of such a class that the schema
loader needs, and reads its written form. The classes themselves live in `privacy/treatments`,
because carrying one out needs keys, networks and parsers that this room must not know; the loader
gets them in a `Vocabulary`. So `events/` imports nothing from `privacy/`, and there is still only
one place to declare a treatment.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


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


NUMBERS = frozenset({FieldType.INT64, FieldType.FLOAT64})
ANY_SENSITIVITY = frozenset(Sensitivity)
HARMLESS = frozenset({Sensitivity.TECHNICAL, Sensitivity.INTERACTION})

_SHAPE = re.compile(r"([a-z]+)(?:\[([a-z0-9_.]+(?:,[a-z0-9_.]+)*)\])?")


class TreatmentError(Exception):
    """Why a declared treatment is invalid; the schema loader adds file and field."""


@dataclass(frozen=True, slots=True)
class Treatment(ABC):
    """A declared treatment. A subclass is one kind of treatment, an instance one declaration.

    `form` is how documentation writes it. The literal beginning of the form (`bucket[log4` of
    `bucket[log4,N]`) tells the classes apart; words in capitals are arguments.
    """

    args: tuple[str, ...] = ()

    form: ClassVar[str]
    stores: ClassVar[str]
    """The row of the documentation: what is stored."""
    fate: ClassVar[str] = "generalised"
    """One word for `schema explain`."""
    makes: ClassVar[tuple[str, ...]]
    """What each column holds, in order."""
    sensitivities: ClassVar[frozenset[Sensitivity]]
    """How sensitive a field may be for this treatment."""
    reads: ClassVar[str] = ""
    """Name of the other raw field that is also read, where a schema does not name it."""

    @classmethod
    def key(cls) -> str:
        """The beginning of the declaration: `keep`, `generalize`, `bucket[log4]`."""
        name, _, rest = cls.form.partition("[")
        first = rest.rstrip("]").partition(",")[0]
        return f"{name}[{first}]" if first and first.islower() else name

    @property
    def name(self) -> str:
        """The word before the bracket."""
        return self.form.partition("[")[0]

    def __str__(self) -> str:
        return f"{self.name}[{','.join(self.args)}]" if self.args else self.name

    @property
    @abstractmethod
    def kinds(self) -> frozenset[FieldType]:
        """Types of fields that it applies to."""

    def check(self, sources: Collection[str]) -> None:
        """Raise `TreatmentError` unless the arguments are valid; `sources` are the plain lists."""
        del sources
        if str(self) != self.form:
            raise TreatmentError(f"it is written {self.form}")

    def in_words(self) -> str:
        """What it does to a value, as a phrase."""
        return self.stores

    def keeps_no_more_than(self, other: Treatment) -> bool:
        """Whether what this one stores could be computed from what `other` stores."""
        return self == other


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words that a schema file may use in addition to its own."""

    treatments: Mapping[str, type[Treatment]]
    """Classes of treatments by `Treatment.key`."""
    lists: Collection[str]
    """Closed lists that a stored text may come from."""
    sources: Collection[str]
    """Those that a value can be looked up in directly; the others belong to a reduction."""
    purposes: Collection[str]
    """Promises that a field can serve or be bound by."""

    def treatment(self, text: str, kind: FieldType, sensitivity: Sensitivity) -> Treatment:
        """The treatment that `text` declares for a field of this type and sensitivity.

        Raises `TreatmentError` when it does not exist, has invalid arguments, does not apply to
        the type, or would let an identifying value or free text through.
        """
        match = _SHAPE.fullmatch(text)
        if match is None:
            raise TreatmentError("a treatment is written `name` or `name[argument,...]`")
        name, args = match[1], tuple(match[2].split(",")) if match[2] else ()
        made = self.treatments.get(f"{name}[{args[0]}]") if args else None
        made = made or self.treatments.get(name)
        if made is None:
            raise TreatmentError(self._known(name))
        treatment = made(args)
        treatment.check(self.sources)
        if kind not in treatment.kinds:
            kinds = ", ".join(sorted(item.value for item in treatment.kinds))
            raise TreatmentError(f"{text} applies to fields of type {kinds}")
        if sensitivity not in treatment.sensitivities:
            names = sorted(
                {
                    other.form.partition("[")[0]
                    for other in self.treatments.values()
                    if sensitivity in other.sensitivities
                }
            )
            raise TreatmentError(
                f"a field that is {sensitivity.value} may only have {', '.join(names)}"
            )
        return treatment

    def _known(self, name: str) -> str:
        """Name what exists in place of an unknown treatment."""
        forms = [made.form for made in self.treatments.values()]
        alike = [form for form in forms if form.partition("[")[0] == name]
        if alike:
            return f"{name} is written {', '.join(alike)}"
        names = dict.fromkeys(form.partition("[")[0] for form in forms)
        return f"treatments are {', '.join(names)}"


def by_key(classes: Iterable[type[Treatment]]) -> Mapping[str, type[Treatment]]:
    """The classes by the beginning of their declarations."""
    return {made.key(): made for made in classes}
