"""A classifier after scikit-learn's contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from pondera.constraints import NOTHING, Rule, instance_of, one_of
from pondera.errors import ArgumentError
from pondera.estimators.base import Array, Estimator
from pondera.tables.target import Classes


class PonderaClassifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """A neural network that predicts classes.

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
    class_weight
        Weight of each class: a dictionary, ``"balanced"`` (inverse to how often each occurs), or None for 1 each.
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
    Once fitted, ``classes_`` are the classes, sorted; ``weights_`` are the trained weights by name; ``history_`` has
    the figures of every epoch; ``model_`` is the :class:`~pondera.model.model.Model` with all that is needed to
    predict.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> PonderaClassifier(epochs=20, random_state=0).fit(X, y).score(X, y) > 0.9
    True
    """

    _task = "classification"
    _constraints: ClassVar[dict[str, tuple[Rule, ...]]] = {
        **Estimator._constraints,
        "class_weight": (one_of(("balanced",)), instance_of("a dictionary of class to weight", Mapping), NOTHING),
    }

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] | None = None,
        activation: str | None = None,
        *,
        recipe: str = "strong",
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        validation_fraction: float = 0.2,
        early_stopping: bool | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        seeds: int = 1,
        random_state: int | np.random.RandomState | None = None,
        dtype: str = "float32",
        verbose: bool = False,
    ) -> None:
        super().__init__(
            hidden_layer_sizes,
            activation,
            recipe=recipe,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            validation_fraction=validation_fraction,
            early_stopping=early_stopping,
            seeds=seeds,
            random_state=random_state,
            dtype=dtype,
            verbose=verbose,
        )
        self.class_weight = class_weight

    @property
    def classes_(self) -> Array:
        """The classes, sorted, as an array (classes,)."""
        check_is_fitted(self)
        return self.model_.labels(np.eye(len(self.model_.target.values)))  # type: ignore[union-attr]

    def predict(self, X: Any) -> Array:
        """Return the most probable class of each row: (rows,)."""
        check_is_fitted(self)
        return self.model_.labels(self._predictions(X))

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, in the order of ``classes_``: (rows, classes)."""
        check_is_fitted(self)
        return self._predictions(X)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Train for one epoch on these rows, going on from what was learned before.

        The first call decides columns, scaling and classes.

        Parameters
        ----------
        X, y, sample_weight
            As for :meth:`fit`.
        classes
            All classes that will ever come; needed in the first call unless its rows show them all.

        Raises
        ------
        ArgumentError
            If other classes were given before.
        TableError
            If a row's class is none of the classes.
        """
        known = None
        if classes is not None:
            labels = np.unique(np.asarray(classes).ravel()).tolist()
            known = Classes(tuple(labels))
            if hasattr(self, "model_") and known != self.model_.target:
                raise ArgumentError(f"The classes were given as {self.classes_.tolist()} before. Got {labels}.")
        return self._train_on(X, y, sample_weight, known)
