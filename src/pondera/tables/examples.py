"""Tables to try things on: the ones that come with scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from pondera.choice import unknown
from pondera.errors import ArgumentError


@dataclass(frozen=True)
class Example:
    """A table that comes with scikit-learn.

    Attributes
    ----------
    loader
        The function of ``sklearn.datasets`` that loads it.
    target
        The name of the column to predict.
    description
        One sentence: what the rows, the columns and the target are, and where it is from.
    """

    loader: str
    target: str
    description: str


EXAMPLES: dict[str, Example] = {
    "breast_cancer": Example(
        "load_breast_cancer",
        "diagnosis",
        "569 tumours: 30 measures of cell nuclei in an image; the diagnosis is malignant or benign (Wisconsin, 1995).",
    ),
    "digits": Example(
        "load_digits",
        "digit",
        "1,797 handwritten digits as images of 8 by 8 grey values from 0 to 16; which digit it is "
        "(Alpaydin and Kaynak, 1998).",
    ),
    "wine": Example(
        "load_wine",
        "cultivar",
        "178 wines: 13 results of chemical analysis; which of three cultivars it was made from (Forina et al., 1988).",
    ),
    "iris": Example(
        "load_iris",
        "species",
        "150 irises: length and width of sepals and petals in cm; which of three species it is (Fisher, 1936).",
    ),
    "diabetes": Example(
        "load_diabetes",
        "progression",
        "442 patients: age, sex, body mass, blood pressure and six blood serum figures; how far their diabetes had "
        "progressed a year later, from 25 to 346 (Efron et al., 2004).",
    ),
}
"""Every example by name."""


def load_example(name: str) -> tuple[pl.DataFrame, str, str]:
    """Load a table to try things on.

    Parameters
    ----------
    name
        A name of :data:`EXAMPLES`.

    Returns
    -------
    frame
        All columns, the target last. Classes have their names.
    target
        The name of the target column.
    description
        One sentence.

    Raises
    ------
    ArgumentError
        An unknown name.

    Examples
    --------
    >>> frame, target, description = load_example("iris")
    >>> frame.shape, target
    ((150, 5), 'species')
    """
    if name not in EXAMPLES:
        raise ArgumentError(unknown("example", name, EXAMPLES))
    from sklearn import datasets

    example = EXAMPLES[name]
    bunch = getattr(datasets, example.loader)()
    columns = {str(column): bunch.data[:, at] for at, column in enumerate(bunch.feature_names)}
    if "target_names" in bunch:
        target = pl.Series(example.target, [str(label) for label in np.asarray(bunch.target_names)[bunch.target]])
    else:
        target = pl.Series(example.target, np.asarray(bunch.target, dtype=np.float64))
    return pl.DataFrame(columns).with_columns(target), example.target, example.description
