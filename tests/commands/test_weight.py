"""What the command line tells of a single weight: its life, its rows, and what the network loses without it."""

import numpy as np
import pytest

import pondera
from pondera.network.network import Network
from pondera.training.backpropagation import trace
from tests.commands.wine import TRAIN


def test_a_weights_life_ends_in_the_saved_model(run, trained):
    told = run("weight", trained, "layers.1.weight[2,3]", "--json").json
    model = pondera.load(trained / "model.safetensors").model_
    start = model.architecture.initial(0)["layers.1.weight"][2, 3]
    values = [each["value"] for each in told["history"]]
    assert values[0] == told["initial"] == start
    assert values[-1] == told["final"] == model.weights["layers.1.weight"][2, 3]
    steps = [each["step"] for each in told["history"]]
    assert steps == list(range(len(steps)))
    moved = np.diff(np.array(values, np.float64))
    assert moved.sum() == pytest.approx(told["final"] - told["initial"], abs=1e-12)
    assert all(each["gradient"] is not None for each in told["history"][:-1])
    sizes = np.sort(np.abs(model.weights["layers.1.weight"]).ravel())[::-1]
    assert sizes[told["rank"] - 1] == abs(np.float32(told["final"]))
    assert told["initializer"]["name"] in ("normal", "lecun_normal", "he_normal")


def test_the_change_of_the_loss_without_a_weight_is_exact(run, trained):
    from pondera.commands.recorded import recorded
    from pondera.training.losses import loss_of

    told = run("weight", trained, "layers.2.weight[0,1]", "--json").json
    with pondera.runs.open(trained) as opened:
        found = recorded(opened, None)
    model, ready = found.model, found.ready
    network = model.networks[0]
    without = dict(network.weights)
    without["layers.2.weight"] = without["layers.2.weight"].copy()
    without["layers.2.weight"][0, 1] = 0

    def loss(weights):
        outputs = network.architecture(weights, ready.x)
        return float(np.mean(loss_of(model.loss).error(outputs, ready.answers)))

    assert told["ablation_loss_change"] == pytest.approx(loss(without) - loss(dict(network.weights)), abs=1e-6)


def test_gradients_that_were_not_recorded_are_found_again(run, trained, tmp_path, monkeypatch):
    next_of = "pondera.recording.recorder.PartRecorder.next"  # which steps there is time for depends on the machine
    monkeypatch.setattr(next_of, lambda part, step: part.recorder.schedule.next(step))
    assert run(*TRAIN, "--out", tmp_path).code == 0
    short, full = (run("weight", place, "layers.1.weight[2,3]", "--json").json for place in (tmp_path, trained))
    known = {each["step"]: each for each in full["history"]}
    assert len(short["history"]) > 3
    assert all(each == known[each["step"]] for each in short["history"][:-1])
    assert short["final"] == full["final"]


def test_gradients_that_were_not_recorded_can_be_left_out(run, trained, tmp_path, monkeypatch):
    monkeypatch.setattr("pondera.recording.replay.run", None)  # nothing trains again
    assert run(*TRAIN, "--out", tmp_path).code == 0
    told = run("weight", tmp_path, "layers.1.weight[2,3]", "--recorded-only", "--json").json
    assert {each["gradient"] for each in told["history"]} == {None}
    assert told["final"] == run("weight", trained, "layers.1.weight[2,3]", "--json").json["final"]


def test_rows_that_push_a_weight_are_those_of_the_table(run, trained):
    from pondera.tables.examples import load_example

    model = pondera.load(trained / "model.safetensors").model_
    frame, target, _ = load_example("wine")
    name, place = "layers.1.weight", (2, 3)
    told = run("weight", trained, f"{name}[2,3]", "--json").json
    x = model.inputs(frame.drop(target))[0].astype(np.float64)
    answers = model.target.encode(frame[target])
    weights = {key: value.astype(np.float64) for key, value in model.weights.items()}

    def gradient(row):
        found = trace(Network(model.architecture, weights), x[row : row + 1], answers[row : row + 1], model.loss)
        return found.gradients[name][place]

    for each in (*told["rows_up"], *told["rows_down"]):
        assert each["gradient"] == pytest.approx(gradient(each["row"]), rel=1e-3, abs=1e-9)


def test_a_life_that_was_cut_off_is_told_without_the_model_of_another_run(run, tmp_path, monkeypatch):
    assert run(*TRAIN, "--out", tmp_path).code == 0
    note = pondera.training.loop.Training._note

    def dies(training, state, epoch, *more):
        if epoch == 4:
            raise KeyboardInterrupt
        note(training, state, epoch, *more)

    with monkeypatch.context() as patched:
        patched.setattr(pondera.training.loop.Training, "_note", dies)
        assert run(*TRAIN, "--seed", 9, "--record", "full", "--out", tmp_path).code == 130
    done = run("weight", tmp_path, "layers.1.weight[2,3]", "--json")
    assert "was cut off" in done.err
    assert (tmp_path / "model.safetensors").exists()
    with pondera.runs.open(tmp_path) as opened:
        life = opened.weight("layers.1.weight", (2, 3))
    assert [each["value"] for each in done.json["history"]] == life.values.tolist()
    assert done.json["final"] == life.values[-1]
    assert done.json["ablation_loss_change"] is None
    for command in (("unit", tmp_path, "layers.1[2]"), ("check", tmp_path, "--fix", "--out", tmp_path / "fixed")):
        done = run(*command)
        assert done.code == 2
        assert "was cut off" in done.err


def test_a_life_is_told_where_the_table_is_gone_or_the_model(run, tmp_path):
    random = np.random.default_rng(0)
    table, folder = tmp_path / "t.csv", tmp_path / "run"
    table.write_text("a,b,y\n" + "\n".join(f"{a:.4f},{b:.4f},{a - b:.4f}" for a, b in random.normal(size=(60, 2))))
    train = ("train", table, "--target", "y", "--hidden", 4, "--epochs", 3, "--recipe", "plain", "--out", folder)
    assert run(*train).code == 0
    weight = ("weight", folder, "layers.0.weight[1,2]")
    whole = run(*weight, "--json").json
    moved = table.rename(tmp_path / "moved.csv")
    told = run(*weight, "--json")
    assert "There is no file" in " ".join(told.err.split())
    assert "--table" in told.err
    assert [each["value"] for each in told.json["history"]] == [each["value"] for each in whole["history"]]
    assert (told.json["initial"], told.json["final"]) == (whole["initial"], whole["final"])
    assert told.json["ablation_loss_change"] is None
    assert run(*weight, "--table", moved, "--json").json == whole
    text = moved.read_text()
    moved.write_text(text.replace("0.1", "0.2", 1))
    refused = run(*weight, "--table", moved)
    assert (refused.code, "rows are not those" in " ".join(refused.err.split())) == (2, True)
    moved.rename(table)
    assert "its rows are not those that" in " ".join(run(*weight).err.split())  # a note
    model = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").unlink()
    table.write_text(text)
    told = run(*weight, "--json")
    assert "model.safetensors: there is no such file, or it is of another training." in told.json["note"]
    assert "".join(told.json["note"].split()) in "".join(told.err.split())
    assert "last recorded" in run(*weight).out
    assert told.json["initial"] == whole["initial"]
    (folder / "model.safetensors").write_bytes(model[: len(model) // 2])
    cut = run(*weight, "--json")
    assert cut.json["history"] == told.json["history"]
    assert cut.json["note"].startswith(f"{folder / 'model.safetensors'}: ")
    assert "no such file" not in cut.json["note"]
    assert "".join(cut.json["note"].split()) in "".join(cut.err.split())
