import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MAKE = runpy.run_path(str(HERE / "make.py"))
GROUPS, MODELS = MAKE["all_cases"]()
CASES = {name: case for cases in GROUPS.values() for name, case in cases.items()}
SECONDS, MEMORY = 30.0, 512 << 20  # of computing: nothing hangs on a slow machine either; most take a thousandth


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Give the function name -> where its file lies: in this folder, or made."""
    folder = tmp_path_factory.mktemp("hostile")

    def find(name):
        if MAKE["is_kept"](CASES[name][2]):
            return HERE / "files" / name
        if not (folder / name).exists() and not (folder / name).is_symlink():
            MAKE["write"](folder / name, CASES[name][2])
        return folder / name

    return find


@pytest.fixture(scope="module")
def found(place, tmp_path_factory):
    """Give what became of each file in a process that is not allowed to do anything."""
    folder = tmp_path_factory.mktemp("warm")
    asked = "".join(json.dumps([str(place(name)), name in MODELS]) + "\n" for name in CASES)
    program = [sys.executable, str(HERE / "check.py"), str(folder)]
    done = subprocess.run(program, input=asked, capture_output=True, text=True, cwd=folder, timeout=3600, check=False)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    ended = f"the process ended with {done.returncode} at {list(CASES)[len(results) :][:1]}: {done.stderr[-2000:]}"
    assert len(results) == len(CASES), ended
    assert sorted(each.name for each in folder.iterdir()) == ["f40.npy", "f41.npy", "f80.npy", "f81.npy"]
    return dict(zip(CASES, results, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_it_gives_a_sentence_or_weights(name, found, place):
    result, words = found[name], CASES[name][1]
    if words is None or name in MODELS:
        assert result["sentence"] is None
        assert (result["code"], result["err"]) == (0, "")
        assert "\x1b" not in result["out"]
    else:
        sentence = result["sentence"]
        assert words in sentence
        assert len(sentence.splitlines()) == 1
        assert sentence.endswith(".")
        assert str(place(name)) in sentence
        assert (result["code"], result["out"]) == (2, "")
        assert result["err"] == f"Error: {' '.join(sentence.split())}\n"
    if name in MODELS:
        assert words in result["refusal"]
        assert len(result["refusal"].splitlines()) == 1


@pytest.mark.parametrize("name", CASES)
def test_it_costs_little_and_does_nothing(name, found):
    assert found[name]["seen"] == []
    assert found[name]["memory"] < MEMORY
    assert found[name]["seconds"] < SECONDS


def test_the_files_are_those_that_the_script_makes(tmp_path):
    kept = {name: case[2] for name, case in CASES.items() if MAKE["is_kept"](case[2])}
    assert sorted(kept) == sorted(each.name for each in (HERE / "files").iterdir())
    for name, content in kept.items():
        for part, expected in content.items() if isinstance(content, dict) else [("", content)]:
            assert (HERE / "files" / name / part).read_bytes() == expected


def test_the_readme_lists_them():
    assert (HERE / "README.md").read_text(encoding="utf-8") == MAKE["readme"]()
