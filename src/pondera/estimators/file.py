"""From a model file back to the estimator that wrote it."""

from __future__ import annotations

import os

import numpy as np

from pondera.estimators.classifier import PonderaClassifier
from pondera.estimators.regressor import PonderaRegressor
from pondera.model.file import load as load_model


def load(path: str | os.PathLike[str]) -> PonderaClassifier | PonderaRegressor:
    """Return the estimator that was saved in a model file; it predicts as it did before, bit for bit.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, truncated, of a later version, or holds no Pondera model.
    """
    model, estimator = load_model(path)
    kind = PonderaClassifier if model.task == "classification" else PonderaRegressor
    known = kind().get_params(deep=False)
    loaded = kind(**{name: value for name, value in estimator.get("parameters", {}).items() if name in known})
    loaded.model_ = model
    loaded.seed_ = int(estimator.get("parameters", {}).get("random_state") or 0)
    loaded.n_features_in_ = len(model.encoding.columns)
    if estimator.get("named"):
        loaded.feature_names_in_ = np.array([column.name for column in model.encoding.columns], dtype=object)
    return loaded
