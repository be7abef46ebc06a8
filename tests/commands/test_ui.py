"""What ``pondera ui`` says before there is anything to open."""

import socket

import pytest

from pondera.workbench import server


@pytest.fixture
def built(tmp_path, monkeypatch):
    """Pages that are built, wherever the tests run."""
    static = tmp_path / "static"
    static.mkdir()
    (static / "index.html").write_text("<!doctype html>")
    monkeypatch.setattr(server, "STATIC", static)
    return tmp_path


def test_without_the_pages_it_says_how_to_build_them(run, tmp_path, monkeypatch):
    monkeypatch.setattr(server, "STATIC", tmp_path / "nothing")
    done = run("ui", tmp_path)
    assert done.code == 2
    assert "The pages of the workbench are not built. Run make ui" in done.err


@pytest.mark.parametrize("port", [-1, 65536])
def test_ports(run, built, port):
    assert "--port takes a whole number from 0 to 65535" in run("ui", built, f"--port={port}").err


def test_a_port_that_is_taken(run, built):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run("ui", built, "--port", taken.getsockname()[1])
    assert done.code == 2
    assert "Give another, or 0" in done.err


def test_a_folder_that_is_none(run, built):
    assert "expected a folder to serve" in run("ui", built / "static" / "index.html").err
