"""Places that files can be written to."""

import os
from pathlib import Path

import pytest

from pondera.errors import ArgumentError
from pondera.files import BEGINNING, check_place, lock, whole_file

MARK = b"made by us"


def test_free_places_and_ours_will_do(tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "ours").write_bytes(b"<page> " + MARK)
    for name in ("new", "empty", "ours"):
        check_place(tmp_path / name, "--html", MARK)
    check_place(tmp_path / "ours", "OUT", b"")
    check_place(tmp_path / "new", "OUT")
    assert sorted(os.listdir(tmp_path)) == ["empty", "ours"]
    assert (tmp_path / "ours").read_bytes().endswith(MARK)


@pytest.mark.parametrize("ours", [MARK, None])
@pytest.mark.parametrize("content", [b"mine", bytes(BEGINNING) + MARK])
def test_what_is_not_ours_stays(tmp_path, content, ours):
    path = tmp_path / "notes"
    path.write_bytes(content)
    with pytest.raises(ArgumentError, match=r"--html .*notes: is there already.*; give another name\.$"):
        check_place(path, "--html", ours)
    with pytest.raises(ArgumentError, match=r"give another name, or replace it with --force\.$"):
        check_place(path, "OUT", advice="replace it with --force")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (".", "is a folder"),
        ("missing/page.html", "there is no folder .*missing.* to write to; make it first"),
        ("file/page.html", "there is no folder"),
        ("x" * 400, "cannot be written: File name too long"),
        ("a\0b", "cannot be written"),
    ],
)
def test_places_where_nothing_can_be_written(tmp_path, name, sentence):
    (tmp_path / "file").write_text("a file")
    with pytest.raises(ArgumentError, match=sentence):
        check_place(f"{tmp_path}/{name}", "--html", b"")


@pytest.mark.parametrize("name", ["n" * 255, "ä" * 127, "日" * 85])
def test_names_as_long_as_the_system_allows(tmp_path, name):
    check_place(tmp_path / name, "OUT")
    with whole_file(tmp_path / name) as part:
        part.write_text("whole")
    assert os.listdir(tmp_path) == [name]


def test_links_stay_and_lead_to_what_was_written(tmp_path):
    (tmp_path / "there").mkdir()
    link, target = tmp_path / "link", tmp_path / "there" / "file"
    link.symlink_to(target)
    for text in ("first", "second"):  # to nothing yet, and to a file
        check_place(link, "OUT", b"")
        with whole_file(link) as part:
            part.write_text(text)
        assert link.is_symlink()
        assert target.read_text() == text
        assert os.listdir(target.parent) == ["file"]


def test_devices_are_not_replaced():
    with pytest.raises(ArgumentError, match="is a pipe or device"):
        check_place(os.devnull, "--html", b"")


def test_folders_that_cannot_be_written_to(tmp_path, monkeypatch):
    def refused(self, *_, **__):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(ArgumentError, match=r"cannot be written: Permission denied\.$"):
        check_place(tmp_path / "page.html", "--html", MARK)


@pytest.mark.skipif(os.name == "nt", reason="there files that are open cannot be taken away")
def test_a_lock_on_a_file_that_was_taken_away_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr("fcntl.flock", lambda *_: (tmp_path / "lock").unlink())
    with pytest.raises(BlockingIOError):
        lock(tmp_path / "lock")
