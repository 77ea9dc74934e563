"""A look at files takes their beginnings, whatever they are and however many."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem, SourceError
from pipeline.io.files.sample import first_messages


def test_the_first_lines_of_a_file_plain_or_compressed(tmp_path: Path) -> None:
    lines = b"".join(b"line %d\n" % number for number in range(5_000))
    (tmp_path / "a.log").write_bytes(lines)
    (tmp_path / "b.gz").write_bytes(gzip.compress(lines))
    for name in ("a.log", "b.gz"):
        found = first_messages([str(tmp_path / name)], 1_000)
        assert found == lines.splitlines()[:1_000]


def test_files_of_a_folder_share_what_is_looked_at(tmp_path: Path) -> None:
    for name, count in (("a", 1), ("b", 9), ("c", 9)):
        (tmp_path / name).write_bytes(b"".join(b"%s\n" % name.encode() for _ in range(count)))
    (tmp_path / "empty").touch()
    assert sorted(first_messages([str(tmp_path)], 9)) == [b"a", *[b"b"] * 3, *[b"c"] * 3]


def test_a_path_that_names_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="not found"):
        first_messages([str(tmp_path / "no.log")], 10)
    assert first_messages([str(tmp_path)], 10) == []


def test_an_archive_that_is_cut_short_is_left_out_or_told_if_there_is_nothing_else(
    tmp_path: Path,
) -> None:
    whole = gzip.compress(b"".join(b"line %d\n" % number for number in range(50)))
    (tmp_path / "cut.log.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match="cut short") as caught:
        first_messages([str(tmp_path)], 10)
    assert caught.value.remedy.startswith("Name a file that is whole")
    (tmp_path / "a.log").write_bytes(b"a\n")
    assert first_messages([str(tmp_path)], 10) == [b"a"]
