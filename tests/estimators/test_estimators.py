import copy
import datetime
import pickle
import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import pondera
from pondera import PonderaClassifier, PonderaRegressor
from pondera.errors import ArgumentError, PonderaError, PonderaWarning, ShapeError, TableError
from pondera.network.activations import ACTIVATIONS
from pondera.training.recipes import RECIPES

QUICK = {"recipe": "plain", "hidden_layer_sizes": (8,), "epochs": 5, "random_state": 0}
IRIS = load_iris(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)
BOTH = [
    pytest.param(PonderaClassifier, IRIS, id="classifier"),
    pytest.param(PonderaRegressor, DIABETES, id="regressor"),
]


def classifier(**changes):
    return PonderaClassifier(**{**QUICK, **changes})


def regressor(**changes):
    return PonderaRegressor(**{**QUICK, **changes})


def same_weights(one, other):
    return list(one.weights_) == list(other.weights_) and all(
        np.array_equal(value, other.weights_[name]) for name, value in one.weights_.items()
    )


# ---------------------------------------------------------------------------------------------- it learns


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_learns_classes(recipe):
    X, y = load_breast_cancer(return_X_y=True)
    model = PonderaClassifier(recipe=recipe, hidden_layer_sizes=(32,), epochs=30, random_state=0).fit(X[::2], y[::2])
    assert model.score(X[1::2], y[1::2]) > 0.9


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_learns_numbers(recipe):
    random = np.random.default_rng(0)
    X = random.normal(size=(600, 3))
    y = 1000 * (np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2])
    model = PonderaRegressor(recipe=recipe, hidden_layer_sizes=(64,), epochs=150, learning_rate=0.02, random_state=0)
    assert model.fit(X[:400], y[:400]).score(X[400:], y[400:]) > 0.8


def test_probabilities():
    X, y = IRIS
    model = classifier().fit(X, y)
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (150, 3)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-12)
    np.testing.assert_array_equal(model.predict(X), model.classes_[probabilities.argmax(1)])


def test_strong_keeps_predictions_within_the_range_of_training():
    X, y = DIABETES
    model = PonderaRegressor(hidden_layer_sizes=(8,), epochs=3, random_state=0).fit(X, y)
    far = model.predict(X * 1e4)
    assert far.min() >= y.min()
    assert far.max() <= y.max()


# ------------------------------------------------------------------------------------- with scikit-learn's tools


@pytest.mark.parametrize(("kind", "data"), BOTH)
def test_pipelines_scores_and_searches(kind, data):
    X, y = data
    pipeline = make_pipeline(SimpleImputer(), StandardScaler(), kind(**QUICK))
    assert pipeline.fit(X, y).predict(X).shape == y.shape
    assert np.isfinite(cross_val_score(kind(**QUICK), X, y, cv=2)).all()
    search = GridSearchCV(pipeline, {f"{kind.__name__.lower()}__epochs": [1, 5]}, cv=2).fit(X, y)
    assert search.best_params_ == {f"{kind.__name__.lower()}__epochs": 5}


@pytest.mark.parametrize(("kind", "data"), BOTH)
def test_clone_pickle_and_copy(kind, data):
    X, y = data
    model = kind(**QUICK).fit(X, y)
    fresh = clone(model)
    assert fresh.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        fresh.predict(X)
    for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), fresh.fit(X, y)):
        np.testing.assert_array_equal(again.predict(X), model.predict(X))
        assert same_weights(again, model)


@pytest.mark.parametrize(("kind", "data"), BOTH)
def test_save_and_load(kind, data, tmp_path):
    X, y = data
    model = kind(**{**QUICK, "hidden_layer_sizes": [8, 4], "learning_rate": np.float64(0.01)}).fit(X, y)
    model.save(tmp_path / "model", note="what was tried")
    again = pondera.load(tmp_path / "model")
    assert type(again) is kind
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.get_params() == model.get_params()
    assert again.history_ == model.history_
    assert again.model_.record["notes"]["note"] == "what was tried"
    assert again.n_features_in_ == model.n_features_in_
    assert not hasattr(again, "feature_names_in_")
    assert same_weights(again, model)
    with pytest.raises(ValueError, match="features"):
        again.predict(X[:, :2])
    again.save(tmp_path / "again")
    np.testing.assert_array_equal(pondera.load(tmp_path / "again").predict(X), model.predict(X))
    with pytest.raises(NotFittedError):
        kind().save(tmp_path / "unfitted")


