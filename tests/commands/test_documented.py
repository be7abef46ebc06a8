"""The keys that docs/commands.md lists for --json, and their types, are those that are printed."""

import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from pondera.recording.events import record_of

DOCS = Path(__file__).parents[2] / "docs" / "commands.md"
ROW = re.compile(r"^\| (`[^|]*`) \| ([^|]*) \| [^|]*\|$", re.MULTILINE)
TYPES = {
    "text": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "whole number": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "truth value": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "object": lambda value: isinstance(value, dict),
    "list of objects": lambda value: isinstance(value, list) and all(isinstance(e, dict) or e is None for e in value),
    "list of texts": lambda value: isinstance(value, list) and all(isinstance(each, str) for each in value),
    "list of numbers": lambda value: isinstance(value, list) and all(isinstance(each, float) for each in value),
    "list of whole numbers": lambda value: isinstance(value, list) and all(isinstance(each, int) for each in value),
}


def documented(command):
    """Give the keys of a command -> their types; keys of keys are joined by dots."""
    text = DOCS.read_text(encoding="utf-8").split(f"\n## {command}\n")[1].split("\n## ")[0]
    rows = ROW.findall(text)
    return {key: kinds.split(" or ") for keys, kinds in rows for key in re.findall("`([^`]*)`", keys)}


def printed(value, known, prefix=""):
    """Yield every key with its value; into lists of objects only where the documentation goes there too."""
    for key, each in value.items():
        yield f"{prefix}{key}", each
        if isinstance(each, list) and any(name.startswith(f"{prefix}{key}.") for name in known):
            for item in each:
                yield from printed(item or {}, known, f"{prefix}{key}.")


@pytest.fixture
def folder(tmp_path):
    """A network that moves, with a tensor that comes and goes and one that becomes NaN; and copies of it."""
    random = np.random.default_rng(0)
    for at in range(3):
        arrays = {
            "fc.weight": random.normal(size=(20, 30)).astype(np.float32),
            "fixed.weight": np.ones((4, 5), np.float32),
            "rounded.weight": np.full((3, 4), 1 / 3, np.float32).astype(np.float16 if at == 1 else np.float32),
            "grows.weight": np.ones((2, 2 + at), np.float32),
            "late" if at else "early": np.ones(3 + at, np.float32),
            "broken": np.full(5, np.nan if at == 2 else 1, np.float32),
        }
        save_file(arrays, tmp_path / f"step-{at}.safetensors")
    (tmp_path / "readme.txt").write_text("no checkpoint")
    return tmp_path


def logs(folder):
    """Write an event file, and give it."""
    path = folder / "events.out.tfevents.1"
    path.write_bytes(record_of(1.0, 0, [("loss", 0.5)]))
    return path


def commands(folder):
    first, second = folder / "step-0.safetensors", folder / "step-1.safetensors"
    return {
        "compare": ("compare", first, second, "--frozen", "*"),
        "timeline": ("timeline", folder),
        "convert": ("convert", first, folder / "new.npz", "--dtype", "float16"),
        "neuron": ("neuron", "--inputs", "5,2", "--weights", "0.7,0.3", "--bias", "1"),
        "tensorboard": ("tensorboard", logs(folder), folder / "run"),
    }


@pytest.mark.parametrize("command", ["compare", "timeline", "convert", "neuron", "tensorboard"])
def test_what_is_printed_is_what_is_documented(run, folder, command):
    known = documented(command)
    assert known
    done = run(*commands(folder)[command], "--json")
    assert done.code == 0, done.err
    found = list(printed(done.json, known))
    assert {key for key, _ in found} == set(known)
    for key, value in found:
        assert any(TYPES[kind.strip()](value) for kind in known[key]), (key, value, known[key])


def test_findings_are_as_documented(run, folder):
    named = {"rule", "where", "statement", "figures", "method", "source", "certainty", "advice"}
    for command in ("compare", "timeline"):
        findings = run(*commands(folder)[command], "--json").json["findings"]
        assert findings
        assert all(each.keys() == named for each in findings)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_every_tensor_of_a_comparison_has_every_key(run, folder, at):
    keys = {key.removeprefix("tensors.") for key in documented("compare") if key.startswith("tensors.")}
    for each in run("compare", folder / "step-0.safetensors", folder / f"step-{at}.safetensors", "--json").json[
        "tensors"
    ]:
        assert each.keys() == keys
