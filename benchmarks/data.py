"""The tables that learners are compared on. Adding one is a line in a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

Rows = np.ndarray[Any, Any]
Split = Callable[[int], tuple[Rows, Rows]]  # number of rows -> (training rows, test rows)


def random_fifth(count: int) -> tuple[Rows, Rows]:
    """scikit-learn's split: 20 % of the row numbers are the test set, random state 0."""
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(np.arange(count), test_size=0.2, random_state=0)
    return train, test


def first_are_test(tested: int) -> Split:
    """Return the split whose test set is the first rows."""
    return lambda count: (np.arange(tested, count), np.arange(tested))


@dataclass(frozen=True)
class Dataset:
    """A table with its target, its task and its split."""

    name: str
    target: str
    metric: str  # "accuracy", "rmse", or "rmse / std": over the spread (ddof 0) of the target over all rows
    split: Split = random_fifth
    bundled: bool = False  # with scikit-learn

    @property
    def classes(self) -> bool:
        """Whether it is classification."""
        return self.metric == "accuracy"

    def read(self, folder: Path | None) -> tuple[pd.DataFrame, Rows]:
        """Return the columns, texts as categories, and the target."""
        import pandas as pd

        if folder is None:
            import sklearn.datasets

            frame = getattr(sklearn.datasets, f"load_{self.name}")(as_frame=True).frame
        else:
            frame = pd.read_csv(folder / f"{self.name}.csv")
        target = frame.pop(self.target).to_numpy()
        texts = [name for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name])]
        frame = frame.astype({name: float for name in frame.columns if name not in texts})
        return frame.astype(dict.fromkeys(texts, "category")), target

    def score(self, predicted: Rows, right: Rows, everything: Rows) -> float:
        """Return the metric on held-out rows; ``everything`` is the target over all rows."""
        if self.classes:
            return float(np.mean(predicted == right))
        rmse = float(np.sqrt(np.mean((np.asarray(predicted, float).ravel() - right) ** 2)))
        return rmse / float(np.std(everything)) if self.metric == "rmse / std" else rmse


DATASETS = [
    Dataset("adult", "class", "accuracy", first_are_test(16_281)),
    Dataset("california", "MedHouseVal", "rmse"),
    Dataset("diamonds", "price", "rmse / std"),
    Dataset("breast_cancer", "target", "accuracy", bundled=True),
    Dataset("diabetes", "target", "rmse", bundled=True),
]
