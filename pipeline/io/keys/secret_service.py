"""What a secrets service has to do so that `SecretManagerKeystore` can keep keys in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class NoVersion(Exception):
    """There is no such secret, or it has no version yet. Stays in this room."""


class Unreadable(Exception):
    """The version is destroyed, disabled, or not what was written. Stays in this room."""


class SecretService(Protocol):
    """The secrets whose names begin with a prefix; every call raises EnvironmentProblem."""

    def path(self, name: str) -> str:
        """Return the full name of a secret, for messages."""

    def create(self, name: str) -> None:
        """Create a secret, if the service has secrets without content; an existing one is fine."""

    def add(self, name: str, data: bytes) -> None:
        """Write a secret's content, unless somebody was faster: then `first` returns theirs."""

    def first(self, name: str) -> bytes:
        """Return the first content that a secret ever had. Raises NoVersion or Unreadable."""

    def destroy_first(self, name: str, *, if_allowed: bool = False) -> None:
        """Destroy that content for ever; one that is already gone is fine.

        With `if_allowed`, an account without that right leaves it to one that has it.
        """

    def annotations(self, name: str) -> tuple[str, dict[str, str]]:
        """Return a state and the texts of an index; an empty state if there is no such secret."""

    def annotate(self, name: str, etag: str, annotations: Mapping[str, str]) -> bool:
        """Replace the texts; False, with nothing changed, if the state has changed meanwhile."""
