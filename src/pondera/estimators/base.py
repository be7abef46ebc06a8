"""What scikit-learn's contract asks of both estimators."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_sample_weight,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from pondera.constraints import (
    NOTHING,
    TRUTH,
    Rule,
    check,
    instance_of,
    number,
    one_of,
    sequence_of_whole,
    whole,
)
from pondera.errors import ArgumentError, PonderaWarning
from pondera.model.file import save as save_file
from pondera.model.model import Model
from pondera.model.settings import Settings
from pondera.model.train import Trained, train, train_on
from pondera.network.activations import ACTIVATIONS
from pondera.network.architecture import PRECISIONS
from pondera.tables.frame import as_frame, as_series
from pondera.tables.target import Classes
from pondera.training.epoch import State
from pondera.training.figures import Progress
from pondera.training.recipes import RECIPES, Task
from pondera.training.stopping import DIVERGED, INTERRUPTED, without_epoch
from pondera.training.watching import Watcher

Array = np.ndarray[Any, Any]


PARAMETERS: Mapping[str, tuple[Rule, ...]] = {
    "hidden_layer_sizes": (sequence_of_whole(1), NOTHING),
    "activation": (one_of(tuple(ACTIVATIONS)), NOTHING),
    "recipe": (one_of(tuple(RECIPES)),),
    "epochs": (whole(1), NOTHING),
    "batch_size": (whole(1), NOTHING),
    "learning_rate": (number(0, open_low=True), NOTHING),
    "weight_decay": (number(0), NOTHING),
    "validation_fraction": (number(0, 1),),
    "early_stopping": (TRUTH, NOTHING),
    "seeds": (whole(1),),
    "random_state": (whole(0), instance_of("a numpy RandomState", np.random.RandomState), NOTHING),
    "dtype": (one_of(PRECISIONS),),
    "verbose": (TRUTH, whole(0)),
}
"""What the parameters of both estimators may be."""


class Estimator(BaseEstimator):  # type: ignore[misc]
    """What classifier and regressor share: parameters, tables in, training, saving."""

    _task: ClassVar[Task]
    _constraints: ClassVar[Mapping[str, tuple[Rule, ...]]] = PARAMETERS

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
        seeds: int = 1,
        random_state: int | np.random.RandomState | None = None,
        dtype: str = "float32",
        verbose: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.recipe = recipe
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.validation_fraction = validation_fraction
        self.early_stopping = early_stopping
        self.seeds = seeds
        self.random_state = random_state
        self.dtype = dtype
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        progress: Callable[[int, Progress], None] | None = None,
        recorder: Callable[[int], Watcher] | None = None,
    ) -> Self:
        """Train on a table.

        Parameters
        ----------
        X
            (rows, columns): a pandas, Polars or Arrow table with any mix of numeric, boolean, categorical and date
            columns, or a NumPy array.
        y
            (rows,) the target.
        sample_weight
            (rows,) how often each row counts; None for once each.
        progress
            Called with the network's number and a :class:`~pondera.training.figures.Progress`.
        recorder
            A :class:`~pondera.recording.recorder.Recorder`, which keeps the life of every weight.

        Raises
        ------
        TableError, ArgumentError
            If the table cannot be trained on, or a parameter cannot be used.
        """
        self._check_parameters()
        frame, target, weights = self._table(X, y, sample_weight, reset=True)
        settings = self._settings()
        shown = progress or (_print_epoch if self.verbose else None)
        trained = train(frame, target, self._task, settings, sample_weight=weights, progress=shown, recorder=recorder)
        self._keep(trained, settings)
        return self

    def save(self, path: str | os.PathLike[str], **notes: Any) -> None:
        """Write the trained model to one safetensors file; ``pondera.load(path)`` gives the estimator back.

        Parameters
        ----------
        path
            Where to; an existing file is replaced only once the new one is whole.
        **notes
            More to keep with it, JSON-ready, such as where the table came from; found again in
            ``model_.record["notes"]``.

        Raises
        ------
        ModelFileError
            If the place cannot be written to.
        ArgumentError
            If a note has no JSON form.
        """
        check_is_fitted(self)
        parameters = self.get_params(deep=False) | {"random_state": self.seed_}
        try:
            json.dumps(notes, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"What is saved with a model must have a JSON form: {error}.") from None
        save_file(
            self.model_.with_record(notes={**self.model_.record.get("notes", {}), **notes}),
            path,
            {"parameters": _plain(parameters), "named": hasattr(self, "feature_names_in_")},
        )

    def with_weights(self, weights: Mapping[str, npt.ArrayLike]) -> Self:
        """Return a copy of the estimator with some or all of its weights replaced, named as in ``weights_``.

        Raises
        ------
        ShapeError
            If a name is unknown or an array is of another shape.
        """
        check_is_fitted(self)
        other = copy.copy(self)
        other.model_ = self.model_.with_weights(weights)
        other._states = None  # the optimizer knows nothing of these weights
        return other

    @property
    def weights_(self) -> dict[str, Array]:
        """The trained weights, path to array; the paths begin with ``networks.K`` where ``seeds`` is more than 1."""
        check_is_fitted(self)
        return self.model_.weights

    @property
    def history_(self) -> list[dict[str, Any]]:
        """One dictionary an epoch: number, losses, metric, learning rate, seconds, and which network."""
        check_is_fitted(self)
        return list(self.model_.record["history"])

    def _check_parameters(self) -> None:
        check(type(self).__name__, self.get_params(deep=False), self._constraints)

    def _settings(self) -> Settings:
        return Settings(
            recipe=self.recipe,
            hidden=None if self.hidden_layer_sizes is None else tuple(int(n) for n in self.hidden_layer_sizes),
            activation=self.activation,
            epochs=_int(self.epochs),
            batch_size=_int(self.batch_size),
            learning_rate=_float(self.learning_rate),
            weight_decay=_float(self.weight_decay),
            validation_fraction=float(self.validation_fraction),
            early_stopping=self.early_stopping,
            class_weight=getattr(self, "class_weight", None),
            seeds=int(self.seeds),
            seed=_seed(self.random_state),
            dtype=self.dtype,
        )

    def _keep(self, trained: Trained, settings: Settings) -> None:
        self.model_: Model = trained.model
        self.seed_ = settings.seed
        self._states: tuple[State, ...] | None = trained.states
        for fit in trained.fits:
            if fit.reason in (DIVERGED, INTERRUPTED):
                warnings.warn(fit.message, PonderaWarning, stacklevel=3)
        if trained.left_out:
            warnings.warn(without_epoch(trained.left_out, settings.seeds), PonderaWarning, stacklevel=3)

    def _table(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool
    ) -> tuple[pl.DataFrame, pl.Series, Array | None]:
        """Return rows to train on as a frame, their target, and their weights."""
        X = as_frame(X) if isinstance(X, Mapping) else X
        if _is_frame(X):
            if y is None:
                raise ArgumentError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
            validate_data(self, X, skip_check_array=True, reset=reset)
            frame = as_frame(X)
            check_consistent_length(frame, y)
        else:
            X, y = validate_data(
                self, X, y, reset=reset, dtype=None, ensure_all_finite="allow-nan", y_numeric=self._task == "regression"
            )
            frame = as_frame(X, names=self._names(X))
            if self._task == "classification":
                check_classification_targets(y)
        name = getattr(y, "name", None)
        values = column_or_1d(y, warn=True)
        weights = None
        if sample_weight is not None:
            rows = np.empty((frame.height, 0))
            weights = _check_sample_weight(sample_weight, rows, dtype=np.float64, ensure_non_negative=True)
        return frame, as_series(str(name or "target"), values), weights

    def _rows(self, X: Any) -> pl.DataFrame:
        """Return rows to predict for as a frame with the columns of training."""
        check_is_fitted(self)
        X = as_frame(X) if isinstance(X, Mapping) else X
        if _is_frame(X):
            validate_data(self, X, skip_check_array=True, reset=False)
            frame = as_frame(X)
            if not hasattr(self, "feature_names_in_"):
                frame.columns = [column.name for column in self.model_.encoding.columns]
            return frame
        X = validate_data(self, X, reset=False, dtype=None, ensure_all_finite="allow-nan")
        return as_frame(X, names=self._names(X))

    def _names(self, X: Array) -> Sequence[str] | None:
        names = getattr(self, "feature_names_in_", None)
        return None if names is None or len(names) != X.shape[1] else [str(name) for name in names]

    def _predictions(self, X: Any) -> Array:
        x, unseen = self.model_.inputs(self._rows(X))
        for finding in unseen.findings():
            warnings.warn(f"{finding.statement} {finding.advice}", PonderaWarning, stacklevel=3)
        return self.model_.predictions(x)

    def _train_on(self, X: Any, y: Any, sample_weight: Any, classes: Classes | None) -> Self:
        """One more epoch on these rows; the first call decides columns, scaling and classes."""
        self._check_parameters()
        first = not hasattr(self, "model_")
        frame, target, weights = self._table(X, y, sample_weight, reset=first)
        settings = self._settings()
        if not first and not hasattr(self.random_state, "__index__"):
            settings = dataclasses.replace(settings, seed=self.seed_)  # drawn once, in the first call
        if first:
            trained = train(frame, target, self._task, settings, sample_weight=weights, classes=classes, one_epoch=True)
        else:
            states = getattr(self, "_states", None)
            trained = train_on(self.model_, states, frame, target, settings, sample_weight=weights)
        self._keep(trained, settings)
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


def _is_frame(X: Any) -> bool:
    return hasattr(X, "columns") or hasattr(X, "__arrow_c_stream__")


def _seed(random_state: Any) -> int:
    if hasattr(random_state, "__index__"):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31))


def _int(value: Any) -> int | None:
    return None if value is None else int(value)


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _plain(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as JSON can hold them."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, Mapping):
            return {str(key): plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return value

    return {name: plain(value) for name, value in parameters.items()}


def _print_epoch(network: int, where: Progress) -> None:
    if where.figures is not None and where.step % max(where.steps // max(where.epochs, 1), 1) == 0:
        held = "" if where.figures.validation_loss is None else f", validation {where.figures.validation_loss:.5f}"
        print(
            f"network {network}, epoch {where.epoch + 1}/{where.epochs}: loss {where.figures.training_loss:.5f}{held}",
            file=sys.stderr,
        )