def test_saving_keeps_the_seed_that_was_drawn(tmp_path):
    X, y = IRIS
    model = classifier(random_state=np.random.RandomState(5)).fit(X, y)
    model.save(tmp_path / "model")
    again = pondera.load(tmp_path / "model")
    assert again.random_state == model.seed_ == again.seed_
    assert same_weights(clone(again).fit(X, y), model)


# -------------------------------------------------------------------------------------------------------- tables


def mixed(rows=80):
    random = np.random.default_rng(1)
    colours = random.choice(["red", "green", "blue"], rows)
    sizes = random.normal(size=rows)
    columns = {
        "size": [None if row % 9 == 0 else float(sizes[row]) for row in range(rows)],
        "count": random.integers(0, 9, rows).tolist(),
        "colour": [None if row % 11 == 0 else str(colours[row]) for row in range(rows)],
        "new": (random.random(rows) < 0.5).tolist(),
        "sold": [datetime.date(2023, 1, 1) + datetime.timedelta(days=int(d)) for d in random.integers(0, 600, rows)],
    }
    return columns, np.where((colours == "red") | (sizes > 0.5), "yes", "no")


def as_pandas(columns):
    frame = pd.DataFrame(columns)
    frame["colour"] = frame["colour"].astype("category")
    frame["sold"] = pd.to_datetime(frame["sold"])
    return frame


def as_polars(columns):
    return pl.DataFrame(columns).with_columns(pl.col("colour").cast(pl.Categorical), pl.col("sold").cast(pl.Datetime))


@pytest.mark.parametrize("make", [as_pandas, as_polars, lambda c: pl.DataFrame(c).to_arrow(), pl.DataFrame])
def test_tables_of_mixed_columns(make, tmp_path):
    columns, y = mixed()
    X = make(columns)
    model = classifier(epochs=60, learning_rate=0.01).fit(X, y)
    assert model.score(X, y) > 0.85
    if not hasattr(X, "column_names"):  # scikit-learn reads no names from an Arrow table
        assert model.feature_names_in_.tolist() == list(columns)
    assert model.n_features_in_ == 5
    model.save(tmp_path / "m")
    again = pondera.load(tmp_path / "m")
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


def test_pandas_and_polars_give_the_same_model():
    columns, y = mixed()
    one, other = classifier().fit(as_pandas(columns), y), classifier().fit(as_polars(columns), y)
    assert same_weights(one, other)
    np.testing.assert_array_equal(one.predict_proba(as_polars(columns)), other.predict_proba(as_pandas(columns)))


def test_series_of_labels_and_their_name():
    columns, y = mixed()
    X = as_pandas(columns)
    for target in (pd.Series(y, name="sale"), pl.Series("sale", y)):
        model = classifier().fit(X, target)
        assert model.model_.target_name == "sale"
        assert model.classes_.tolist() == ["no", "yes"]
    assert classifier().fit(X, y).model_.target_name == "target"


@pytest.mark.parametrize("make", [as_pandas, as_polars])
def test_columns_in_another_order_or_missing(make):
    columns, y = mixed()
    model = classifier().fit(make(columns), y)
    turned = {name: columns[name] for name in reversed(columns)}
    with pytest.raises(ValueError, match="must be in the same order as they were in fit"):
        model.predict(make(turned))
    renamed = (
        make(columns).rename(columns={"size": "sise"}) if make is as_pandas else make(columns).rename({"size": "sise"})
    )
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(renamed)


def test_unseen_categories_are_counted():
    columns, y = mixed()
    model = classifier().fit(as_polars(columns), y)
    columns["colour"][1] = columns["colour"][2] = "purple"
    with pytest.warns(PonderaWarning, match="2 rows have a category of 'colour' that training had not seen"):
        probabilities = model.predict_proba(as_polars(columns))
    assert np.isfinite(probabilities).all()


def test_missing_values_where_training_had_none():
    X, y = IRIS
    model = classifier().fit(pd.DataFrame(X, columns=list("abcd")), y)
    holes = pd.DataFrame(X, columns=list("abcd"))
    holes.loc[3, "b"] = np.nan
    with pytest.warns(PonderaWarning, match="1 row has no value of 'b', which no training row lacked"):
        assert model.predict(holes).shape == (150,)


def test_lists_and_dictionaries():
    X = [[1, "a"], [2, "b"], [3, "a"], [4, "b"]] * 5
    y = ["x", "y", "x", "y"] * 5
    assert (
        classifier(epochs=80, learning_rate=0.05)
        .fit({"n": [r[0] for r in X], "c": [r[1] for r in X]}, y)
        .score({"n": [1], "c": ["a"]}, ["x"])
        == 1
    )


