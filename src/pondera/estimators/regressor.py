"""A regressor after scikit-learn's contract."""

from __future__ import annotations

from typing import Any, Self

from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted

from pondera.estimators.base import Array, Estimator


class PonderaRegressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """A neural network that predicts numbers.

    Parameters
    ----------
    hidden_layer_sizes
        Units of each hidden layer; None takes the recipe's.
    activation
        Activation of the hidden layers; None takes the recipe's.
    recipe
        ``"strong"`` (RealMLP-TD-S, arXiv 2407.04491) or ``"plain"`` (what a textbook does).
    epochs, batch_size, learning_rate, weight_decay
        None takes the recipe's.
    validation_fraction
        Share of the rows that are held out to choose the best epoch; 0 holds none out and keeps the last epoch.
        With fewer than 10 different rows none are held out.
    early_stopping
        Whether training ends when no better epoch comes for a while; None does what the recipe does (``plain`` stops,
        ``strong`` trains its whole schedule). The best epoch's weights are kept in either case.
    seeds
        Number of networks, trained from different random starts; their predictions are averaged.
    random_state
        Drives the random start, the order of rows and what is held out.
    dtype
        ``"float32"`` or ``"float64"``.
    verbose
        Whether to print a line an epoch to standard error.

    Notes
    -----
    Once fitted, ``weights_`` are the trained weights by name; ``history_`` has the figures of every epoch; ``model_``
    is the :class:`~pondera.model.model.Model` with all that is needed to predict.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> PonderaRegressor(recipe="plain", epochs=50, random_state=0).fit(X, y).score(X, y) > 0.3
    True
    """

    _task = "regression"

    def predict(self, X: Any) -> Array:
        """Return the predicted number of each row: (rows,), in the target's unit."""
        check_is_fitted(self)
        return self._predictions(X)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on these rows, going on from what was learned before.

        The first call decides columns, scaling and the target's spread.
        """
        return self._train_on(X, y, sample_weight, None)
