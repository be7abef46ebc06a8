"""Every public name is documented, and every example in a docstring runs."""

import doctest
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pondera

SOURCE = Path(pondera.__file__).parent
NAMES = [name for name in pondera.__all__ if not name.startswith("__")]
MODULES = sorted(
    ".".join(["pondera", *path.relative_to(SOURCE).with_suffix("").parts]).removesuffix(".__init__")
    for path in SOURCE.rglob("*.py")
    if path.name != "__main__.py"
)


@pytest.mark.parametrize("name", NAMES)
def test_public_names_are_documented(name):
    text = inspect.getdoc(getattr(pondera, name))
    assert text, f"{name} has no docstring"
    sections = set(re.findall(r"^(\w+)\n-{3,}$", text, re.MULTILINE))
    assert sections & {"Examples", "Parameters", "Attributes"}, f"{name} shows neither parameters nor an example"


@pytest.mark.parametrize("name", NAMES)
def test_public_methods_are_documented(name):
    value = getattr(pondera, name)
    if inspect.isclass(value):
        for method, member in inspect.getmembers(value):
            if not method.startswith("_") and getattr(member, "__module__", "").startswith("pondera"):
                assert inspect.getdoc(member), f"{name}.{method} has no docstring"


@pytest.mark.parametrize("name", NAMES)
def test_documented_parameters_are_those_it_has(name):
    value = getattr(pondera, name)
    text = inspect.getdoc(value)
    if "Parameters\n-" not in text or name == "Choice":  # a Choice's **options are not the doctor's to know
        return
    section = re.split(r"\n\w+\n-{3,}\n", text.split("Parameters\n----------\n")[1])[0]
    documented = {
        part.strip().lstrip("*") for line in section.splitlines() if line and line[0] != " " for part in line.split(",")
    }
    assert documented <= set(inspect.signature(value).parameters)


def test_public_names():
    assert set(dir(pondera)) == set(pondera.__all__)
    assert re.fullmatch(r"\d+\.\d+\.\d+", pondera.__version__)
    with pytest.raises(AttributeError, match="module 'pondera' has no attribute 'nothing'"):
        pondera.nothing  # noqa: B018
    for name in NAMES:
        assert getattr(pondera, name).__name__.rpartition(".")[2] == name


def test_the_version_is_the_installed_one():
    from importlib.metadata import version

    assert version("pondera") == pondera.__version__


def test_everything_can_be_imported_by_star():
    subprocess.run(
        [sys.executable, "-W", "error", "-c", "from pondera import *; Network, PonderaClassifier"], check=True
    )


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