@pytest.mark.parametrize("values", [["b", "a", "c"], [3, 1, 2], [True, False], [2.0, 1.0]])
def test_labels_of_every_kind(values):
    X, _ = IRIS
    y = np.array(values)[np.arange(150) % len(values)]
    model = classifier().fit(X, y)
    assert model.classes_.tolist() == sorted(values)
    assert model.predict(X).dtype.kind == y.dtype.kind
    assert set(model.predict(X).tolist()) <= set(values)


# ------------------------------------------------------------------------------------------------ class weights


def test_class_weights():
    random = np.random.default_rng(0)
    X = np.concatenate([random.normal(0, 1, (180, 2)), random.normal(1, 1, (20, 2))])
    y = np.repeat(["common", "rare"], [180, 20])
    options = {"epochs": 40, "learning_rate": 0.01, "validation_fraction": 0.0}
    counts = {
        str(wish): int((classifier(class_weight=wish, **options).fit(X, y).predict(X) == "rare").sum())
        for wish in (None, "balanced", {"rare": 100.0})
    }
    assert counts["None"] < counts["balanced"] < counts["{'rare': 100.0}"]


def test_balanced_is_inverse_to_how_often_a_class_occurs():
    X, y = IRIS
    X, y = X[:120], y[:120]  # 50, 50 and 20 rows
    options = {"validation_fraction": 0.0, "batch_size": 16, "dtype": "float64"}
    explicit = classifier(class_weight={0: 0.8, 1: 0.8, 2: 2.0}, **options).fit(X, y)
    for same in ("balanced", {"0": 0.8, "1": 0.8, "2": 2.0}):
        model = classifier(class_weight=same, **options).fit(X, y)
        for name, value in explicit.weights_.items():
            np.testing.assert_allclose(value, model.weights_[name], rtol=1e-9, atol=1e-12)
    equal = classifier(class_weight={0: 1.0, 1: 1.0, 2: 1.0}, **options).fit(X, y)
    assert same_weights(equal, classifier(**options).fit(X, y))
    assert not same_weights(equal, explicit)


@pytest.mark.parametrize("wish", [{0: -1.0}, {0: float("nan")}])
def test_class_weights_that_cannot_be(wish):
    with pytest.raises(ArgumentError, match="class_weight must hold finite numbers of at least 0"):
        classifier(class_weight=wish).fit(*IRIS)


# -------------------------------------------------------------------------------------------------- partial fit


@pytest.mark.parametrize(("kind", "data"), BOTH)
def test_partial_fit_goes_on(kind, data):
    X, y = data
    model = kind(**{**QUICK, "learning_rate": 0.01})
    scores = []
    for _ in range(30):
        model.partial_fit(X, y)
        scores.append(model.score(X, y))
    assert scores[-1] > scores[0]
    assert [figures["epoch"] for figures in model.history_] == list(range(30))


def test_partial_fit_with_classes_to_come():
    X, y = IRIS
    model = classifier()
    model.partial_fit(X[y < 2], y[y < 2], classes=[0, 1, 2])
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.predict_proba(X).shape == (150, 3)
    before = {name: value.copy() for name, value in model.weights_.items()}
    model.partial_fit(X[y == 2], y[y == 2])
    assert any(not np.array_equal(value, before[name]) for name, value in model.weights_.items())
    with pytest.raises(TableError, match="has the label 7"):
        model.partial_fit(X, np.full(150, 7))


# ------------------------------------------------------------------------------------------------- what is left


@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize(("kind", "data"), BOTH)
def test_history_and_weights(kind, data, seeds):
    model = kind(**{**QUICK, "seeds": seeds}).fit(*data)
    assert len(model.history_) == 5 * seeds
    assert set(model.history_[0]) == {
        "epoch",
        "learning_rate",
        "training_loss",
        "validation_loss",
        "validation_metric",
        "seconds",
        "network",
    }
    prefix = "networks.1." if seeds == 2 else ""
    inputs = data[0].shape[1]
    assert model.weights_[f"{prefix}layers.0.weight"].shape == (inputs, 8)
    assert len(model.weights_) == 4 * seeds
    for name in ("weights_", "history_"):
        with pytest.raises(NotFittedError):
            getattr(kind(), name)


def test_several_seeds_are_averaged():
    X, y = DIABETES
    both = regressor(seeds=2).fit(X, y)
    assert len(both.model_.networks) == 2
    inputs = both.model_.inputs(both._rows(X))[0]
    scale = both.model_.target
    each = [scale.restore(network(inputs)[:, 0].astype(np.float64)) for network in both.model_.networks]
    np.testing.assert_allclose(both.predict(X), np.mean(each, axis=0), rtol=1e-12)
    np.testing.assert_array_equal(each[0], regressor().fit(X, y).predict(X))


