"""Results and errors on whatever standard output there is."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

PONDERA = [sys.executable, "-m", "pondera"]


@pytest.fixture
def weights(tmp_path):
    np.savez(tmp_path / "w.npz", **{"übergang.weight": np.ones((8, 8), np.float32)})
    return tmp_path / "w.npz"


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_output_that_is_not_utf8(weights, encoding, as_json):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([*PONDERA, "read", weights, *as_json], capture_output=True, check=True, env=environment)
    if as_json:
        assert json.loads(done.stdout.decode(encoding))["tensors"][0]["name"] == "übergang.weight"
    else:
        assert b"bergang" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="needs a shell of POSIX")
@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-"])
def test_output_that_was_closed_is_like_a_reader_that_has_gone(weights, closed):
    line = f'"{sys.executable}" -m pondera read "{weights}" {closed}'
    done = subprocess.run(["sh", "-c", line], stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full device")
def test_a_full_disk_is_not_told_to_give_fewer_rows(weights):
    with open("/dev/full", "w") as full:
        done = subprocess.run([*PONDERA, "read", weights], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert "rows" not in done.stderr
    assert "Free some disk." in done.stderr


def test_an_argument_that_is_empty_is_not_this_folder(run):
    done = run("read", "")
    assert done.code == 2
    assert "an argument is empty" in done.err
