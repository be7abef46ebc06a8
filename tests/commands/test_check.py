"""``pondera check``: its words, its JSON and its errors."""

import json

import numpy as np
import pytest

import pondera

X = np.random.default_rng(0).standard_normal((64, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A training whose weights never move."""
    where = tmp_path_factory.mktemp("run")
    with pondera.runs.Recorder(where, "full") as recorder:
        plan = pondera.Plan(epochs=30, optimizer="sgd", learning_rate=0.0)
        network = pondera.Network.create(3, [pondera.Dense(4, "tanh"), pondera.Dense(1)])
        pondera.fit(network, X, X[:, 0] * X[:, 1], plan, recorder=recorder)
    return where


def test_json(run, folder):
    done = run("check", folder, "--json")
    assert done.code == 0
    assert done.err == ""
    found = done.json
    assert {**found, "findings": ..., "changes": ...} == {
        "run": str(folder),
        "state": "finished",
        "steps": 30,
        "findings": ...,
        "changes": ...,
    }
    for finding in found["findings"]:
        assert set(finding) == {
            "rule", "where", "statement", "figures", "method", "source", "certainty", "advice", "since",
        }  # fmt: skip
        assert 0 <= finding["since"] < 30
        assert finding["source"]
        assert finding["advice"]
        assert finding["figures"]["measure"] is None or finding["figures"]["measure"] >= finding["figures"]["threshold"]
    assert any(finding["rule"].endswith("weights never moved") for finding in found["findings"])


def test_words(run, folder):
    done = run("check", folder)
    assert done.code == 0
    assert "finished, 30 steps" in done.out
    assert "no matrix of weights is further from its start than 0 of its size" in " ".join(done.out.split())
    assert "--learning-rate 0.001" in " ".join(done.out.split())


def test_nothing_there(run, tmp_path):
    done = run("check", tmp_path, "--json")
    assert done.code == 2
    assert done.out == ""
    assert "expected the folder of a run" in done.err


def test_json_is_what_python_gives(run, folder):
    assert run("check", folder, "--json").json == json.loads(json.dumps(pondera.runs.check(folder).to_json()))
