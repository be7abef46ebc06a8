import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import d2_tweedie_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

import pondera
from pondera import Dense, Embedding, ImportanceDisplay, Network, PonderaClassifier
from pondera.errors import ArgumentError
from pondera.explaining.coded import Coded
from pondera.explaining.entry import question_about
from pondera.explaining.row import explain_row

RANDOM = np.random.default_rng(0)


@pytest.fixture
def linear():
    x = RANDOM.normal(size=(300, 3)).astype(np.float32)
    return x, 3 * x[:, 0] - x[:, 1]


def first(found):
    return [found.names[k] for k in found.order]


def test_a_function(linear):
    x, y = linear
    found = pondera.explain(lambda x: jnp.stack([x[:, 2], 3 * x[:, 0] - x[:, 1]], axis=1), x, y, output=1)
    assert first(found) == ["x0", "x1", "x2"]
    assert "integrated_gradients" in found.results
    with pytest.raises(ArgumentError, match="numbered from 0 to 1"):
        pondera.explain(lambda x: x[:, :2], x, output=2)


def test_networks_of_several_starts(linear):
    x, y = linear
    networks = [Network.create(3, [Dense(4, "tanh"), Dense(1)], seed=seed) for seed in range(2)]
    found = pondera.explain(networks, x, y, names=["a", "b", "c"])
    assert found.stability.networks == 2
    assert found.weights is not None


def test_an_estimator_of_another_library(linear):
    x, y = linear
    forest = RandomForestRegressor(20, random_state=0).fit(x, y)
    found = pondera.explain(forest, x, y)
    assert first(found)[0] == "x0"
    assert found.left_out["gradient_input"] == "what is explained has no derivatives"


def test_a_classifier_of_ponderas_and_its_display():
    frame = pl.DataFrame({"age": RANDOM.integers(20, 60, 300), "town": RANDOM.choice(["a", "b"], 300)})
    kind = np.where(frame["age"].to_numpy() > 40, "old", "young")
    model = PonderaClassifier([8], recipe="plain", epochs=20, random_state=0).fit(frame, kind)
    display = ImportanceDisplay.from_estimator(model, frame, kind)
    assert first(display.explanation) == ["age", "town"]
    assert "age" in display.explanation._repr_html_()
    assert repr(display.explanation).startswith("<Explanation of log-odds")
    for name in ("ranking", "methods", "faithfulness", "weights", "dependence"):
        assert display.plot(name).to_dict()
    assert display.chart_ is not None
    with pytest.raises(ArgumentError, match="Unknown chart 'pie'"):
        display.plot("pie")


@pytest.mark.parametrize("rows", [1, 2, 300])
@pytest.mark.parametrize("columns", [1, 2])
def test_few_rows_and_one_column(rows, columns):
    x = np.random.default_rng(0).normal(size=(rows, columns)).astype(np.float32)
    found = pondera.explain(lambda x: 2 * x[:, :1], x, 2 * x[:, 0])
    assert found.to_json()["inputs"][0]["name"] == "x0"
    networks = [Network.create(columns, [Dense(3, "relu"), Dense(1)], seed=seed) for seed in range(2)]
    found = pondera.explain(networks, x, networks[0](x)[:, 0])
    assert found.reliability.statement
    if columns == 1 and rows == 300:
        assert all(each.sanity is None for each in found.results.values())


def test_of_one_row_nothing_is_said_to_agree_or_to_have_a_share():
    told = pondera.explain(lambda x: 2 * x[:, :1] + x[:, 1:], np.ones((1, 2))).to_json()
    assert told["reliability"]["verdict"] == "unreliable"
    assert told["reliability"]["agreement"]["median"] is None
    assert told["reliability"]["faithfulness"] is None
    assert [each["importance"] for each in told["inputs"]] == [None, None]


def test_one_column_that_is_used_is_reliable():
    x = np.random.default_rng(0).normal(size=(300, 1)).astype(np.float32)
    networks = [Network.create(1, [Dense(1)], seed=s).with_weights({"layers.0.weight": [[2.0]]}) for s in range(2)]
    found = pondera.explain(networks, x, 2 * x[:, 0])
    assert found.reliability.verdict == "reliable"
    assert "one input only" in found.reliability.statement


@pytest.mark.parametrize("labels", [["no", "yes"], ["a", "b", "c"]])
def test_a_classifier_of_another_library_is_judged_by_its_cross_entropy(labels):
    x = np.random.default_rng(0).normal(size=(600, 4))
    cut = x[:, 2] + 0.2 * x[:, 1]
    y = np.array(labels)[np.digitize(cut, np.quantile(cut, np.linspace(0, 1, len(labels) + 1)[1:-1]))]
    model = LogisticRegression(max_iter=500).fit(x, y)
    found = pondera.explain(model, x, y)
    assert first(found)[:2] == ["x2", "x1"]
    assert found.evidence.skill > 0.5
    assert found.verdict_of(2) == "rank 1"
    chosen = pondera.explain(model, x, y, target_class=labels[0], methods=["shapley"])
    assert labels[0] in chosen.unit
    with pytest.raises(ArgumentError, match="Unknown class 'perhaps'"):
        pondera.explain(model, x, y, target_class="perhaps")
    with pytest.raises(ArgumentError, match="Give one of both"):
        pondera.explain(model, x, y, target_class=labels[0], output=0)
    with pytest.raises(ArgumentError, match="none of the classifier's classes"):
        pondera.explain(model, x, np.full(600, "maybe"))


