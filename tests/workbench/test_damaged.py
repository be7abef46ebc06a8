"""A run that is damaged says so, and takes no list, no page and no stream with it."""

import contextlib
import shutil
import sqlite3

import numpy as np
import pytest

import pondera
from pondera.errors import ArgumentError, RunError
from tests.workbench.asked import OF_A_RUN

DAMAGES = {
    "no epochs": "DROP TABLE epochs",
    "epochs that are no text": "UPDATE epochs SET figures = x'ff00'",
    "epochs without figures": "UPDATE epochs SET figures = '{}'",
    "epochs that are a list": "UPDATE epochs SET figures = '[1]'",
    "epochs that are not finite": """UPDATE epochs SET figures = '{"epoch": NaN, "training_loss": 1e999}'""",
    "nothing is known": "UPDATE about SET value = 'no json'",
    "what is known is a list": "UPDATE about SET value = '[]'",
    "what is known is deep": f"UPDATE about SET value = '{'[' * 5000}{']' * 5000}' WHERE name = 'machine'",
    "half a letter": """UPDATE about SET value = '"\\ud800"' WHERE name = 'began'""",
    "epochs between epochs": "INSERT INTO about VALUES ('epochs_apart.0', '1e-300')",
    "an identity that is a list": "UPDATE about SET value = '[1]' WHERE name = 'identity'",
    "rows that are a list": "UPDATE about SET value = '[1]' WHERE name = 'rows'",
    "layers that are a number": "INSERT INTO about VALUES ('layers', '5')",
    "arguments that are a list": "INSERT INTO about VALUES ('arguments', '[1]')",
    "steps of one byte": "UPDATE steps SET figures = x'00'",
    "shapes beyond all": "UPDATE tensors SET shape = '[9999999, 9999999]'",
    "a dtype that is none": "UPDATE tensors SET dtype = 'float33'",
    "counts of one byte": "UPDATE tensor_figures SET histogram = x'00'",
    "weights of one byte": "UPDATE weights SET weights = x'00'",
}

ASKED = [
    *OF_A_RUN,
    "run/tile?tensor=layers.0.weight&step=0&top=0&bottom=2&left=0&right=1&down=2&across=1",
    "training",
]


@pytest.fixture
def runs(folder):
    x = np.random.default_rng(0).normal(size=(20, 2))
    network = pondera.Network.create(2, pondera.Dense(1))
    with pondera.runs.Recorder(folder / "good", level="full") as recorder:
        pondera.fit(network, x, x[:, 0], pondera.Plan(epochs=2), recorder=recorder)
    for name, statement in DAMAGES.items():
        shutil.copytree(folder / "good", folder / name)
        database = sqlite3.connect(folder / name / "run.sqlite")
        with database:
            database.execute(statement)
        database.close()
    (folder / "cut").mkdir()
    whole = (folder / "good" / "run.sqlite").read_bytes()
    (folder / "cut" / "run.sqlite").write_bytes(whole[: len(whole) // 2])
    return [*DAMAGES, "cut"]


def test_each_is_answered_in_a_sentence_or_as_far_as_it_is_whole(runs, client):
    for run in runs:
        refused = 0
        for path in ASKED:
            answer = client.get(f"/api/{path}{'&' if '?' in path else '?'}run={run}")
            assert answer.status_code in (200, 400), (run, path, answer.text)
            if answer.status_code == 400:
                refused += 1
                assert answer.json()["error"].endswith(".")
        assert refused or run == "counts of one byte", run  # which are read as no counts at all


@pytest.mark.parametrize("table", ["5", "[1]", '"a\\u0000b"'])
def test_a_table_that_is_no_place_is_none(runs, folder, client, table):
    with contextlib.closing(sqlite3.connect(folder / "good" / "run.sqlite")) as database, database:
        database.execute("INSERT INTO about VALUES ('arguments', ?)", (f'{{"table": {table}}}',))
    for path in ("runs", "run?run=good", "run/health?run=good"):
        assert client.get(f"/api/{path}").status_code in (200, 400), path
    found = {each["run"]: each for each in client.get("/api/runs").json()["runs"]}
    assert found["good"]["problem"] is None


def test_the_list_shows_which_are_damaged(runs, client):
    found = {each["run"]: each for each in client.get("/api/runs").json()["runs"]}
    assert set(found) == {*runs, "good"}
    assert (found["good"]["state"], found["good"]["problem"]) == ("finished", None)
    for name in ("no epochs", "nothing is known", "cut", "epochs without figures"):
        assert found[name]["state"] == "damaged"
        assert "run" in found[name]["problem"]


def test_a_stream_of_a_damaged_run_says_so(runs, client):
    pulses = client.app.app.state.bench.pulses
    for run in runs:
        told = pulses.look(run, None)
        assert told["there"] is (told["problem"] is None)
    assert "damaged" in pulses.look("no epochs", None)["problem"]


def test_a_mistake_of_ours_does_not_end_a_stream(client):
    pulses = client.app.app.state.bench.pulses
    looks = []

    def look(*watched):
        looks.append(watched)
        if len(looks) == 1:
            raise KeyError("ours")
        return {"activity": "ended", "there": True}

    pulses.look = look

    async def listen():
        listener = pulses.listen(("run", 1))
        events = listener.events()
        told = [await anext(events), await anext(events)]
        pulses.end()
        told += [each async for each in events]
        listener.close()
        return told, pulses.listen(("run", 1))

    told, late = client.portal.call(listen)
    assert "mistake in Pondera: KeyError" in told[0]
    assert "there" in told[1]
    assert len(told) == 2  # the stream ends where the server ends
    assert late is None


def test_in_python_it_is_a_run_error_too(runs, folder):
    with pondera.runs.open(folder / "steps of one byte") as run, pytest.raises(RunError, match="damaged"):
        run.steps()
    with pondera.runs.open(folder / "weights of one byte") as run, pytest.raises(RunError, match="damaged"):
        run.weights_at("layers.0.weight", 0)
    with pondera.runs.open(folder / "good") as run, pytest.raises(ArgumentError):
        run.tensor("none")
