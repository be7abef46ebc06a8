"""How good predictions are, and what a trivial and a linear model reach on the same rows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from pondera.model.model import Model
from pondera.tables.scale import Scaling
from pondera.tables.target import Classes, regression_values

Array = np.ndarray[Any, Any]
Metrics = dict[str, float | None]


def evaluate(model: Model, frame: pl.DataFrame, target: pl.Series) -> Metrics:
    """Return the model's figures on rows it never saw.

    For classes ``accuracy``, ``log_loss`` and, with two classes, ``roc_auc``; for numbers ``rmse``, ``mae`` and ``r2``.
    A figure that these rows do not define, such as the AUC of rows of one class, is None.
    """
    return _metrics(model.target, model.predictions(model.inputs(frame)[0]), target)


def baselines(
    model: Model, frame: pl.DataFrame, target: pl.Series, test: pl.DataFrame, test_target: pl.Series
) -> dict[str, Metrics]:
    """Return the same figures for what is always the same guess and for a linear model.

    Both are fitted on ``frame``, all the rows that the network was given (its validation rows included). ``trivial``
    predicts the class shares or the mean; ``linear`` is a logistic or least-squares regression on the network's own
    columns, standardized.
    """
    matrix, test_matrix = model.encoding.transform(frame)[0], model.encoding.transform(test)[0]
    scaling = Scaling.fit(matrix, "standard")
    x, test_x = scaling.transform(matrix, np.float64), scaling.transform(test_matrix, np.float64)
    if isinstance(model.target, Classes):
        predictors = _classifiers(x, model.target.encode(target), len(model.target.values))
    else:
        predictors = _regressors(x, regression_values(target))
    return {name: _metrics(model.target, predict(test_x), test_target) for name, predict in predictors.items()}


def _classifiers(x: Array, codes: Array, classes: int) -> dict[str, Callable[[Array], Array]]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    shares = np.bincount(codes, minlength=classes) / len(codes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a baseline that stops short is still a baseline
        linear = LogisticRegression(max_iter=300).fit(x, codes)

    def probabilities(rows: Array) -> Array:
        full = np.zeros((len(rows), classes))
        full[:, linear.classes_] = linear.predict_proba(rows)
        return full

    return {"trivial": lambda rows: np.tile(shares, (len(rows), 1)), "linear": probabilities}


def _regressors(x: Array, values: Array) -> dict[str, Callable[[Array], Array]]:
    from sklearn.linear_model import LinearRegression

    mean = values.mean()
    return {"trivial": lambda rows: np.full(len(rows), mean), "linear": LinearRegression().fit(x, values).predict}


def _metrics(target: Any, predictions: Array, truth: pl.Series) -> Metrics:
    if isinstance(target, Classes):
        return _class_metrics(predictions, target.encode(truth), len(target.values))
    return _number_metrics(predictions, regression_values(truth))


def _class_metrics(probabilities: Array, codes: Array, classes: int) -> Metrics:
    from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

    figures: Metrics = {
        "accuracy": float(accuracy_score(codes, probabilities.argmax(axis=1))),
        "log_loss": float(log_loss(codes, probabilities, labels=np.arange(classes))),
    }
    if classes == 2:
        both = len(np.unique(codes)) == 2
        figures["roc_auc"] = float(roc_auc_score(codes, probabilities[:, 1])) if both else None
    return figures


def _number_metrics(numbers: Array, values: Array) -> Metrics:
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

    return {
        "rmse": math.sqrt(mean_squared_error(values, numbers)),
        "mae": float(mean_absolute_error(values, numbers)),
        "r2": float(r2_score(values, numbers)) if len(np.unique(values)) > 1 else None,
    }