def test_logits_of_a_network(linear):
    x, y = linear
    network = Network.create(3, [Dense(1)]).with_weights({"layers.0.weight": [[3.0], [-1.0], [0.0]]})
    found = pondera.explain(network, x, (y > 0).astype(int), loss="binary_cross_entropy")
    assert first(found) == ["x0", "x1", "x2"]
    assert found.evidence.skill > 0.5
    with pytest.raises(ArgumentError, match="0 and 1"):
        pondera.explain(network, x, y, loss="binary_cross_entropy")


def test_what_is_no_number_is_named(linear):
    x, y = linear
    with pytest.raises(ArgumentError, match=r"The outputs: .* 2 rows of 300 .* row 5"):
        pondera.explain(lambda x: jnp.where(jnp.arange(len(x))[:, None] == 5, jnp.nan, x[:, :1]), x, y)
    broken = y.copy()
    broken[7] = np.nan
    with pytest.raises(ArgumentError, match=r"y: .* row 7"):
        pondera.explain(lambda x: x[:, :1], x, broken)


def test_functions_see_what_they_are_given():
    """float32 would not hold the differences of numbers such as seconds since 1970."""
    x = np.random.default_rng(0).normal(size=(300, 2)) + np.array([1.7e9, 0.0])
    found = pondera.explain(lambda x: 3 * (x[:, 0] - 1.7e9) + x[:, 1], x, 3 * (x[:, 0] - 1.7e9) + x[:, 1])
    assert found.importance[0] == pytest.approx(0.9, abs=0.03)


def test_methods_alone_are_shown_beside_a_ranking(linear):
    x, y = linear
    found = pondera.explain(lambda x: 3 * x[:, :1], x, y, methods=["gradient_input"])
    assert list(found.results) == ["gradient_input", "permutation"]


def test_weights_behind_an_embedding_are_not_an_inputs():
    network = Network.create(3, [Embedding((1,), (3,), 4), Dense(2), Dense(1)])
    x = np.stack([RANDOM.normal(size=50), RANDOM.integers(0, 3, 50), RANDOM.normal(size=50)], axis=1)
    found = pondera.explain(network, x.astype(np.float32), network(x)[:, 0])
    assert "first weights are those of the inputs" in found.left_out["first_layer"]
    assert found.weights is None


def test_methods_by_name(linear):
    x, y = linear
    found = pondera.explain(lambda x: 3 * x[:, :1], x, y, methods="permutation")
    assert list(found.results) == ["permutation"]
    exact = pondera.explain(lambda x: 3 * x[:, :1], x, methods=["exact_shapley", "shapley", "exact_shapley"])
    assert list(exact.results) == ["exact_shapley", "shapley"]
    assert exact.headline == "exact_shapley"
    assert exact.agreement.methods == ("exact_shapley",)
    assert "only where it is named" in pondera.explain(lambda x: 3 * x[:, :1], x).left_out["exact_shapley"]
    wide = np.zeros((20, 13), np.float32)
    both = ["exact_shapley", "shapley"]
    assert "too many" in pondera.explain(lambda x: x[:, :1], wide, methods=both).left_out["exact_shapley"]
    with pytest.raises(ArgumentError, match=r"exact_shapley cannot be used: .*too many"):
        pondera.explain(lambda x: x[:, :1], wide, methods=["exact_shapley"])
    with pytest.raises(ArgumentError, match="Did you mean 'permutation'"):
        pondera.explain(lambda x: x[:, :1], x, methods="permuation")
    with pytest.raises(ArgumentError, match="names none"):
        pondera.explain(lambda x: x[:, :1], x, methods=[])


