"""Connection strength: what the weights of a network say by themselves. Whether that is importance must be measured.

A column that became several inputs, such as a category, counts with the root mean square of theirs, each weighted by
its variance in the rows: an input that says where a value is missing counts little where few are. Shares are added up.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pondera.explaining.method import Measured, first_matrix
from pondera.explaining.question import Question
from pondera.explaining.subject import Subject
from pondera.network.network import Network

Array = np.ndarray[Any, Any]


def first_layer(question: Question, subject: Subject, random: np.random.Generator) -> Measured:
    """√Σ w² of the connections from an input to the units of the first dense layer, scaling layers multiplied in."""
    matrix = first_matrix(_network(subject))
    if matrix is None:
        raise TypeError("A method that needs the weights of inputs was given a network without any.")
    sizes = np.abs(matrix) if matrix.ndim == 1 else np.sqrt(np.square(matrix, dtype=np.float64).sum(axis=1))
    return _by_column(question, sizes)


def scaling_layer(question: Question, subject: Subject, random: np.random.Generator) -> Measured:
    """|w| of the scaling layer: the one factor that each input is multiplied by before anything else."""
    factors = next(iter(_network(subject).connections().values()))
    return _by_column(question, np.abs(np.asarray(factors, np.float64)))


def connection_products(question: Question, subject: Subject, random: np.random.Generator) -> Measured:
    """|Σ over all paths of the product of the weights| from an input to the output, as if nothing bent in between."""
    products = np.eye(_network(subject).architecture.inputs)
    for matrix in _matrices(subject):
        products = products @ matrix
    centered = products - products.mean(axis=1, keepdims=True) if products.shape[1] > 1 else products
    return _by_column(question, np.sqrt(np.square(centered).sum(axis=1)))


def garson(question: Question, subject: Subject, random: np.random.Generator) -> Measured:
    """An input's share of the sizes of a unit's weights, passed on through the layers in proportion to sizes."""
    shares = np.eye(_network(subject).architecture.inputs)
    for matrix in _matrices(subject):
        sizes = np.abs(matrix)
        sums = sizes.sum(axis=0)
        shares = shares @ np.divide(sizes, sums, out=np.zeros_like(sizes), where=sums > 0)
    values = question.fold(shares.mean(axis=1))
    return Measured(values, np.zeros(len(values)))


def _network(subject: Subject) -> Network:
    if subject.network is None:
        raise TypeError("A method that needs a network was given none.")
    return subject.network


def _matrices(subject: Subject) -> list[Array]:
    """Return what the dense layers multiply by, each (inputs, outputs), factors of scaling layers multiplied in."""
    matrices: list[Array] = []
    factors: Array | float = 1.0
    for found in _network(subject).connections().values():
        if found is None:
            continue
        if found.ndim == 1:
            factors = factors * found.astype(np.float64)
        else:
            matrices.append(found.astype(np.float64) * np.reshape(factors, (-1, 1)))
            factors = 1.0
    return matrices


def _by_column(question: Question, sizes: Array) -> Measured:
    """Return the root mean square of what a column's inputs have; where these are constant, all weigh the same."""
    counts = [each.stop - each.start for each in question.inputs]
    varied = question.x.var(axis=0, dtype=np.float64)
    varied = np.where(np.repeat(question.fold(varied), counts) > 0, varied, 1.0)
    weights = varied / np.repeat(question.fold(varied), counts)
    values = np.sqrt(question.fold(np.square(sizes.astype(np.float64)) * weights))
    return Measured(values, np.zeros(len(values)))
