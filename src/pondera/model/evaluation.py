"""How good predictions are, and what a trivial and a linear model reach on the same rows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from pondera.choice import counted
from pondera.findings import Finding
from pondera.model.model import Model
from pondera.tables.inputs import inputs_of, scaling_of
from pondera.tables.target import Classes, regression_values

Array = np.ndarray[Any, Any]
Metrics = dict[str, float | None]


@dataclass(frozen=True)
class Evaluation:
    """How a model does on rows it never saw, beside simpler ones.

    Attributes
    ----------
    test
        For classes ``accuracy``, ``log_loss`` and, with two classes, ``roc_auc``; for numbers ``rmse``, ``mae`` and
        ``r2``. A figure that these rows do not define, such as the AUC of rows of one class, is None.
    baselines
        The same figures for ``trivial``, which always makes the same guess (the class shares, the mean), and
        ``linear``, a logistic or least-squares regression on the network's own inputs, standardized.
    verdict
        Whether the network and the linear model can be told apart on these rows.
    """

    test: Metrics
    baselines: dict[str, Metrics]
    verdict: Finding


def evaluate(
    model: Model, frame: pl.DataFrame, target: pl.Series, test: pl.DataFrame, test_target: pl.Series
) -> Evaluation:
    """Evaluate a model on rows it never saw.

    Parameters
    ----------
    model
        The model.
    frame, target
        All the rows that the network was given, its validation rows included: the simpler ones are fitted on them.
    test, test_target
        The rows to evaluate on.

    Raises
    ------
    TableError
        If the test rows do not fit the model's columns or classes.
    """
    scaling = scaling_of(model.encoding, frame, "standard")
    x, test_x = (inputs_of(model.encoding, scaling, rows, np.float64)[0] for rows in (frame, test))
    if isinstance(model.target, Classes):
        truth: Array = model.target.encode(test_target)
        predictors = _classifiers(x, model.target.encode(target), len(model.target.values))
        metrics: Callable[[Array, Array], Metrics] = _class_metrics
    else:
        truth = regression_values(test_target)
        predictors = _regressors(x, regression_values(target))
        metrics = _number_metrics
    own = model.predictions(model.inputs(test)[0])
    others = {name: predict(test_x) for name, predict in predictors.items()}
    return Evaluation(
        test=_finite(metrics(own, truth)),
        baselines={name: _finite(metrics(predictions, truth)) for name, predictions in others.items()},
        verdict=_verdict(_misses(own, truth), _misses(others["linear"], truth), isinstance(model.target, Classes)),
    )


def _finite(figures: Metrics) -> Metrics:
    """Return the figures with None for what no float64 can hold, as for targets of 1e200."""
    return {name: value if value is not None and math.isfinite(value) else None for name, value in figures.items()}


def _misses(predictions: Array, truth: Array) -> Array:
    """Return what each row adds to the error: 1 for a wrong class, the squared difference for a number."""
    missed = predictions.argmax(axis=1) != truth if predictions.ndim == 2 else (predictions - truth) ** 2
    return missed.astype(np.float64)


def _verdict(own: Array, linear: Array, classes: bool) -> Finding:
    """Return whether the network is better than the linear model, from what each of them misses on every test row."""
    saved, rows = linear - own, counted(len(own), "test row")
    mean = float(saved.mean())
    error = float(saved.std(ddof=1) / math.sqrt(len(saved))) if len(saved) > 1 else math.inf
    by, advice = _difference(mean, error, None if classes else float(linear.mean())), ""
    if not saved.any():
        statement = f"The network and the linear model do equally well on the {rows}."
    elif by is None or not abs(mean) > 2 * error:
        statement = f"{rows} cannot tell the network and the linear model apart{f' ({by})' if by else ''}."
        advice = "More test rows might; without them the linear model is the simpler choice."
    elif mean > 0:
        statement = f"The network is better than the linear model: {by}."
    else:
        statement = f"The linear model is better than the network: {by}."
        advice = "Use it, or try more rows, other columns or another recipe."
    return Finding(
        statement,
        {**_finite({"mean": mean, "standard_error": error}), "rows": len(saved)},
        "mean over test rows of the linear model's miss less the network's, with its standard error",
        certainty="two standard errors, about 95 %; it holds for rows like these test rows and for this one training",
        advice=advice,
    )


def _difference(mean: float, error: float, whole: float | None) -> str | None:
    """Return a difference of misses in words, of wrong rows or as a share of a squared error; None if unknown."""
    if not math.isfinite(error) or whole == 0:
        return None
    if whole is None:
        return f"they differ by {100 * abs(mean):.1f} ± {200 * error:.1f} wrong rows in 100, ± two standard errors"
    share, spread = 100 * abs(mean) / whole, 200 * error / whole
    return f"they differ by {share:.1f} ± {spread:.1f} % of the linear model's squared error, ± two standard errors"


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


def _class_metrics(probabilities: Array, codes: Array) -> Metrics:
    from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

    classes = probabilities.shape[1]
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
