"""What other rooms declare and settings read: the kinds of source and the stores of keys.

`pipeline.cli.declared` puts them together; a kind that it does not list does not exist.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.settings.source import SourceSettings
from pipeline.settings.values import KEY_REFERENCE, ValueType, matching


@dataclass(frozen=True, slots=True)
class KeyReference:
    """How the settings name a store of keys."""

    form: str
    """As the documentation shows it: `gcp-sm:projects/PROJECT/secrets/PREFIX`."""
    pattern: re.Pattern[str]
    says: str
    """What the store is, as one sentence."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One setting of a section."""

    name: str
    default: object
    type: ValueType
    says: str


@dataclass(frozen=True, slots=True)
class DeclaredKinds:
    """Every kind of source and every store of keys beside the state folder."""

    sources: Sequence[type[SourceSettings]]
    keys: Sequence[KeyReference]

    def settings_of(self, section: object) -> Iterator[Declaration]:
        """The settings of a section, which is given with its defaults."""
        for field in dataclasses.fields(section):  # type: ignore[arg-type]
            type_, says = field.metadata["type"], field.metadata["says"]
            if type_ is KEY_REFERENCE:
                type_ = matching([(one.form, one.pattern) for one in self.keys])
                says = " ".join([*(one.says for one in self.keys), says])
            yield Declaration(field.name, getattr(section, field.name), type_, says)

    def source_settings(self) -> Mapping[str, Declaration]:
        """The settings of all kinds of source, each once; first those that every kind has."""
        found: dict[str, Declaration] = {}
        kinds: list[type[SourceSettings]] = [SourceSettings, *self.sources]
        for kind in kinds:
            for one in self.settings_of(kind()):
                found.setdefault(one.name, one)
        return found
