"""Imports point up the list of ranks only, and never in a circle."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import pondera

SOURCE = Path(pondera.__file__).parent

RANKS = {
    "errors": 0,
    "findings": 0,
    "markup": 0,
    "door": 0,
    "files": 0,
    "choice": 0,
    "constraints": 0,
    "machine": 0,
    "weights": 1,
    "tables": 1,
    "reading": 2,
    "network": 2,
    "training": 3,
    "model": 4,
    "recording": 5,
    "explaining": 5,
    "report": 6,
    "estimators": 6,
    "workbench": 7,
    "commands": 8,
    "widgets": 8,
    "__main__": 9,
}

FILES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def module_of(path):
    """Give a file's module without the package's own name: ("network", "dense")."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


MODULES = {module_of(path) for path in FILES}


def known(module):
    """Give the longest beginning that is a module: a name imported from a module is not one itself."""
    while module and module not in MODULES:
        module = module[:-1]
    return module


def imports_of(path):
    """Give every module of the package that a file imports, wherever in the file, with the line."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import; write it out"
            names = [[*node.module.split("."), alias.name] for alias in node.names]
        else:
            continue
        found += [(known(tuple(name[1:])), name[1:], node.lineno) for name in names if name[0] == "pondera"]
    return found


def rank(part, where):
    assert part in RANKS, f"{where}: '{part}' has no rank. Give it one in {Path(__file__).name} and in the design."
    return RANKS[part]


@pytest.mark.parametrize("path", FILES, ids=lambda path: ".".join(module_of(path)))
def test_imports_point_up(path):
    here = module_of(path)
    own = rank(here[0], path)
    for module, name, line in imports_of(path):
        where = f"{path}:{line}"
        if not module:  # the package itself, which loads everything on first use: only its version may be asked for
            assert name in ([], ["__version__"]), f"{where}: import {name} from the module it lives in"
        elif module[0] != here[0]:
            there = rank(module[0], where)
            allowed = there < own or there == own == 0
            assert allowed, f"{where}: '{here[0]}' (rank {own}) imports '{module[0]}' (rank {there})"


@pytest.mark.parametrize("path", FILES, ids=lambda path: ".".join(module_of(path)))
def test_the_package_itself_is_asked_for_its_version_only(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "pondera":
            assert node.attr == "__version__", f"{path}:{node.lineno}: pondera.{node.attr}"


@pytest.mark.parametrize("part", RANKS)
def test_no_circles(part):
    graph = {}
    for path in FILES:
        here = module_of(path)
        if here[0] == part or (RANKS[part] == 0 and RANKS.get(here[0]) == 0):
            graph[here] = {module for module, _, _ in imports_of(path) if module in MODULES and module != here}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(".".join(module) for module in error.args[1]))


def test_the_test_sees_imports_everywhere(tmp_path):
    code = (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from pondera.network.dense import Dense\n"
        "def f():\n    import pondera.tables.read\n    from pondera.errors import PonderaError\n"
        "import pondera\n"
    )
    (tmp_path / "a.py").write_text(code)
    assert sorted((module, line) for module, _, line in imports_of(tmp_path / "a.py")) == [
        ((), 7),
        (("errors",), 6),
        (("network", "dense"), 3),
        (("tables", "read"), 5),
    ]


HEAVY = ("jax", "sklearn", "polars", "numpy", "optax", "scipy")


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import pondera", HEAVY),
        ("import pondera; pondera.__version__; dir(pondera)", HEAVY),
        ("from pondera import Choice", HEAVY),
        ("from pondera import Neuron; Neuron([0.7, 0.3], 1)([5, 2])", ("jax", "sklearn", "polars", "optax")),
        ("from pondera import read_table", ("jax", "sklearn", "optax")),
        ("from pondera import Dense, Network, fit", ("sklearn",)),
        ("import pondera.report.terminal", ("jax", "sklearn")),
        ("import pondera.commands", ("jax", "sklearn", "polars")),
    ],
)
def test_imports_are_light(code, absent):
    loaded = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], check=True, capture_output=True, text=True
    )
    assert not set(absent) & set(loaded.stdout.split())