def people(rows=300):
    """Numbers, texts, a pandas category and missing values; the answer follows age and town."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": random.integers(20, 60, rows),
            "town": random.choice(["a", "b", "c"], rows),
            "noise": np.where(random.random(rows) < 0.2, np.nan, random.normal(size=rows)),
            "kind": pd.Categorical(random.choice(["x", "y"], rows)),
        },
        index=np.arange(rows) * 2,
    )
    return frame, frame["age"].to_numpy() + 20.0 * (frame["town"] == "b").to_numpy()


@pytest.mark.parametrize("classes", [False, True])
def test_a_pipeline_that_takes_data_frames(classes, recwarn):
    frame, y = people()
    y = np.where(y > 45, "high", "low") if classes else y
    columns = ColumnTransformer(
        [("words", OneHotEncoder(), ["town", "kind"]), ("numbers", SimpleImputer(), ["age", "noise"])]
    )
    last = LogisticRegression(max_iter=2000) if classes else RandomForestRegressor(10, random_state=0)
    model = Pipeline([("columns", columns), ("scale", StandardScaler()), ("last", last)]).fit(frame, y)
    question = question_about(model, frame, y)
    decoded = Coded.of(frame).decoded(Coded.of(frame).x)
    pd.testing.assert_frame_equal(decoded, frame.reset_index(drop=True))
    found = pondera.explain(model, frame, y)
    assert set(first(found)[:2]) == {"age", "town"}
    assert found.verdict_of(2) in ("no measurable influence", "hardly any influence")
    effect = next(each for each in found.effects if each.name == "town")
    assert sorted(effect.values) == ["a", "b", "c"]
    row = explain_row(question, 3)
    assert row.values == (int(frame["age"].iloc[3]), *frame.iloc[3, 1:3].replace({np.nan: None}), frame["kind"].iloc[3])
    assert row.contributions.sum() + row.baseline == pytest.approx(row.score)
    assert not recwarn.list


def test_missing_values_for_an_estimator_that_takes_them():
    x = np.random.default_rng(0).normal(size=(400, 3))
    x[np.random.default_rng(1).random((400, 3)) < 0.2] = np.nan
    y = np.where(np.isnan(x[:, 0]), 3.0, x[:, 0])
    model = DecisionTreeRegressor(max_depth=5, random_state=0).fit(x, y)
    found = pondera.explain(model, x, y, names=["a", "b", "c"])
    assert first(found)[0] == "a"
    assert found.importance[0] > 0.95
    with pytest.raises(ArgumentError, match="x: expected finite numbers"):
        pondera.explain(lambda x: x, x)


def test_a_column_with_infinite_values_is_named():
    x = np.random.default_rng(0).normal(size=(100, 2))
    frame = pd.DataFrame(x, columns=["a", "b"])
    frame.iloc[3, 1] = -np.inf
    model = HistGradientBoostingRegressor(max_iter=5).fit(frame, x[:, 0])
    with pytest.raises(ArgumentError, match=r"Column 'b': expected finite numbers; 1 row of 100 .*row 3\."):
        pondera.explain(model, frame, x[:, 0])


def test_names_of_features_are_not_warned_about_at_every_call(recwarn):
    x = np.random.default_rng(0).normal(size=(100, 2))
    named = LinearRegression().fit(pd.DataFrame(x, columns=["a", "b"]), x[:, 0])
    assert first(pondera.explain(named, x, x[:, 0])) == ["x0", "x1"]
    assert first(pondera.explain(named, pd.DataFrame(x, columns=["a", "b"]), x[:, 0])) == ["a", "b"]
    bare = LinearRegression().fit(x, x[:, 0])
    assert first(pondera.explain(bare, pd.DataFrame(x, columns=["a", "b"]), x[:, 0])) == ["a", "b"]
    assert not recwarn.list


def test_counts_are_judged_by_the_deviance_that_is_explained():
    """scikit-learn's d2_tweedie_score of power 1 is the same share, beside the mean as the constant."""
    random = np.random.default_rng(0)
    x = random.normal(size=(500, 2))
    y = random.poisson(np.exp(0.5 + x[:, 0]))
    rates = Network.create(2, [Dense(1)], dtype="float64")
    rates = rates.with_weights({"layers.0.weight": [[0.9], [0.0]], "layers.0.bias": [0.5]})
    found = pondera.explain(rates, x, y, loss="poisson")
    assert found.evidence.skill == pytest.approx(d2_tweedie_score(y, np.exp(rates(x)[:, 0]), power=1), abs=1e-5)
    assert found.evidence.skill > 0.3
    assert first(found) == ["x0", "x1"]
    assert found.unit == "logarithm of the rate"
    with pytest.raises(ArgumentError, match="at least 0"):
        pondera.explain(rates, x, -y, loss="poisson")


def test_of_wide_tables_fewer_rows_are_looked_at():
    x = np.random.default_rng(0).normal(size=(2000, 200)).astype(np.float32)
    answers = 3 * x[:, 7] + x[:, 150]
    found = pondera.explain(lambda x: 3 * x[:, 7:8] + x[:, 150:151], x, answers, methods="gradient_input")
    assert found.results["gradient_input"].rows == 655
    assert first(found)[:2] == ["x7", "x150"]
    assert sum(found.measurable) == 2


def test_a_pipeline_takes_its_columns_from_anywhere():
    x = np.random.default_rng(0).normal(size=(60, 4))
    frame = pd.DataFrame(x, columns=list("abcd"))
    some = Pipeline([("two", ColumnTransformer([("two", "passthrough", ["a", "b"])])), ("line", LinearRegression())])
    found = pondera.explain(some.fit(frame, x[:, 0]), frame[list("dcba")].assign(e=0.0), x[:, 0], methods="permutation")
    assert found.names[found.order[0]] == "a"
