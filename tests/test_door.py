"""While the door is closed nothing is read but what lies below one folder, whatever happens to names in between."""

import os
import sqlite3

import numpy as np
import pytest
from safetensors.numpy import save_file

import pondera
from pondera import door
from pondera.errors import PonderaError, RunError
from pondera.files import lock
from pondera.recording import process, schema
from pondera.recording.run import Run
from pondera.tables.read import read_table


@pytest.fixture
def served(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    for place in (tmp_path, folder):
        (place / "t.csv").write_text("a,b\n1,2\n")
        save_file({"w": np.zeros(3, np.float32)}, place / "w.safetensors")
        np.savez(place / "w.npz", w=np.zeros(3))
        (place / "run").mkdir()
        schema.create(place / "run" / "run.sqlite").close()
    with door.only_below(folder):
        yield folder


READ = [
    ("t.csv", read_table),
    ("w.safetensors", pondera.open),
    ("w.npz", pondera.open),
    ("run", lambda place: Run(place).close()),
]


@pytest.mark.parametrize(("name", "read"), READ)
def test_what_is_below_is_read_and_what_is_not_is_refused(served, monkeypatch, name, read):
    read(served / name)
    monkeypatch.chdir(served)
    read(type(served)(name))
    for place in (served.parent / name, served / ".." / name):
        with pytest.raises(PonderaError, match="outside of the folder"):
            read(place)


@pytest.mark.parametrize(("name", "read"), READ)
def test_links_are_refused_wherever_they_stand(served, name, read):
    (served / "link").symlink_to(served.parent / name)
    (served / "above").symlink_to(served.parent)
    for place in (served / "link", served / "above" / name):
        with pytest.raises(PonderaError, match="is a link"):
            read(place)


def test_the_database_of_a_run_is_no_link(served):
    (served / "other").mkdir()
    (served / "other" / "run.sqlite").symlink_to(served.parent / "run" / "run.sqlite")
    with pytest.raises(RunError, match="is a link"):
        Run(served / "other")


def test_a_database_that_turns_into_a_link_while_it_is_opened(served, monkeypatch):
    """The check of the name is passed, and then the folder of the run becomes a link."""
    connect = sqlite3.connect

    def swapped(*arguments, **options):
        (served / "run").rename(served / "before")
        (served / "run").symlink_to(served.parent / "run")
        try:
            return connect(*arguments, **options)
        finally:
            (served / "run").unlink()
            (served / "before").rename(served / "run")

    monkeypatch.setattr(schema.sqlite3, "connect", swapped)
    with pytest.raises(RunError, match="outside of the folder"):
        schema.connect(served / "run" / "run.sqlite")


@pytest.mark.skipif(not door.DESCRIPTORS.is_dir(), reason="the system does not say what is behind descriptors")
def test_what_sqlite_says_it_opened_is_not_believed_alone(served):
    database = sqlite3.connect(served / "run" / "run.sqlite")
    door.check_opened(database)
    other = sqlite3.connect(served.parent / "run" / "run.sqlite")
    other.execute("SELECT count(*) FROM sqlite_master").fetchone()
    with pytest.raises(PermissionError):
        door.check_opened(database)
    other.close()
    door.check_opened(database)
    database.close()


def test_locks_and_pauses_go_through_no_link(served):
    victim = served.parent / "victim"
    for name in ("run.lock", "run.pause"):
        (served / "run" / name).symlink_to(victim)
    with pytest.raises(OSError, match="is a link"):
        lock(served / "run" / "run.lock")
    victim.write_text("1")
    with pytest.raises(OSError, match="is a link"):
        process.writer_of(served / "run")
    assert victim.read_text() == "1"


def test_folders_that_are_made_are_made_inside(served):
    inside = door.Inside(served)
    os.close(inside.open(("a", "b", "c"), os.O_WRONLY | os.O_CREAT, make=True))
    assert (served / "a" / "b" / "c").is_file()
    (served / "out").symlink_to(served.parent)
    with pytest.raises(OSError, match="is a link"):
        inside.open(("out", "c"), os.O_WRONLY | os.O_CREAT, make=True)
    assert not (served.parent / "c").exists()


def test_a_pipe_is_not_waited_for(served):
    if not hasattr(os, "mkfifo"):
        pytest.skip("the system has no pipes with names")
    os.mkfifo(served / "pipe")
    os.close(door.opener(served / "pipe", os.O_RDONLY))


def test_the_door_opens_again(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "t.csv").write_text("a\n1\n")
    with door.only_below(tmp_path / "in"), pytest.raises(PonderaError):
        read_table(tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv").height == 1


@pytest.mark.parametrize(("name", "read"), READ[:3])
def test_where_the_system_has_no_descriptors_of_folders(served, monkeypatch, name, read):
    monkeypatch.setattr(door, "WALKS", False)
    read(served / name)
    (served / "link").symlink_to(served.parent / name)
    (served / "above").symlink_to(served.parent)
    for place in (served / "link", served / "above" / name):
        with pytest.raises(PonderaError, match="is a link"):
            read(place)
