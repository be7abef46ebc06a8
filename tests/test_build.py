"""Building the pages, with a package manager that does what a test wants."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

NPM = """
import pathlib, sys
if sys.argv[1] == "ci":
    assert "--ignore-scripts" in sys.argv
    sys.exit()
made = pathlib.Path("dist")
(made / "assets").mkdir(parents=True, exist_ok=True)
(made / "index.html").write_text('<script src="/assets/index.js"></script>')
(made / "assets" / "index.js").write_text('const later = ["assets/later.js"]')
with open("../built", "a") as file:
    file.write("x")
if "broken" in pathlib.Path("page.ts").read_text():
    sys.exit("page.ts is broken")
(made / "assets" / "later.js").write_text("")
if "forgetful" not in pathlib.Path("page.ts").read_text():
    (made / "widgets.js").write_text("")
"""


@pytest.fixture
def builder(tmp_path, monkeypatch):
    """The module, with sources of one page and one package."""
    spec = importlib.util.spec_from_file_location("build_ui", ROOT / "build_ui.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sources = tmp_path / "ui"
    package = sources / "node_modules" / "counts"
    package.mkdir(parents=True)
    (package / "LICENSE").write_text("Do with it what you like.\n")
    (sources / "page.ts").write_text("one")
    locked = {"": {}, "node_modules/counts": {"version": "1.2.3", "license": "MIT"}, "node_modules/x": {"dev": True}}
    (sources / "package-lock.json").write_text(json.dumps({"packages": locked}))
    (tmp_path / "npm.py").write_text(NPM)
    monkeypatch.setattr(module, "SOURCES", sources)
    monkeypatch.setattr(module, "BUILT", tmp_path / "static")
    monkeypatch.setattr(module, "tools", lambda: (Path(sys.executable), [sys.executable, str(tmp_path / "npm.py")]))
    return module


def times_built(builder):
    return len((builder.SOURCES.parent / "built").read_text())


def hook(builder):
    """Give the hook of the wheel; it needs nothing of what hatchling would tell it."""
    return builder.Pages("", {}, None, None, "", "")


def test_pages_are_built_once_of_the_same_sources(builder):
    builder.build()
    assert builder.missing(builder.BUILT) == []
    builder.build()
    assert times_built(builder) == 1
    (builder.SOURCES / "page.ts").write_text("two")
    builder.build()
    assert times_built(builder) == 2


@pytest.mark.parametrize("lost", ["widgets.js", "assets/later.js", "assets/index.js", "THIRD-PARTY.txt"])
def test_pages_that_lack_something_are_built_anew(builder, lost):
    builder.build()
    (builder.BUILT / lost).unlink()
    assert builder.missing(builder.BUILT)
    builder.build()
    assert builder.missing(builder.BUILT) == []


@pytest.mark.parametrize(("fault", "said"), [("broken", "page.ts is broken"), ("forgetful", "widgets.js was not made")])
def test_what_is_half_built_takes_no_place(builder, fault, said):
    builder.build()
    before = sorted(builder.BUILT.rglob("*"))
    (builder.SOURCES / "page.ts").write_text(fault)
    for _ in range(2):  # nor is it taken for built the next time
        with pytest.raises(SystemExit, match=said):
            builder.build()
    assert sorted(builder.BUILT.rglob("*")) == before


def test_no_wheel_is_made_without_pages(builder, monkeypatch, tmp_path):
    data = {"force_include": {}}
    hook(builder).initialize("standard", data)
    assert data["force_include"] == {str(builder.BUILT): "pondera/workbench/static"}
    (builder.BUILT / "widgets.js").unlink()
    monkeypatch.setattr(builder, "SOURCES", tmp_path / "nowhere")
    with pytest.raises(SystemExit, match=r"lacks widgets\.js"):
        hook(builder).initialize("standard", {"force_include": {}})
    hook(builder).initialize("editable", data)  # it is served from where it will be built


def test_the_licence_of_every_package_is_shipped(builder):
    builder.build()
    told = (builder.BUILT / builder.LICENSES).read_text()
    assert "counts 1.2.3 (MIT)\n\nDo with it what you like." in told
    (builder.SOURCES / "node_modules" / "counts" / "LICENSE").unlink()
    with pytest.raises(SystemExit, match="counts comes without the text of its licence"):
        builder.licenses()


def test_the_pages_that_are_built_come_with_their_licences(pages):
    told = (ROOT / "src" / "pondera" / "workbench" / "static" / "THIRD-PARTY.txt").read_text(encoding="utf-8")
    for package in ("preact", "vega", "vega-lite", "d3-scale", "vite"):
        assert f"\n{package} " in told
