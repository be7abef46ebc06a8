import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file
from sklearn.model_selection import train_test_split

import pondera


def test_json_of_a_classification(run, flowers, tmp_path):
    done = run("train", flowers, "--target", "kind", "--epochs", 20, "--out", tmp_path, "--json")
    assert done.code == 0
    report = done.json
    assert report["task"] == "classification"
    assert report["rows"] == {"train": 153, "validation": 39, "test": 48}
    assert set(report["metrics"]["test"]) == {"accuracy", "log_loss", "roc_auc"}
    assert report["metrics"]["test"]["accuracy"] > 0.85
    assert set(report["baselines"]) == {"trivial", "linear"}
    assert report["baselines"]["trivial"].keys() == report["metrics"]["test"].keys()
    weights = load_file(report["model"])
    assert report["weights"] == sum(array.size for array in weights.values())
    assert report["seconds"] > 0
    assert report["model"] == str(tmp_path / "model.safetensors")
    assert {each["input"] for each in report["connection_strength"]} >= {"size", "colour=red", "wild"}
    assert all(line.startswith("Step ") for line in done.err.splitlines())  # what rules find while it trains


def test_json_of_a_regression(run, tmp_path):
    done = run("train", "--example", "diabetes", "--recipe", "plain", "--epochs", 5, "--out", tmp_path, "--json")
    report = done.json
    assert report["task"] == "regression"
    assert set(report["metrics"]["test"]) == {"rmse", "mae", "r2"}
    assert report["rows"]["test"] == 89
    (told,) = run("runs", tmp_path, "--json").json["runs"]
    assert told["metric"] == "RMSE/std"  # answers are learned as deviations from their mean
    with pondera.runs.open(tmp_path) as recorded:
        assert set(recorded.about["inputs"]) == {each["input"] for each in report["connection_strength"]}


def test_the_test_rows_of_numbers_are_those_of_scikit_learn(run, tmp_path):
    random = np.random.default_rng(1)
    x = random.normal(size=(300, 2))
    frame = pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": x @ [1.0, -2.0] + random.normal(size=300)})
    frame.write_parquet(tmp_path / "t.parquet")
    done = run(
        "train", tmp_path / "t.parquet", "--target", "y", "--recipe", "plain", "--epochs", 30, "--seed", 3,
        "--out", tmp_path, "--json",
    )  # fmt: skip
    _, test = train_test_split(np.arange(300), test_size=0.2, random_state=3)
    predicted = pondera.load(tmp_path / "model.safetensors").predict(frame[test].drop("y"))
    rmse = float(np.sqrt(np.mean((predicted - frame["y"].to_numpy()[test]) ** 2)))
    assert done.json["metrics"]["test"]["rmse"] == pytest.approx(rmse, rel=1e-12)


def test_a_test_table_and_dropped_columns(run, flowers, tmp_path):
    frame = pl.read_csv(flowers)
    frame[:180].write_csv(tmp_path / "train.csv")
    frame[180:].with_columns(pl.lit("green").alias("colour")).write_csv(tmp_path / "test.tsv", separator="\t")
    done = run(
        "train", tmp_path / "train.csv", "--target", "kind", "--test", tmp_path / "test.tsv", "--drop", "wild, seen",
        "--epochs", 10, "--hidden", "16,8", "--seeds", 2, "--out", tmp_path / "a" / "b", "--json",
    )  # fmt: skip
    report = done.json
    assert report["rows"]["train"] + report["rows"]["validation"] == 180
    assert report["rows"]["test"] == 60
    assert report["networks"] == 2
    assert {each["input"].split("=")[0] for each in report["connection_strength"]} == {
        "size", "size is missing", "colour",
    }  # fmt: skip
    assert any("60 test rows have a category of 'colour'" in finding["statement"] for finding in report["findings"])
    assert "networks.1.layers.1.weight" in load_file(report["model"])


def test_no_test_rows(run, flowers, tmp_path):
    done = run("train", flowers, "--target", "kind", "--epochs", 2, "--test-fraction", 0, "--out", tmp_path, "--json")
    assert done.json["metrics"]["test"] is None
    assert done.json["baselines"] == {}


def test_the_task_can_be_overridden(run, tmp_path):
    pl.DataFrame({"a": range(100), "y": [i % 3 for i in range(100)]}).write_csv(tmp_path / "t.csv")
    arguments = ("train", tmp_path / "t.csv", "--target", "y", "--epochs", 2, "--out", tmp_path, "--json")
    assert run(*arguments).json["task"] == "classification"
    assert run(*arguments, "--task", "regression").json["task"] == "regression"


