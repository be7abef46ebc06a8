import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

import pondera


def test_the_neuron_that_everyone_knows(run):
    found = run("neuron", "--inputs", "5,2", "--weights", "0.7,0.3", "--bias", 1, "--json").json
    assert found["output"] == 5.1
    assert found["contributions"] == [3.5, 0.6]


def test_the_neuron_as_a_table(run):
    done = run("neuron", "--inputs", "5,2", "--weights=-0.7,0.3", "--activation", "relu")
    assert done.code == 0
    assert "-3.5" in done.out
    assert "output = relu(-2.9) = 0" in done.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--inputs", "5", "--weights", "1,2"), "2 weights and needs as many inputs; 1 were given"),
        (("--inputs", "5,x", "--weights", "1,2"), "--inputs takes numbers separated by commas"),
        (("--inputs", "5,nan", "--weights", "1,2"), "must be finite"),
        (("--inputs", "1e308,1e308", "--weights", "10,2"), "too large"),
        (("--inputs", "1", "--weights", "1", "--activation", "rleu"), "Did you mean 'relu'?"),
    ],
)
def test_bad_neurons(run, arguments, sentence):
    done = run("neuron", *arguments)
    assert done.code == 2
    assert sentence in done.err
    assert done.out == ""


def test_predictions_on_standard_output(run, model, flowers):
    done = run("predict", model, flowers)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == "prediction,probability_short,probability_tall"
    assert len(lines) == 241


@pytest.mark.parametrize("name", ["p.csv", "p.tsv", "p.parquet", "p.arrow"])
def test_predictions_in_a_file_are_those_of_the_estimator(run, model, flowers, tmp_path, name):
    done = run("predict", model, flowers, "--out", tmp_path / name)
    assert done.out == ""
    written = pondera.read_table(tmp_path / name)
    expected = pondera.load(model).predict_proba(pondera.read_table(flowers).drop("kind"))
    np.testing.assert_array_equal(written.select("probability_short", "probability_tall").to_numpy(), expected)
    assert set(written["prediction"]) == {"short", "tall"}


@pytest.mark.parametrize("read", ["table", "model"])
def test_nothing_that_is_read_is_written_over(run, model, flowers, tmp_path, read):
    table = tmp_path / "t.csv"
    table.write_bytes(flowers.read_bytes())
    copy = tmp_path / "model.csv"
    copy.write_bytes(model.read_bytes())
    out = table if read == "table" else copy
    before = out.read_bytes()
    done = run("predict", copy, table, "--out", out)
    assert done.code == 2
    assert "is what the predictions are made from. Give another name." in done.err
    assert out.read_bytes() == before


def test_arguments_the_other_way_round(run, model, flowers):
    assert "found a text. Give the path of a model file." in run("predict", flowers, model).err
    assert "holds weights (safetensors), perhaps a model" in run("train", model, "--target", "kind").err
    assert "holds weights (safetensors), perhaps a model" in run("predict", model, model).err


def test_the_place_is_looked_at_before_anything_is_read(run, tmp_path):
    done = run("predict", tmp_path / "no.safetensors", tmp_path / "no.csv", "--out", tmp_path / "p.xlsx")
    assert "the name must end in one of .csv" in done.err


def test_predictions_as_json_count_what_is_new(run, model, tmp_path):
    pl.DataFrame(
        {"size": [1.0, -1.0], "colour": ["green", "red"], "wild": [None, True], "seen": ["2024-01-01", "2024-02-02"]}
    ).write_csv(tmp_path / "new.csv")
    done = run("predict", model, tmp_path / "new.csv", "--json")
    assert done.json["rows"] == 2
    assert done.json["columns"]["prediction"] == ["tall", "short"]
    assert [finding["figures"] for finding in done.json["findings"]] == [
        {"column": "colour", "rows": 1},
        {"column": "wild", "rows": 1},
    ]
    assert "1 row has a category of 'colour'" in done.err


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("size,colour,wild\n1,red,true\n", "seen"),
        ("size,colour,wild,seen\nbig,red,true,2024-01-01\n", "size"),
        ("size,colour,wild,seen\ninf,red,true,2024-01-01\n", "size"),
    ],
)
def test_tables_that_do_not_fit(run, model, tmp_path, table, sentence):
    (tmp_path / "t.csv").write_text(table)
    done = run("predict", model, tmp_path / "t.csv", "--out", tmp_path / "p.csv")
    assert done.code == 2
    assert sentence in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "p.csv").exists()


