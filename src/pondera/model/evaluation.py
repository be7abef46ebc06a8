"""How good predictions are, and what a trivial and a linear model reach on the same rows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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


NETWORK = "the network"
"""What a model of one network is called."""

FEWEST_ROWS = 10
"""With fewer test rows than this no mean of squared errors is told from chance: their spread is not known."""


LEAST_EXCESS = 1.005
"""A network whose RMSE is less than so many times that of the best constant is not called worse: it learned nothing."""


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
        Whether the network and the linear model can be told apart on these rows; before that, where it is so, that the
        network is worse than always the same guess.
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
    tested = _finite(metrics(own, truth))
    baselines = {name: _finite(metrics(predictions, truth)) for name, predictions in others.items()}
    missed = _misses(own, truth)

    def log_losses(name: str) -> list[float | None] | None:
        return [each["log_loss"] for each in (tested, baselines[name])] if "log_loss" in tested else None

    who = NETWORK if len(model.networks) == 1 else f"the mean of {len(model.networks)} networks"
    linear, trivial = (_misses(others[name], truth) for name in ("linear", "trivial"))
    verdict = _verdict(missed, linear, log_losses("linear"), who)
    return Evaluation(tested, baselines, _after_guess(verdict, missed, trivial, log_losses("trivial"), who))


def _finite(figures: Metrics) -> Metrics:
    """Return the figures with None for what no float64 can hold, as for targets of 1e200."""
    return {name: value if value is not None and math.isfinite(value) else None for name, value in figures.items()}


def _misses(predictions: Array, truth: Array) -> Array:
    """Return what each row adds to the error: 1 for a wrong class, a square in variances of the target for a number."""
    if predictions.ndim == 2:
        wrong: Array = (predictions.argmax(axis=1) != truth).astype(np.float64)
        return wrong
    largest = float(np.abs(truth).max()) or 1.0  # numbers of any size: their squares may leave the range of floats
    with np.errstate(over="ignore", under="ignore"):
        missed: Array = ((predictions / largest - truth / largest) / ((truth / largest).std() or 1.0)) ** 2
    return missed


def _verdict(own: Array, linear: Array, log_losses: Sequence[float | None] | None, who: str = NETWORK) -> Finding:
    """Return whether the network is better than the linear model, from what each of them misses on every test row.

    Of classes the log losses of both are given: probabilities may be worse where classes are more often right. ``who``
    is what the network is called.
    """
    saved, rows = linear - own, counted(len(own), "test row")
    by, sure, figures, method = _squares(saved) if log_losses is None else _wrong_rows(saved, who)
    advice = ""
    if not saved.any():
        statement = f"{who.capitalize()} and the linear model do equally well on the {rows}."
    elif not sure:
        statement = f"{rows} cannot tell {who} and the linear model apart{f' ({by})' if by else ''}."
        advice = "More test rows might; without them the linear model is the simpler choice."
    elif saved.mean() > 0:
        statement = f"{who.capitalize()} is better than the linear model: {by}.{_but(log_losses, own_is_better=True)}"
    else:
        statement = f"The linear model is better than {who}: {by}.{_but(log_losses, own_is_better=False)}"
        advice = "Use it, or try more rows, other columns or another recipe."
    return Finding(
        statement,
        {**_finite(figures), "rows": len(saved)},
        method,
        certainty="95 %; it holds for rows like these test rows and for this one training",
        advice=advice,
    )


def _after_guess(
    verdict: Finding, own: Array, guess: Array, log_losses: Sequence[float | None] | None, who: str = NETWORK
) -> Finding:
    """Return a verdict that first says that the network is worse than always the same guess, where it is so.

    It is told as a fact of these rows: few of them may have most of the error, by which no interval can tell anything
    apart. Of classes the network must be wrong more often and have worse probabilities too: where one class is rare a
    good network may be wrong more often than who never expects it.
    """
    figures: Metrics
    if log_losses is None:
        times = math.sqrt(own.mean() / guess.mean()) if guess.any() else math.nan
        shown = f"{times:,.0f}" if 100 <= times < 1e9 else f"{times:.3g}"
        worse, words, figures = times >= LEAST_EXCESS, f"its RMSE is {shown} times as large", {"times": times}
    else:
        wrong, missed = int(own.sum()), int(guess.sum())
        network, constant = (math.inf if each is None else each for each in log_losses)
        worse = wrong > missed and network >= constant
        words, figures = f"it is wrong on {wrong:,}, the guess on {missed:,}", {"wrong": wrong, "guess_wrong": missed}
    if not worse:
        return verdict
    return replace(
        verdict,
        statement=f"On these {counted(len(own), 'test row')} {who} is worse than always the same guess: {words}. "
        f"{verdict.statement}",
        figures={**verdict.figures, **_finite(figures)},
        advice="Do not use it as it is: pondera check tells what went wrong in a recorded training; or try more rows, "
        "other columns or another recipe.",
    )


def _but(log_losses: Sequence[float | None] | None, own_is_better: bool) -> str:
    """Return that the probabilities say the contrary, where they do."""
    own, linear = log_losses or (None, None)
    if own is None or linear is None or (own <= linear) == own_is_better:
        return ""
    return f" But its probabilities are worse: log loss {max(own, linear):.4g}, not {min(own, linear):.4g}."


Difference = tuple[str, bool, Metrics, str]  # in words, whether it is more than chance, figures, how it was found


def _wrong_rows(saved: Array, who: str) -> Difference:
    """Judge by the rows that only one of the two gets wrong: an exact sign test (McNemar 1947, Psychometrika 12)."""
    from scipy.stats import binomtest

    network, linear = int((saved < 0).sum()), int((saved > 0).sum())
    chance = float(binomtest(linear, network + linear).pvalue) if network + linear else 1.0
    words = f"{who} alone is wrong on {network:,}, the linear model alone on {linear:,}"
    figures: Metrics = {"network_alone_wrong": network, "linear_alone_wrong": linear, "p": chance}
    return words, chance < 0.05, figures, "exact sign test on the test rows that one of the two gets wrong"


def _squares(saved: Array) -> Difference:
    """Judge by the mean of the squared errors' differences, with Student's interval of 95 %."""
    from scipy.stats import t

    rows = len(saved)
    mean = float(saved.mean())
    error = float(saved.std(ddof=1) / math.sqrt(rows) * t.ppf(0.975, rows - 1)) if rows > 1 else math.inf
    known = math.isfinite(mean) and math.isfinite(error)
    words = f"their R² differ by {abs(mean):.2g} ± {error:.2g}" if known else ""
    figures: Metrics = {"difference": mean, "interval": error}
    how = "mean difference of squared errors over the target's variance on the test rows, with Student's interval"
    return words, known and rows >= FEWEST_ROWS and abs(mean) > error, figures, how


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