def test_the_report_for_people(run, flowers, tmp_path):
    done = run("train", flowers, "--target", "kind", "--epochs", 10, "--out", tmp_path)
    assert "accuracy" in done.out
    assert "a linear model" in done.out
    assert "always the same guess" in done.out
    assert "Connection strength" in done.out
    assert "It is not importance" in " ".join(done.out.split())
    assert "importance of" not in done.out
    assert all(line.startswith("Step ") for line in done.err.splitlines())  # what rules find while it trains


def test_constant_columns_are_said(run, flowers, tmp_path):
    pl.read_csv(flowers).with_columns(pl.lit(1).alias("one")).write_csv(tmp_path / "t.csv")
    done = run("train", tmp_path / "t.csv", "--target", "kind", "--epochs", 2, "--out", tmp_path)
    assert "'one'" in done.out


def test_the_same_seed_gives_the_same_weights(run, flowers, tmp_path):
    for name in ("a", "b"):
        run("train", flowers, "--target", "kind", "--epochs", 5, "--seed", 7, "--out", tmp_path / name)
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("a", "b"))
    assert first.keys() == second.keys()
    assert all((first[name] == second[name]).all() for name in first)


BAD = {
    "no table": (["--target", "kind"], "Give one of both: a TABLE, or --example"),
    "table and example": (["TABLE", "--example", "iris", "--target", "kind"], "Give one of both"),
    "unknown example": (["--example", "iriss"], "Did you mean 'iris'?"),
    "no target": (["TABLE"], "Give --target with one of: size, colour, wild, seen, kind."),
    "unknown target": (["TABLE", "--target", "kinds"], "Did you mean 'kind'?"),
    "unknown column to drop": (["TABLE", "--target", "kind", "--drop", "sise"], "Did you mean 'size'?"),
    "dropped target": (["TABLE", "--target", "kind", "--drop", "kind"], "which --target asks to predict"),
    "everything dropped": (["TABLE", "--target", "kind", "--drop", "size,colour,wild,seen"], "Nothing is left"),
    "unknown category": (["TABLE", "--target", "kind", "--categorical", "wildd"], "Did you mean 'wild'?"),
    "target as category": (["TABLE", "--target", "kind", "--categorical", "kind"], "Use --task classification"),
    "unknown task": (["TABLE", "--target", "kind", "--task", "clasification"], "Did you mean 'classification'?"),
    "regression of texts": (["TABLE", "--target", "kind", "--task", "regression"], "kind"),
    "unknown recipe": (["TABLE", "--target", "kind", "--recipe", "best"], "--recipe takes "),
    "hidden of words": (["TABLE", "--target", "kind", "--hidden", "wide"], "--hidden takes whole numbers"),
    "hidden of zero": (["TABLE", "--target", "kind", "--hidden", "0"], "--hidden takes whole numbers"),
    "unknown activation": (["TABLE", "--target", "kind", "--activation", "rel"], "--activation takes "),
    "no epochs": (["TABLE", "--target", "kind", "--epochs", "0"], "--epochs takes "),
    "no networks": (["TABLE", "--target", "kind", "--seeds", "0"], "--seeds takes "),
    "negative seed": (["TABLE", "--target", "kind", "--seed", "-1"], "seed"),
    "test fraction": (
        ["TABLE", "--target", "kind", "--test-fraction", "1"],
        "--test-fraction takes a number of at least 0",
    ),
    "learning rate": (["TABLE", "--target", "kind", "--learning-rate", "0"], "--learning-rate takes "),
    "missing file": (["nowhere.csv", "--target", "kind"], "nowhere.csv"),
    "missing test file": (["TABLE", "--target", "kind", "--test", "nowhere.csv"], "nowhere.csv"),
    "test twice": (["TABLE", "--target", "kind", "--test", "TABLE", "--test-fraction", "0.5"], "Give one of both"),
    "tested on itself": (["TABLE", "--target", "kind", "--test", "TABLE"], "rows the network never saw"),
    "epochs of words": (
        ["TABLE", "--epochs", "many"],
        "'--epochs': expected a whole number, found 'many' (see",
    ),
    "rate of words": (["TABLE", "--learning-rate", "x"], "expected a number, found 'x'"),
    "no word": (["TABLE", "--hidden"], "(see pondera train --help)"),
    "too large": (["TABLE", "--target", "kind", "--hidden", "9999999999"], "GB of memory; there are "),
    "out is a file": (["TABLE", "--target", "kind", "--out", "TABLE"], "is a file"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_wishes(run, flowers, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, sentence = BAD[name]
    done = run("train", *(flowers if argument == "TABLE" else argument for argument in arguments))
    assert done.code == 2
    assert sentence in done.err
    assert done.err.startswith("Error: ")
    assert done.err.count("\n") == 1
    assert done.out == ""
    assert list(tmp_path.iterdir()) == []


BAD_TABLES = {
    "empty file": ("", "empty"),
    "only a heading": ("a,kind\n", "row"),
    "ragged rows": ("a,kind\n1,x\n2,y,3\n", "line 3"),
    "duplicate columns": ("a,a,kind\n1,2,x\n3,4,y\n", "'a'"),
    "one class": ("a,kind\n" + "1,x\n2,x\n" * 10, "x"),
    "missing targets": ("a,kind\n" + "1,x\n2,\n3,y\n" * 10, "in 10 of 30 rows: first in line 3 of t.csv"),
    "rubbish in numbers": ("a,kind\n" + "".join(f"{i}.5,{'xy'[i % 2]}\n" for i in range(60)) + "oops,x\n", "line 62"),
    "identifiers": ("a,kind\n" + "".join(f"name{i}x,{'xy'[i % 2]}\n" for i in range(80)), "--drop"),
    "one row": ("a,kind\n1,x\n", "a single class"),
    "infinity": ("a,kind\n" + "".join(f"{i}.5,{'xy'[i % 2]}\n" for i in range(250)) + "inf,x\n", "line 252 of t.csv"),
    "infinity in the target": ("a,kind\n" + "1,0.5\n2,1.5\n" * 20 + "1,inf\n", "line 42 of t.csv"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_bad_tables(run, name, tmp_path):
    content, sentence = BAD_TABLES[name]
    path = tmp_path / "t.csv"
    path.write_text(content)
    done = run("train", path, "--target", "kind", "--out", tmp_path / "out")
    assert done.code == 2
    assert sentence in done.err
    assert done.err.startswith("Error: ")
    assert done.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_numbers_that_are_all_different_are_no_classes(run, tmp_path):
    (tmp_path / "t.csv").write_text("a,y\n" + "".join(f"{i % 7},{i}.5\n" for i in range(120)))
    done = run("train", tmp_path / "t.csv", "--target", "y", "--task", "classification", "--out", tmp_path / "out")
    assert done.code == 2
    assert "120 different values in 120 rows, too many to be classes. Use regression." in done.err


def test_columns_called_like_patterns(run, tmp_path):
    random = np.random.default_rng(2)
    frame = pl.DataFrame({"*": random.normal(size=80), "a": random.normal(size=80), "b*": random.normal(size=80)})
    frame.write_csv(tmp_path / "t.csv")
    train = ("train", tmp_path / "t.csv", "--epochs", 2, "--recipe", "plain", "--out", tmp_path, "--json")
    done = run(*train, "--target", "*")
    assert {each["input"] for each in done.json["connection_strength"]} == {"a", "b*"}
    done = run(*train, "--target", "a", "--drop", "*")
    assert {each["input"] for each in done.json["connection_strength"]} == {"b*"}


@pytest.mark.parametrize(
    ("test", "sentence"),
    [
        ("a,kind\n1.5,x\n2.5,z\n", "label 'z' in line 3 of test.csv"),
        ("a,kind\n1.5,x\nbig,y\n", "'a', line 3 of test.csv: expected a number, as in training, found 'big'"),
        ("a,kind\n1.5,x\ninf,y\n", "line 3 of test.csv"),
        ("a,kind\n1.5,x\n2.5,\n", "missing (null or NaN) in 1 of 2 rows: in line 3 of test.csv"),
        ("a\n1.5\n", "Unknown column"),
    ],
)
def test_a_test_table_that_does_not_fit_is_refused_before_training(run, tmp_path, monkeypatch, test, sentence):
    (tmp_path / "t.csv").write_text("a,kind\n" + "".join(f"{i}.5,{'xy'[i % 2]}\n" for i in range(60)))
    (tmp_path / "test.csv").write_text(test)
    monkeypatch.setattr(pondera.PonderaClassifier, "fit", None)
    done = run(
        "train", tmp_path / "t.csv", "--target", "kind", "--test", tmp_path / "test.csv", "--out", tmp_path / "o"
    )
    assert done.code == 2
    assert done.err.startswith("Error: --test")
    assert sentence in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "o").exists()


def test_numbers_can_be_taken_as_categories(run, tmp_path):
    # by number 30 lies between 20 and 40; by category only it is "yes"; its codes in a file to predict are floats
    rows = "".join(f"{code},{'yes' if code == 30 else 'no'},0.{i}\n" for i in range(40) for code in (20, 30, 40))
    (tmp_path / "t.csv").write_text(f"zip,kind,a\n{rows}")
    train = ("train", tmp_path / "t.csv", "--target", "kind", "--recipe", "plain", "--epochs", 30, "--out", tmp_path)
    done = run(*train, "--categorical", "zip", "--json")
    assert {each["input"] for each in done.json["connection_strength"]} == {"zip=20", "zip=30", "zip=40", "a"}
    assert done.json["metrics"]["test"]["accuracy"] == 1.0
    (tmp_path / "new.csv").write_text("zip,a,note\n30.0,0.1,x\n40.0,0.2,7\n99,0.2,8\n")
    done = run("predict", tmp_path / "model.safetensors", tmp_path / "new.csv", "--json")
    assert done.json["columns"]["prediction"][:2] == ["yes", "no"]
    assert [each["figures"] for each in done.json["findings"]] == [{"column": "zip", "rows": 1}]


def test_codes_that_begin_with_zero_are_found_again(run, tmp_path):
    # "00123" is text in training; a table to predict that holds 10123 only looks like one of numbers
    rows = "".join(f"{code},{'yes' if code == '10123' else 'no'}\n" for _ in range(40) for code in ("00123", "10123"))
    (tmp_path / "t.csv").write_text(f"zip,kind\n{rows}")
    (tmp_path / "new.csv").write_text("zip\n10123\n10123\n")
    train = ("train", tmp_path / "t.csv", "--target", "kind", "--recipe", "plain", "--epochs", 30, "--out", tmp_path)
    assert run(*train).code == 0
    done = run("predict", tmp_path / "model.safetensors", tmp_path / "new.csv", "--json")
    assert done.json["columns"]["prediction"] == ["yes", "yes"]
    assert done.json["findings"] == []


def test_long_lists_of_columns_are_cut_short(run, tmp_path):
    frame = pl.DataFrame({f"x{i}": [1] * 40 for i in range(300)} | {"a": range(40), "kind": ["x", "y"] * 20})
    frame.write_csv(tmp_path / "t.csv")
    assert "x9 and 292 more" in run("train", tmp_path / "t.csv").err
    assert "x9 and 292 more" in run("train", tmp_path / "t.csv", "--target", "zzz").err
    train = ("train", tmp_path / "t.csv", "--target", "kind", "--epochs", 2, "--out", tmp_path, "--json")
    constant = [each for each in run(*train).json["findings"] if "same value" in each["statement"]]
    assert "'x9' and 290 more." in constant[0]["statement"]
    assert len(constant[0]["figures"]["columns"]) == 300


def test_debug_shows_where_an_error_came_from(run, tmp_path):
    with pytest.raises(pondera.errors.TableError):
        run("train", tmp_path / "nowhere.csv", "--target", "kind", "--debug")


def test_an_earlier_model_is_not_replaced_in_silence(run, flowers, tmp_path):
    train = ("train", flowers, "--target", "kind", "--epochs", 2, "--out", tmp_path)
    assert "is replaced" not in run(*train).err
    assert "model.safetensors is replaced." in run(*train).err


def test_without_test_rows_the_report_says_so(run, flowers, tmp_path):
    done = run("train", flowers, "--target", "kind", "--epochs", 2, "--test-fraction", 0, "--out", tmp_path)
    assert "how well it predicts rows it never saw is not known" in " ".join(done.out.split())
    assert "On the validation rows, which chose the epoch: accuracy" in " ".join(done.out.split())


def test_a_network_that_is_worse_than_a_guess_is_called_so(run, tmp_path):
    broken = ("--recipe", "plain", "--epochs", 1, "--learning-rate", 5)
    done = run("train", "--example", "diabetes", *broken, "--out", tmp_path)
    said = " ".join(done.out.split())
    assert "On these 89 test rows the network is worse than always the same guess: its RMSE is " in said
    assert said.index("worse than always the same guess") < said.index("better than the network")
    assert "Do not use it as it is" in said
