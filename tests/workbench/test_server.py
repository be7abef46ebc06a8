"""The server, before it serves: what it refuses, and the browser that it opens."""

import subprocess
import sys
import threading

import pytest

from pondera.commands.ui import ui
from pondera.errors import ArgumentError
from pondera.workbench import server as module
from pondera.workbench.served import OWN
from tests.workbench.browsing import pondera


@pytest.fixture
def built(folder, monkeypatch):
    """The folder to serve; pages are there."""
    (folder.parent / "index.html").write_text("")
    monkeypatch.setattr(module, "STATIC", folder.parent)
    return folder


@pytest.mark.parametrize("name", [OWN, f"{OWN}/logs", f"{OWN}/bin", f"{OWN}/uploads"])
@pytest.mark.parametrize("link", [True, False])
def test_a_folder_of_its_own_that_is_none_is_refused_before_an_address_is_printed(built, name, link):
    (built / name).parent.mkdir(exist_ok=True)
    if link:
        (built / name).symlink_to(built.parent)
    else:
        (built / name).write_text("")
    printed = []
    with pytest.raises(ArgumentError, match=f"{name}: expected a folder .* Move it away"):
        module.serve(built, 0, printed.append)
    assert printed == []


def test_a_browser_that_waits_for_the_server_holds_nothing_up(built, monkeypatch):
    """One in the terminal returns when it is closed."""
    serves, opened = threading.Event(), threading.Event()

    def serve(folder, port, began):
        began("http://x")
        serves.set()

    monkeypatch.setattr("webbrowser.open", lambda _: serves.wait(60) and opened.set())
    monkeypatch.setattr("pondera.workbench.server.serve", serve)
    ui(built, 0, True)
    assert opened.wait(60)


@pytest.mark.parametrize(("system", "shared"), [("nt", False), ("posix", True)])
def test_ports_are_shared_with_no_other_server(built, monkeypatch, system, shared):
    asked = []

    class Socket:
        def __init__(self, *_):
            pass

        def setsockopt(self, *options):
            asked.append(options)

        def bind(self, _):
            raise OSError(98, "in use")

        def close(self):
            pass

    monkeypatch.setattr(module.socket, "socket", Socket)
    monkeypatch.setattr(module, "os", type("os", (), {"name": system}))
    with pytest.raises(ArgumentError, match="in use"):
        module.serve(built, 1, lambda _: None)
    assert bool(asked) == shared


def test_what_is_looked_at_while_something_trains_loads_no_jax(folder):
    """It takes a second of a core, and a hundred megabytes, while a core is what training wants."""
    pondera(folder, "train", "signs.csv", "--target=kind", "--recipe=plain", "--epochs=3", "--out=run")
    look = "warm(); check(Path('run')); sys.exit('jax' in sys.modules)"
    imports = "import sys; from pathlib import Path; from pondera.recording.health.check import check"
    code = f"{imports}; from pondera.workbench.application import warm; {look}"
    assert subprocess.run([sys.executable, "-c", code], cwd=folder).returncode == 0
