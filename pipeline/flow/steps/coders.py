"""How values travel between workers: shards as a few bytes, slices and batches never.

After Read the chain is fused, so slices and batches stay in the process that read them. Should a
runner, an option or a change of the graph ever try to move or sample one, the run fails instead:
raw identifiers must not reach a shuffle, a state store or a checkpoint.
"""

from __future__ import annotations

from typing import Any

from apache_beam.coders import Coder, registry

from pipeline.events.model import CleanBatch, RawBatch, Slice
from pipeline.io.source import Shard


class ShardCoder(Coder):
    """A shard as text: the same bytes for the same shard in every process."""

    def encode(self, value: Shard) -> bytes:
        return f"{value.index}/{value.count}/{value.source}".encode()

    def decode(self, encoded: bytes) -> Shard:
        index, count, source = encoded.decode().split("/", 2)
        return Shard(source, int(index), int(count))

    def is_deterministic(self) -> bool:
        return True

    def to_type_hint(self) -> type[Shard]:
        return Shard


class SealedCoder(Coder):
    """Refuses to encode; answers the size that runners ask for, without looking inside."""

    def encode(self, value: object) -> bytes:
        raise TypeError(f"a {type(value).__name__} does not leave the process that read it")

    def decode(self, encoded: bytes) -> Any:  # noqa: ARG002
        raise TypeError("slices and batches do not travel between processes")

    def estimate_size(self, value: object) -> int:
        if isinstance(value, Slice):
            return len(value.data)
        if isinstance(value, RawBatch | CleanBatch):
            return int(value.rows.nbytes)
        return 0

    def is_deterministic(self) -> bool:
        return True


def register_coders() -> None:
    """Make Beam use these coders; safe to call again."""
    registry.register_coder(Shard, ShardCoder)
    for kind in (Slice, RawBatch, CleanBatch):
        registry.register_coder(kind, SealedCoder)
