"""Search everything that was written for texts that must not be there, however they are encoded.

Raw, lower- and upper-case, percent-encoded, base64 at each of its three alignments, hex, JSON
escapes, UTF-16, and as MD5, SHA-1, SHA-256 (hex digest): a canary is found whether it was copied or
went through a careless transformation.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from pipeline.io.folder_bytes import Content

_HASHES = ("md5", "sha1", "sha256")


@dataclass(frozen=True, slots=True)
class Leak:
    """A canary found: which one by number, in which file and in which form; never the text."""

    canary: int
    form: str
    place: str


@dataclass(frozen=True, slots=True)
class Searched:
    """What one search examined."""

    files: int
    bytes: int
    leaks: tuple[Leak, ...]


def forms(text: str) -> Iterator[tuple[str, bytes]]:
    """Yield (form, bytes to look for) for every encoding of a text."""
    raw = text.encode()
    yield "plain", raw
    yield "lower case", text.lower().encode()
    yield "upper case", text.upper().encode()
    yield "percent", quote(text, safe="").encode()
    yield "percent, all", "".join(f"%{byte:02x}" for byte in raw).encode()
    yield "json", json.dumps(text)[1:-1].encode()
    yield "json, all", "".join(f"\\u{ord(character):04x}" for character in text).encode()
    yield "hex", raw.hex().encode()
    yield "hex, upper case", raw.hex().upper().encode()
    yield "utf-16", text.encode("utf-16-le")
    for shift in range(3):
        # Characters that depend on neighbouring bytes are cut off at both ends.
        whole = base64.b64encode(b"\x00" * shift + raw)
        first, last = (0, 2, 3)[shift], len(raw) + shift
        middle = whole[first : last * 8 // 6]
        yield f"base64 at {shift}", middle
        yield f"base64url at {shift}", middle.translate(bytes.maketrans(b"+/", b"-_"))
    for name in _HASHES:
        digest = hashlib.new(name, raw, usedforsecurity=False)
        yield name, digest.hexdigest().encode()
        yield f"{name}, upper case", digest.hexdigest().upper().encode()
        yield f"{name}, bytes", digest.digest()


def search(contents: Iterable[Content], canaries: Sequence[str]) -> Searched:
    """Look for every form of every canary in everything."""
    needles = [
        (number, form, needle)
        for number, text in enumerate(canaries)
        for needle, form in {needle: form for form, needle in forms(text)}.items()
    ]
    files, size, leaks = 0, 0, []
    for content in contents:
        files += content.first
        size += len(content.data)
        leaks += [
            Leak(number, form, content.place)
            for number, form, needle in needles
            if needle in content.data
        ]
    return Searched(files, size, tuple(leaks))
