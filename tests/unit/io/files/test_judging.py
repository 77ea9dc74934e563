"""What a file is that begins like a source, or lies where one lay."""

from __future__ import annotations

import gzip

import pytest

from tests.unit.io.files.bench import Bench, lines_of, numbered


class TestANamedFile:
    """A file that is named itself, rotated while nothing was running."""

    @pytest.mark.parametrize("packed", [False, True])
    @pytest.mark.parametrize("successor", [b"", numbered(700, 705)])
    def test_has_its_rest_looked_for_beside_it(
        self, bench: Bench, successor: bytes, packed: bool
    ) -> None:
        path = bench.write("app.log", numbered(0, 100))
        assert len(bench.take(bench.reader(str(path)))) == 100
        bench.append("app.log", numbered(100, 600))
        if packed:
            (bench.folder / "app.log.1.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
        else:
            path.rename(bench.folder / "app.log.1")
        bench.write("app.log", successor)
        bench.write("app.log.2", numbered(0, 0) + b'{"n":"somebody else\'s"}\n')
        read = bench.take(bench.reader(str(path)))
        assert sorted(read) == sorted(lines_of(numbered(100, 600) + successor))

    def test_is_warned_of_if_its_rest_is_not_found(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = bench.write("app.log", numbered(0, 100))
        bench.take(bench.reader(str(path)))
        bench.append("app.log", numbered(100, 600))
        path.rename(bench.folder.parent / "elsewhere.log")
        bench.write("app.log", numbered(700, 705))
        assert len(bench.take(bench.reader(str(path)))) == 5
        assert f"What was read as {path} until byte {len(numbered(0, 100))}" in caplog.text