def test_float64():
    model = regressor(dtype="float64").fit(*DIABETES)
    assert {value.dtype.name for value in model.weights_.values()} == {"float64"}
    assert {value.dtype.name for value in regressor().fit(*DIABETES).weights_.values()} == {"float32"}


def test_random_states():
    X, y = IRIS
    assert same_weights(classifier(random_state=3).fit(X, y), classifier(random_state=np.int64(3)).fit(X, y))
    assert not same_weights(classifier(random_state=3).fit(X, y), classifier(random_state=4).fit(X, y))
    one, other = (classifier(random_state=np.random.RandomState(1)).fit(X, y) for _ in range(2))
    assert same_weights(one, other)
    state = np.random.RandomState(1)
    assert not same_weights(classifier(random_state=state).fit(X, y), classifier(random_state=state).fit(X, y))
    assert not same_weights(classifier(random_state=None).fit(X, y), classifier(random_state=None).fit(X, y))
    np.random.seed(7)
    one = classifier(random_state=None).fit(X, y)
    np.random.seed(7)
    assert same_weights(one, classifier(random_state=None).fit(X, y))


def test_early_stopping():
    X, y = IRIS
    noise = np.random.default_rng(0).permutation(y)
    options = {"epochs": 300, "hidden_layer_sizes": (64,), "learning_rate": 0.02}
    stopped = classifier(early_stopping=True, **options).fit(X, noise)
    assert stopped.model_.record["fits"][0]["reason"] == "patience"
    assert len(stopped.history_) < 300
    whole = classifier(early_stopping=False, **{**options, "epochs": 60}).fit(X, noise)
    assert len(whole.history_) == 60


def test_verbose_prints_a_line_an_epoch(capsys):
    classifier(verbose=True).fit(*IRIS)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 5
    assert re.match(r"network 0, epoch 1/5: loss \d\.\d{5}, validation \d\.\d{5}\n", printed.err)


def test_a_training_that_diverges_warns():
    X, y = DIABETES
    with pytest.warns(PonderaWarning, match=r"Training stopped at step \d+ .*Try a smaller learning rate"):
        model = PonderaRegressor(recipe="plain", learning_rate=1e18, epochs=50, random_state=0).fit(X, y)
    assert all(np.isfinite(value).all() for value in model.weights_.values())


# ------------------------------------------------------------------------------------------------------- errors

WHOLE = "a whole number from 1 up or None"
REFUSED = [
    ("hidden_layer_sizes", (0,), "a list or tuple of whole numbers from 1 up or None"),
    ("hidden_layer_sizes", 8, "a list or tuple of whole numbers from 1 up or None"),
    ("activation", "rleu", f"one of {', '.join(map(repr, ACTIVATIONS))} or None"),
    ("recipe", "tasty", f"one of {', '.join(map(repr, RECIPES))}"),
    ("epochs", 0, WHOLE),
    ("epochs", 1.5, WHOLE),
    ("batch_size", 0, WHOLE),
    ("learning_rate", 0, "a number above 0 or None"),
    ("weight_decay", -0.1, "a number of at least 0 or None"),
    ("validation_fraction", 1, "a number of at least 0 and below 1"),
    ("early_stopping", 1, "a bool or None"),
    ("class_weight", "even", "one of 'balanced', a dictionary of class to weight or None"),
    ("seeds", 0, "a whole number from 1 up"),
    ("random_state", -1, "a whole number from 0 up, a numpy RandomState or None"),
    ("random_state", "0", "a whole number from 0 up, a numpy RandomState or None"),
    ("dtype", "float16", "one of 'float32', 'float64'"),
    ("verbose", "loud", "a bool or a whole number from 0 up"),
]


def test_every_parameter_has_a_constraint_and_a_wrong_value():
    for kind in (PonderaClassifier, PonderaRegressor):
        assert set(kind().get_params()) == set(kind._constraints)
    assert {name for name, *_ in REFUSED} == set(PonderaClassifier().get_params())


@pytest.mark.parametrize(("name", "value", "allowed"), REFUSED)
def test_wrong_parameters(name, value, allowed):
    for kind, data in ((PonderaClassifier, IRIS), (PonderaRegressor, DIABETES)):
        if name not in kind().get_params():
            continue
        words = f"The {name!r} parameter of {kind.__name__} must be {allowed}. Got {value!r} instead."
        model = kind(**{name: value})  # the constructor only stores
        with pytest.raises(ArgumentError, match=re.escape(words)):
            model.fit(*data)
        with pytest.raises(ArgumentError, match=re.escape(words)):
            model.partial_fit(*data)


