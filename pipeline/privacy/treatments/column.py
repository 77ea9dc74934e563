"""A treatment that can be carried out: from a raw field to its stored columns.

Every treatment builds new columns and answers a value that it cannot read with null, or with
the fallback of a closed list, never with the value. What it refused is counted by reason.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.errors import SchemaError
from pipeline.events.schema import Field
from pipeline.events.treatments import Treatment
from pipeline.privacy.columns import dtype_of
from pipeline.privacy.tools import Tools, Work


@dataclass(frozen=True, slots=True)
class ColumnTreatment(Treatment):
    """A treatment with its function."""

    @abstractmethod
    def treat(self, tools: Tools, work: Work, field: Field) -> Sequence[pa.Array]:
        """The stored columns of the field for the rows of `work`, in the order of `makes`."""

    def check_columns(self, field: Field) -> None:
        """Raise `SchemaError` if the declared columns cannot hold what the treatment makes."""


def treatment_of(field: Field) -> ColumnTreatment:
    """The field's treatment, ready to be carried out.

    Raises `SchemaError` if nothing implements it, or if its columns cannot hold what it makes.
    """
    if not isinstance(field.treatment, ColumnTreatment):
        raise SchemaError(
            f"nothing carries out the treatment {field.treatment}",
            where=field.name,
            remedy="Declare another treatment, or add its function",
        )
    field.treatment.check_columns(field)
    return field.treatment


def limits(kind: pa.DataType) -> tuple[float, float]:
    """The smallest and the largest number that a column of that type holds."""
    number = dtype_of(kind)
    if np.issubdtype(number, np.floating):
        return float(np.finfo(number.name).min), float(np.finfo(number.name).max)
    return int(np.iinfo(number.name).min), int(np.iinfo(number.name).max)


def check_holds(field: Field, made: Sequence[float]) -> None:
    """Raise `SchemaError` unless the field's first column holds each of those numbers."""
    kind = field.columns[0].type
    lowest, highest = limits(kind)
    whole = pa.types.is_integer(kind)
    if any(not lowest <= number <= highest or (whole and number % 1) for number in made):
        raise SchemaError(
            f"a column of type {kind} cannot hold what {field.treatment} makes",
            where=field.name,
            remedy="Declare a wider type, or a floating one",
        )
