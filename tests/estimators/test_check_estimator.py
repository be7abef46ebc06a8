"""scikit-learn's own checks of its contract, each a test of its own."""

from unittest import SkipTest

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from pondera import PonderaClassifier, PonderaRegressor

ARRAY_API = "check_array_api"  # scikit-learn itself skips it where no array library is asked for


PLAIN = {"recipe": "plain", "hidden_layer_sizes": [16], "epochs": 60, "learning_rate": 0.01, "random_state": 0}
STRONG = {"hidden_layer_sizes": [16], "epochs": 30}  # the default but for its size, and no seed


@parametrize_with_checks([kind(**with_) for kind in (PonderaClassifier, PonderaRegressor) for with_ in (PLAIN, STRONG)])
@pytest.mark.filterwarnings("ignore::pondera.errors.PonderaWarning")
def test_contract(estimator, check):
    try:
        check(estimator)
    except SkipTest:
        name = getattr(check, "func", check).__name__
        assert name.startswith(ARRAY_API), f"{name} was skipped"