@pytest.mark.parametrize(
    ("X", "y", "words"),
    [
        ([[1.0], [2.0], [3.0]], [0, 0, 0], "single class"),
        ([[1.0], [1.0]], [0, 0], "at least 2 different rows"),
        ([[np.inf], [2.0], [3.0]], [0, 1, 0], "infinity|infinite"),
        ([[1.0], [2.0]], [0, 1, 0], "inconsistent numbers of samples"),
        ([["a"], ["b"]], [None, 1], "."),
    ],
)
def test_tables_that_cannot_be_learnt(X, y, words):
    with pytest.raises(ValueError, match=words):
        classifier().fit(X, y)


def test_what_a_table_cannot_be_is_said_by_our_errors():
    with pytest.raises(PonderaError, match="is missing"):
        regressor().fit(pl.DataFrame({"a": [1, 2, 3]}), pl.Series("y", [1.0, None, 2.0]))
    with pytest.raises(PonderaError, match="nothing to learn"):
        regressor().fit(pl.DataFrame({"a": [1, 2, 3]}), np.ones(3))
    with pytest.raises(ValueError, match="at least one non-zero"):  # scikit-learn's own sentence
        regressor().fit(pl.DataFrame({"a": [1, 2, 3]}), [1.0, 2.0, 3.0], sample_weight=np.zeros(3))


def test_class_weights_are_found_by_value():
    X, y = load_iris(return_X_y=True)
    plain = PonderaClassifier(recipe="plain", epochs=3, random_state=0)
    weighted = clone(plain).set_params(class_weight={0: 1, 1: 1000}).fit(X, y.astype(float))
    assert (weighted.predict_proba(X) != plain.fit(X, y.astype(float)).predict_proba(X)).any()
    for wish, sentence in [({7: 2}, "names 7, which is none of the classes"), ({0: None}, "Got None for 0")]:
        with pytest.raises(ArgumentError, match=sentence):
            clone(plain).set_params(class_weight=wish).fit(X, y)


def test_partial_fit_keeps_to_its_classes():
    random = np.random.default_rng(0)
    many = PonderaClassifier(recipe="plain", random_state=0)
    many.partial_fit(random.normal(size=(60, 3)), np.arange(60) // 3, classes=np.arange(60))
    assert many.classes_.tolist() == list(range(60))
    X, y = load_iris(return_X_y=True)
    with pytest.raises(TableError, match="none of the classes"):
        PonderaClassifier(recipe="plain").partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ArgumentError, match="before"):
        PonderaClassifier(recipe="plain").partial_fit(X, y).partial_fit(X, y, classes=[0, 1, 2, 3])


def test_float64_probabilities_are_float64():
    X, y = load_iris(return_X_y=True)
    found = PonderaClassifier(recipe="plain", epochs=2, random_state=0, dtype="float64").fit(X, y).predict_proba(X)
    assert (found.astype(np.float32) != found).mean() > 0.9


def test_weights_can_be_changed_and_put_back():
    X, y = load_iris(return_X_y=True)
    for seeds, prefix in [(1, ""), (2, "networks.1.")]:
        model = PonderaClassifier(recipe="plain", epochs=3, random_state=0, seeds=seeds).fit(X, y)
        before = model.predict_proba(X)
        name = f"{prefix}layers.0.weight"
        changed = model.with_weights({name: np.zeros(model.weights_[name].shape)})
        assert (changed.predict_proba(X) != before).any()
        assert (model.predict_proba(X) == before).all()
        assert (changed.with_weights({name: model.weights_[name]}).predict_proba(X) == before).all()
        changed.partial_fit(X, y)
        with pytest.raises(ShapeError, match="Did you mean"):
            model.with_weights({"layers.0.weights": 0})


def test_notes_are_kept_apart_from_the_record(tmp_path):
    X, y = load_iris(return_X_y=True)
    model = PonderaClassifier(recipe="plain", epochs=2, random_state=0).fit(X, y)
    with pytest.raises(ArgumentError, match="JSON"):
        model.save(tmp_path / "model.safetensors", score=float("nan"))
    assert not (tmp_path / "model.safetensors").exists()
    model.save(tmp_path / "model.safetensors", rows=5, history=3)
    again = pondera.load(tmp_path / "model.safetensors")
    assert again.model_.record["notes"] == {"rows": 5, "history": 3}
    assert again.history_ == model.history_


def test_missing_targets_of_a_frame_are_said():
    frame = pl.DataFrame({"a": [1.0, 2.0, 3.0, 4.0] * 5})
    with pytest.raises(TableError, match="missing"):
        PonderaClassifier().fit(frame, pl.Series([None, "a", "b", "a"] * 5))
