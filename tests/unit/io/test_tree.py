"""A tree is listed as it lies there: hidden names, links, sockets, modes, at any depth."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pipeline.errors import EnvironmentProblem
from pipeline.io.lake.lake import Lake
from pipeline.io.tree import EntryKind, LocalTree, ObjectTree, Tree, tree_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "a" / ".b").mkdir(parents=True)
    (folder / "a" / ".b" / "file").write_bytes(b"12345")
    (folder / "z.txt").write_bytes(b"1")
    return folder


def kinds(tree: Tree) -> dict[str, EntryKind]:
    return {entry.path: entry.kind for entry in tree.entries()}


def test_everything_is_listed_with_folders_before_what_is_in_them(root: Path) -> None:
    assert list(kinds(LocalTree(root)).items()) == [
        ("", EntryKind.FOLDER),
        ("a", EntryKind.FOLDER),
        ("a/.b", EntryKind.FOLDER),
        ("a/.b/file", EntryKind.FILE),
        ("z.txt", EntryKind.FILE),
    ]


def test_links_are_named_and_never_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_bytes(b"x")
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "broken").symlink_to("nowhere")
    found = kinds(LocalTree(root))
    assert (found["link"], found["broken"]) == (EntryKind.LINK, EntryKind.LINK)
    assert "link/file" not in found
    assert LocalTree(root).exists("broken")


def test_a_root_that_is_a_link_is_named_as_one_and_listed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    found = kinds(LocalTree(tmp_path / "link"))
    assert found == {**kinds(LocalTree(root)), "": EntryKind.LINK}


def test_a_socket_is_neither_file_nor_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("s")
        assert kinds(LocalTree(root))["s"] is EntryKind.OTHER


def test_an_entry_says_its_size_mode_time_and_owner(root: Path) -> None:
    os.chmod(root / "z.txt", 0o604)
    os.utime(root / "z.txt", (5, 7.5))
    (entry,) = (entry for entry in LocalTree(root).entries() if entry.path == "z.txt")
    assert (entry.size, entry.mode, entry.modified, entry.owned) == (1, 0o604, 7.5, True)


def test_a_root_that_is_not_there_has_nothing(tmp_path: Path) -> None:
    assert kinds(LocalTree(tmp_path / "none")) == {}
    assert not LocalTree(tmp_path / "none").exists("file")


@pytest.mark.usefixtures("heeds_permissions")
def test_a_folder_that_cannot_be_listed_is_told_and_not_passed_over(root: Path) -> None:
    (root / "a").chmod(0)
    try:
        with pytest.raises(EnvironmentProblem, match="could not be listed"):
            list(LocalTree(root).entries())
    finally:
        (root / "a").chmod(0o700)


def test_an_object_store_has_files_only_and_none_of_a_disks_modes(root: Path) -> None:
    tree = ObjectTree(f"file://{root}", {})
    found = list(tree.entries())
    assert [(one.path, one.kind, one.size) for one in found] == [
        ("a/.b/file", EntryKind.FILE, 5),
        ("z.txt", EntryKind.FILE, 1),
    ]
    assert {(one.mode, one.owned) for one in found} == {(None, True)}


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_lakes_tree_reads_what_it_lists(root: Path, scheme: str) -> None:
    tree = tree_of(Lake(f"{scheme}{root}"))
    assert isinstance(tree, ObjectTree if scheme else LocalTree)
    with tree.open("a/.b/file") as file:
        assert file.read(2) == b"12"
    assert tree.exists("z.txt")
    assert not tree.exists("y.txt")
    with pytest.raises(OSError):
        tree.open("y.txt")
