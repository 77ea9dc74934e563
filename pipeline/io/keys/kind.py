"""What a key store declares: how the settings name it, and how it is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from pipeline.settings.declared import KeyReference

if TYPE_CHECKING:
    from pipeline.io.keys.keystore import Keystore


class OpenKeys(Protocol):
    """Opens the store that a reference names."""

    def __call__(
        self, reference: str, *, now: Callable[[], datetime], retention_days: int
    ) -> Keystore:
        """Raises KeyUnavailable or EnvironmentProblem if it cannot be used."""


@dataclass(frozen=True, slots=True)
class KeystoreKind(KeyReference):
    """A store of keys that is not the state folder."""

    open: OpenKeys
