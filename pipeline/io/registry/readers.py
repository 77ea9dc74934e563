"""Readers of messages by the numbers of their schemas, looked up in a registry once and kept.

A number stands for one schema forever, so what was found is never asked for again. One that the
registry does not know is asked for several times, because a registry's replicas may learn of a
schema later than its producers, and again a minute later: without that, messages with it would be
refused until the next start. While the registry is unavailable, the missing numbers are asked
for once a second, and no message is read.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from pipeline.errors import RegistryUnreachable
from pipeline.events.wire.model import Reader, SchemaLanguage, Unusable, WriterSchema
from pipeline.events.wire.reading import reader_of
from pipeline.io.registry.client import RegistryAccess, RegistryClient
from pipeline.io.registry.protoc import compiled
from pipeline.io.source import Clock

TRIES: Final = 3
TRY_SECONDS: Final = 1.0
"""How long after a failure, or an unknown number, a registry is asked again."""
FORGET_SECONDS: Final = 60.0
"""How long a number counts as unknown."""
MOST_UNKNOWN: Final = 10_000
MOST_NAMED: Final = 64
"""How many schemas one schema may refer to, directly or indirectly."""

_LOG = logging.getLogger(__name__)


class RegistryReaders:
    """See the module, and `pipeline.events.wire.model.Readers`. One thread at a time uses it."""

    def __init__(
        self,
        access: RegistryAccess,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = RegistryClient(access)
        self._clock = clock
        self._sleep = sleep
        self._known: dict[int, Reader | None] = {}
        self._unknown: dict[int, float] = {}
        """Numbers that the registry does not know, and until when that is believed."""
        self._missing: frozenset[int] = frozenset()
        self._asked_at = 0.0

    def find(self, numbers: Collection[int]) -> Mapping[int, Reader | None]:
        """Return the reader of each schema; None where there is no schema that can be used."""
        now = self._clock()
        missing = [
            number
            for number in sorted(numbers)
            if number not in self._known and self._unknown.get(number, now) <= now
        ]
        try:
            self._look_up(missing)
        except RegistryUnreachable as problem:
            if not self._missing:
                _LOG.warning(
                    "The schema registry does not answer at %s because %s: reading waits for it",
                    problem.where,
                    problem.why,
                )
            self._missing, self._asked_at = frozenset(missing), self._clock()
            raise
        if self._missing:
            _LOG.warning("The schema registry answers again")
        self._missing = frozenset()
        return {number: self._known.get(number) for number in numbers}

    def ready(self) -> bool:
        """Return whether what could not be looked up the last time is known now."""
        if not self._missing:
            return True
        if self._clock() - self._asked_at >= TRY_SECONDS:
            try:
                self.find(self._missing)
            except RegistryUnreachable:
                return False
        return not self._missing

    def fault(self, number: int) -> str | None:
        """Ask for one schema; return why messages of it cannot be read, None if they can."""
        answer = self._client.by_number(number)
        if answer is None:
            return "the registry does not know its number"
        try:
            reader_of(self._schema(answer))
        except Unusable as problem:
            return str(problem)
        return None

    def newest(self, topic: str) -> Mapping[str, Any] | None:
        """Return the last schema of the subject that serializers name after a topic, if any."""
        return self._client.latest(f"{topic}-value")

    def _look_up(self, numbers: list[int]) -> None:
        for attempt in range(TRIES):
            if attempt and numbers:
                self._sleep(TRY_SECONDS)
            numbers = [number for number in numbers if not self._learn(number)]
        if len(self._unknown) + len(numbers) > MOST_UNKNOWN:
            self._unknown.clear()
        until = self._clock() + FORGET_SECONDS
        self._unknown |= dict.fromkeys(numbers, until)

    def _learn(self, number: int) -> bool:
        """Ask for one schema; return whether the registry knows it."""
        answer = self._client.by_number(number)
        if answer is None:
            return False
        try:
            self._known[number] = reader_of(self._schema(answer))
        except Unusable as problem:
            _LOG.warning("Messages of schema %d are refused: %s", number, problem)
            self._known[number] = None
        return True

    def _schema(self, answer: Mapping[str, Any]) -> WriterSchema:
        """The schema of an answer; raises `Unusable`."""
        kind, text = answer.get("schemaType", SchemaLanguage.AVRO.value), answer.get("schema")
        if kind not in list(SchemaLanguage) or not isinstance(text, str):
            raise Unusable("it is neither Avro, Protobuf nor JSON")
        if kind == SchemaLanguage.JSON:
            return WriterSchema(SchemaLanguage.JSON)
        named: dict[str, str] = {}
        self._follow(answer, named)
        if kind == SchemaLanguage.AVRO:
            return WriterSchema(SchemaLanguage.AVRO, text, tuple(named.values()))
        return WriterSchema(SchemaLanguage.PROTOBUF, descriptors=compiled(text, named))

    def _follow(self, answer: Mapping[str, Any], named: dict[str, str]) -> None:
        """Add what a schema refers to, by name, each after its own references."""
        for reference in answer.get("references") or ():
            try:
                name = str(reference["name"])
                subject, version = str(reference["subject"]), int(reference["version"])
            except (KeyError, TypeError, ValueError):
                raise Unusable("a schema that it refers to is not named") from None
            if name in named:
                continue
            found = self._client.by_version(subject, version)
            if found is None or not isinstance(found.get("schema"), str):
                raise Unusable("a schema that it refers to is not in the registry")
            if len(named) >= MOST_NAMED:
                raise Unusable("it refers to too many schemas")
            named[name] = ""  # its place is taken while its own are followed
            self._follow(found, named)
            del named[name]
            named[name] = found["schema"]
