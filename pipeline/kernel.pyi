"""Types of the native kernel, which is built from `kernel/` (Rust); see `pipeline.native`."""

from collections.abc import Sequence
from typing import final

from typing_extensions import Buffer as Readable

__version__: str
REASONS: tuple[str, ...]
"""Names of the reasons that `decode` gives by number (`pipeline.events.model.Reason`)."""

@final
class Buffer:
    """Memory that the kernel filled; read-only, by the buffer protocol."""

    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

@final
class Table:
    """Which values of a message become which columns.

    `fields` are the columns in order, each a path of names and a kind (`text`, `scalar`, `signal`,
    `int`, `float`, `time`, `date`, `list`, `first`, `last`). `limits` are the most bytes of a
    message, its depth, its names and the bytes of a text. `versions` are (number, declared,
    required, decisive), by column numbers. `identity` is the event's name and the columns that
    hold event and version;
    without it every message is taken. Raises ValueError for what does not fit together.
    """

    def __new__(
        cls,
        fields: Sequence[tuple[Sequence[str], str]],
        *,
        limits: tuple[int, int, int, int],
        versions: Sequence[tuple[int, Sequence[int], Sequence[int], Sequence[int]]] = ...,
        identity: tuple[str, int, int] | None = ...,
    ) -> Table: ...

@final
class TokenKey:
    """A key, ready to make tokens; wiped when it goes."""

    def __new__(cls, key: bytes) -> TokenKey: ...
    def digests(self, prefix: bytes, values: Sequence[bytes]) -> list[bytes]:
        """HMAC-SHA256 of the prefix and each value."""

def decode(
    table: Table, data: Readable, starts: Readable, ends: Readable
) -> tuple[int, list[list[Buffer | None]], Buffer, Buffer, list[tuple[int, int, int]]]:
    """Decode messages `data[starts[i]:ends[i]]` (int64).

    Gives the number of rows; for each column its Arrow buffers (none of them if no row has a
    value; texts: validity, offsets, bytes; lists: validity, offsets, offsets and bytes of the
    items); the numbers of refused messages (int64, ascending); their reasons (uint8, by
    `REASONS`); and (column, reason, count) of values made null. Raises ValueError for a place
    outside of `data` and for more than 2 GiB.
    """

@final
class Splitter:
    """How lines of text are taken apart into columns of text, by column numbers (65535: none).

    `limits` are the most bytes of a line and of a value. Raises ValueError for a column that is
    not there.
    """

    @staticmethod
    def of_patterns(
        patterns: Sequence[tuple[bytes, Sequence[tuple[int, bytes]]]],
        count: int,
        limits: tuple[int, int],
    ) -> Splitter:
        """The first pattern that fits: what stands first, then (column, literal after it)."""

    @staticmethod
    def of_columns(
        separator: int,
        quoted: bool,
        columns: Sequence[int],
        least: int,
        exact: bool,
        count: int,
        limits: tuple[int, int],
    ) -> Splitter:
        """Values between separators, at least so many."""

def split(
    splitter: Splitter, data: Readable, starts: Readable, ends: Readable
) -> tuple[int, list[list[Buffer | None]], Buffer, Buffer]:
    """Take lines `data[starts[i]:ends[i]]` apart: rows, columns, refused lines and reasons, as
    `decode` gives them."""

def flatten(
    table: Table, data: Readable, starts: Readable, ends: Readable
) -> tuple[Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer]:
    """Check lines of OTLP/JSON logs under the limits of `table`, and flatten them: the bytes of one
    message for each log record, where they start and end, their lines and their numbers within
    these (int64); and the refused lines and reasons, as `decode` gives them."""

WHYS: tuple[str, ...]
"""Names of the reasons that `refine` gives by number (`pipeline.events.model.NULL_REASONS`)."""

@final
class Refinement:
    """What a format does to the values of a column: the operations of a `formats.model.Rule`."""

    def __new__(
        cls,
        kind: str,
        *,
        take: str | None,
        null: Sequence[bytes],
        decode: Sequence[str],
        part: str | None,
        identifier: bool,
        unit: str | None,
        times: Sequence[str],
        no_negative: bool,
    ) -> Refinement: ...

def refine(
    how: Refinement, offsets: Readable, data: Readable
) -> tuple[list[Buffer | None], Buffer, Buffer]:
    """Refine a column of texts: its buffers, and rows (int64) and reasons (uint8, by `WHYS`) of
    values that could not be used."""

@final
class Routes:
    """Templates of routes as an automaton: words, and for each state where each word and (last)
    other text leads; state 0 is dead, 1 the start. Raises ValueError for a step that leads out."""

    def __new__(
        cls, words: Sequence[bytes], steps: Sequence[Sequence[int]], depth: int
    ) -> Routes: ...
    def run(self, offsets: Readable, data: Readable) -> Buffer:
        """The state (int32) after each path of a text column; -1 for one that the rule has to take
        apart: with an escape, a blank, a backslash, a control character, or no slash in front."""

def numbered(prefix: bytes, numbers: Readable) -> tuple[Buffer, Buffer]:
    """Offsets and bytes of texts: the prefix and each number (int64) in decimal digits."""

def find_lines(data: Readable, most: int) -> tuple[Buffer, Buffer, int]:
    """Find at most `most` complete lines: starts and ends (int64) of those that are not blank,
    and the bytes that all of them take."""

def find_records(
    data: Readable, count: int, base: int, floor: int
) -> tuple[Buffer, Buffer, Buffer] | None:
    """Find the values of a Kafka record batch: starts, ends, offsets (int64), without those in
    front whose offset is below `floor`; None if the records do not fill `data`."""

def tokens(
    offsets: Readable,
    data: Readable,
    keys: Sequence[TokenKey],
    epochs: Readable | None,
    prefix: bytes,
    size: int,
) -> Buffer:
    """Make the first `size` bytes of each text's HMAC as hexadecimal digits, NULs for an empty
    text. `offsets` (int32) and `data` are those of a text column; row i has the key
    `keys[epochs[i]]` (int64), or `keys[0]` if `epochs` is None."""

def chain_lines(chain: bytes, data: Readable) -> bytes:
    """Chain a SHA-256 over the complete lines of `data`, as `io.disk.append_log.chained` does."""

def standings(data: Readable) -> tuple[Buffer, Buffer, Buffer, Buffer]:
    """Read complete lines of the opt-out list, one element for each: both halves of the token
    (uint64) and the microseconds since 1970 (int64) at which it opted out, for lines that say
    nothing else; the smallest int64 for every other line, and where these start and end (int64).
    """
