import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest
from sklearn.ensemble import RandomForestRegressor

import pondera
from pondera import Dense, ImportanceDisplay, Network, PonderaClassifier
from pondera.errors import ArgumentError

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


@pytest.mark.parametrize(
    ("what", "x", "more", "sentence"),
    [
        (3, np.ones((4, 2)), {}, "Expected a model, networks"),
        (lambda x: x, np.ones(4), {}, r"\(rows, inputs\)"),
        (lambda x: x, np.array([["a"]]), {}, "rows of numbers"),
        (lambda x: x, np.ones((4, 2)), {"names": ["a"]}, "Expected 2 names"),
        (lambda x: x, np.ones((4, 2)), {"y": np.ones(3)}, "Expected 4 numbers"),
        (lambda x: x, np.ones((4, 2)), {"y": np.ones(4), "baseline": "median"}, "baseline"),
        (lambda x: x, np.ones((4, 2)), {"retrain": True}, "Leave out retrain"),
    ],
)
def test_what_cannot_be_explained(what, x, more, sentence):
    with pytest.raises(ArgumentError, match=sentence):
        pondera.explain(what, x, **more)
