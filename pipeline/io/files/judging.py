"""What to do with a file that is neither clearly a known source nor clearly new.

Some files begin like a source and differ from it later. Such a file is

    an echo     a part of another file that is there: a copy in progress, or an old one. It
                holds nothing of its own, and is left alone until it grows.
    another     the source is there, in another file; or too little is the same to prove
                anything. It is a new source.
    changed     the source is nowhere else, and this file is where it was, or has the same
                first 64 KiB. That stops the run: its old lines are in the lake, and
                nobody can say which of the new ones are.

The rest of a file that was renamed while nothing was running is looked for beside it, if the
settings or the command line name the file itself.
"""

from __future__ import annotations

import logging
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.io.files.claims import Claims, Hint
from pipeline.io.files.identity import Match, Rival, beginnings, place_of
from pipeline.io.files.open_file import Content, rewritten, shrunk
from pipeline.io.files.paths import is_taken
from pipeline.io.files.recognition import Recognizer
from pipeline.io.files.tail import Tail
from pipeline.io.files.tailing import Tails

LOG = logging.getLogger(__name__)


class Judge:
    """Says what the files of one reader are. Raises `SourceError` for one that was changed."""

    def __init__(
        self, recognizer: Recognizer, tails: Tails, claims: Claims | None, key: bytes
    ) -> None:
        """Without `claims` no hint is known, and nothing is looked for beside a file."""
        self._recognizer = recognizer
        self._tails = tails
        self._claims = claims
        self._key = key
        self._sought: set[tuple[str, str]] = set()

    def identify(self, tail: Tail, content: Content, now: float) -> Match | None:
        """Say which source a file is, as the lake stands now; None if it is an echo.

        None also if its beginning has changed since it was met: then it is met again.
        """
        if not tail.packed:
            found = beginnings(self._key, content.head())
            if any(found.get(rung) != before for rung, before in tail.beginnings.items()):
                self._tails.meet_again(tail, now)
                return None
            tail.beginnings = found
        hint = None if self._claims is None else self._claims.hint()
        match = self._read_before(tail, hint)
        if match is None:
            match = self._recognizer.match(content, tail.beginnings, tail.line, tail.old)
        if match.is_new:
            if any(
                self._is_echo(tail, content, other, now)
                for other in self._tails.beginning_with(tail.line)
            ):
                LOG.info("%s holds nothing that another file does not", tail.path)
                return None
            self._judge(tail, content, match, hint, now)
        self._look_beside(tail, match, now)
        return match

    def changed(self, tail: Tail, now: float) -> None:
        """Drop a file that differs from what was read from it, if that is in another file now.

        Raises SourceError if it is not.
        """
        match = tail.match
        if (
            match is None
            or match.app_id is None
            or self._is_elsewhere(tail, tail.line, match.app_id, now)
        ):
            LOG.warning("%s was rewritten; what it held before is in another file", tail.path)
            self._tails.drop(tail)
            return
        if tail.size < match.position:
            raise shrunk(tail.path, tail.size, match.position)
        raise rewritten(tail.path, match.position)

    def look_for_named(self, now: float) -> None:
        """Look for the rest of named files that were renamed while nothing was running.

        Where another file has taken the place of one, that happens when the other is picked up.
        """
        met = {tail.path for tail in self._tails}
        for path in self._tails.paths:
            if path not in met and self._claims is not None and not Path(path).is_dir():
                hint = self._claims.hint_of_name(place_of(self._key, path))
                if hint is not None:
                    self._seek(path, hint, now)

    def read_by_name(self) -> list[str]:
        """Return the app ids of what was last read under the names that are read now."""
        if self._claims is None:
            return []
        hints = (self._claims.hint_of_name(place_of(self._key, one)) for one in self._tails.paths)
        return [hint.app_id for hint in hints if hint is not None]

    def hint_of(self, tail: Tail) -> Hint | None:
        """Return what to remember about a file."""
        match = tail.match
        if match is None or match.app_id is None:
            return None
        return Hint(
            match.app_id,
            tail.line,
            {str(rung): found.hex() for rung, found in tail.beginnings.items()},
            place_of(self._key, tail.path),
            (tail.size, tail.modified, match.position) if tail.packed and tail.ended else None,
        )

    def _read_before(self, tail: Tail, hint: Hint | None) -> Match | None:
        """Recognize without reading an archive that was read to its end and not touched since."""
        if hint is None or hint.end is None or hint.end[:2] != (tail.size, tail.modified):
            return None
        if hint.line != tail.line or not _begins_alike(tail, hint):
            return None
        match = self._recognizer.stand_of(hint.app_id)
        if match is None or match.position != hint.end[2]:
            return None
        tail.ended = True
        return match

    def _judge(
        self, tail: Tail, content: Content, match: Match, hint: Hint | None, now: float
    ) -> None:
        """Raise SourceError if a file that agrees with no source was one, and was changed."""
        for rival in match.rivals:
            was_here = hint is not None and hint.app_id == rival.app_id
            if (was_here or rival.alike or rival.damage) and not self._is_elsewhere(
                tail, tail.line, rival.app_id, now
            ):
                raise _contradiction(tail, content, rival)
        if hint is None or any(rival.app_id == hint.app_id for rival in match.rivals):
            return
        stand = self._recognizer.stand_of(hint.app_id)
        if stand is None or self._is_elsewhere(tail, hint.line, hint.app_id, now):
            return
        if hint.line == tail.line and _begins_alike(tail, hint):
            raise shrunk(tail.path, tail.size, stand.position)
        if hint.name == place_of(self._key, tail.path):
            LOG.warning(
                "%s has other content than before: what it held after byte %d, if anything, was "
                "not read. Rotate by renaming, not by copying and truncating",
                tail.path,
                stand.position,
            )

    def _is_echo(self, tail: Tail, content: Content, other: Tail, now: float) -> bool:
        """Return whether a file is the beginning of another one."""
        if other is tail:
            return False
        if any(other.beginnings.get(rung) != found for rung, found in tail.beginnings.items()):
            return False
        if other.packed or (not tail.packed and other.size <= tail.size):
            return False
        try:
            length = content.length()
        except SourceError:
            # An archive that is still being written: so far it is the same.
            return True
        theirs = self._tails.content(other, now)
        return (
            theirs is not None
            and theirs.length() > length
            and theirs.window(length) == content.window(length)
        )

    def _is_elsewhere(self, tail: Tail, line: str, app_id: str, now: float) -> bool:
        """Return whether a source, which begins with `line`, is in another file that is there."""
        for other in self._tails.beginning_with(line):
            if other is tail:
                continue
            if other.match is None:
                content = self._tails.content(other, now)
                if content is None:
                    continue
                found = self._recognizer.match(content, other.beginnings, other.line, other.old)
                if found.app_id == app_id:
                    return True
            elif other.match.app_id == app_id:
                return True
        return False

    def _look_beside(self, tail: Tail, match: Match, now: float) -> None:
        """Look for what was read under a file's name before, if the file itself is named."""
        if self._claims is None or tail.path not in self._tails.paths:
            return
        name = place_of(self._key, tail.path)
        hint = self._claims.hint_of_name(name)
        if hint is not None and match.app_id != hint.app_id:
            self._seek(tail.path, hint, now)

    def _seek(self, path: str, hint: Hint, now: float) -> None:
        """Follow the file beside `path` that a hint refers to; warn once if there is none."""
        if (path, hint.app_id) in self._sought:
            return
        self._sought.add((path, hint.app_id))
        if any(tail.match and tail.match.app_id == hint.app_id for tail in self._tails):
            return
        place = Path(path)
        for beside in sorted(place.parent.iterdir()):
            if beside.name.startswith(place.name) and beside != place and is_taken(beside.name):
                known = {tail.path for tail in self._tails}
                tail = self._tails.follow(str(beside), now)
                if tail is None:
                    continue
                content = self._tails.content(tail, now)
                if content is not None and tail.line == hint.line:
                    found = self._recognizer.match(content, tail.beginnings, tail.line, tail.old)
                    if found.app_id == hint.app_id:
                        LOG.info("%s is now %s, and is read to its end", path, beside)
                        return
                if str(beside) not in known:
                    self._tails.unfollow(tail)
        stand = self._recognizer.stand_of(hint.app_id)
        LOG.warning(
            "What was read as %s until byte %d is not beside it any more: what it held after that, "
            "if anything, was not read",
            path,
            0 if stand is None else stand.position,
        )


def _begins_alike(tail: Tail, hint: Hint) -> bool:
    """Return whether a file begins as a hint's file did, as far as both reach."""
    shared = [rung for rung in tail.beginnings if str(rung) in hint.beginnings]
    return bool(shared) and tail.beginnings[shared[0]].hex() == hint.beginnings[str(shared[0])]


def _contradiction(tail: Tail, content: Content, rival: Rival) -> SourceError:
    if rival.damage is not None:
        return rival.damage
    if rival.shorter:
        return shrunk(tail.path, content.length(), rival.position)
    return rewritten(tail.path, rival.position)