def test_a_file_that_is_no_model(run, flowers):
    for command in (("predict", flowers, flowers), ("show", flowers)):
        done = run(*command)
        assert done.code == 2
        assert "expected a safetensors file" in done.err
        assert done.err.count("\n") == 1


def test_show(run, model):
    done = run("show", model)
    assert "predicts kind" in done.out
    assert "layers.1.weight" in done.out
    assert "red, white" in done.out or "blue, red" in done.out


def test_show_as_json(run, model):
    found = run("show", model, "--json").json
    assert found["classes"] == ["short", "tall"]
    assert [column["name"] for column in found["columns"]] == ["size", "colour", "wild", "seen"]
    weights = {each["name"]: each for each in found["weights"]}
    values = pondera.load(model).weights_["layers.1.weight"]
    assert weights["layers.1.weight"]["shape"] == list(values.shape)
    assert weights["layers.1.weight"]["max"] == float(values.max())
    assert found["record"]["notes"]["test"]["accuracy"] > 0.5
    assert pondera.Architecture.from_json(found["architecture"]) == pondera.load(model).model_.architecture


def test_help_and_version(run):
    assert run("--version").out == f"pondera {pondera.__version__}\n"
    for command in ("train", "predict", "show", "neuron"):
        done = run(command, "--help")
        assert done.code == 0
        assert "Usage: pondera" in done.out
        assert "--json" in done.out


@pytest.mark.parametrize("arguments", [("trian",), ("train", "--epochs", "many"), ("train", "--no-such-option")])
def test_usage_errors_are_one_line_and_leave_with_code_2(run, arguments):
    done = run(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith("Error: ")
    assert done.err.endswith(" --help).\n")
    assert done.err.count("\n") == 1


def test_usage_errors_name_the_command_whose_help_says_more(run):
    assert "No such option: --no-such-option (see pondera train --help)." in run("train", "--no-such-option").err
    assert "(see pondera predict --help)." in run("predict").err


def test_help_without_a_command(run):
    assert run().out == run("--help").out
    assert run("--debug").code == 0


@pytest.mark.parametrize("arguments", [(), ("--debug",)])
def test_ctrl_c_outside_training_is_one_line(run, monkeypatch, arguments):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("pondera.tables.read.read_table", interrupted)
    done = run("train", "t.csv", "--target", "y", *arguments)
    assert (done.code, done.out, done.err) == (130, "", "Interrupted.\n")


def test_a_mistake_of_ours_is_one_line(run, monkeypatch):
    def mistaken(*_, **__):
        raise LookupError("no\nsuch thing.")

    monkeypatch.setattr("pondera.tables.read.read_table", mistaken)
    done = run("train", "t.csv", "--target", "y")
    assert done.code == 1
    assert done.out == ""
    assert done.err == (
        "Error: this is a mistake in Pondera: LookupError: no such thing. "
        "Run again with --debug and report what it prints.\n"
    )
    with pytest.raises(LookupError):
        run("train", "t.csv", "--target", "y", "--debug")


def test_completion_is_offered(run):
    assert "--show-completion" in run("--help").out


def test_the_lightest_way_in_does_not_load_jax():
    code = (
        "import sys, pondera.commands as c\n"
        "try: c.main(['neuron', '--inputs', '5,2', '--weights', '0.7,0.3', '--bias', '1', '--json'])\n"
        "except SystemExit: pass\n"
        "assert not {'jax', 'sklearn', 'polars', 'optax'} & set(sys.modules), 'heavy modules were loaded'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["output"] == 5.1


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_whoever_read_the_results_may_go_away(model, more):
    line = [sys.executable, "-m", "pondera", "show", str(model), *more]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()  # before a byte is written
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141
