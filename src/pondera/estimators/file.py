"""From a model file back to the estimator that wrote it."""

from __future__ import annotations

import os

import numpy as np

from pondera.errors import ArgumentError, ModelFileError
from pondera.estimators.classifier import PonderaClassifier
from pondera.estimators.regressor import PonderaRegressor
from pondera.model.file import load as load_model


def load(path: str | os.PathLike[str]) -> PonderaClassifier | PonderaRegressor:
    """Return the estimator that was saved in a model file; it predicts as it did before, bit for bit.

    Parameters
    ----------
    path
        Of a file that :meth:`~pondera.estimators.base.Estimator.save` or ``pondera train`` wrote.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, truncated, of a later version, or holds no Pondera model.
    """
    model, estimator = load_model(path)
    kind = PonderaClassifier if model.task == "classification" else PonderaRegressor
    parameters = estimator.get("parameters", {})
    known = kind().get_params(deep=False)
    try:
        loaded = kind(**{name: parameters[name] for name in parameters if name in known})
        loaded._check_parameters()
        loaded.seed_ = int(parameters.get("random_state") or 0)
    except (ArgumentError, TypeError, AttributeError) as error:
        raise ModelFileError(
            f"{path}: the estimator's parameters cannot be used: {error} Save the model again."
        ) from error
    loaded.model_ = model
    loaded.n_features_in_ = len(model.encoding.columns)
    if estimator.get("named"):
        loaded.feature_names_in_ = np.array([column.name for column in model.encoding.columns], dtype=object)
    return loaded
