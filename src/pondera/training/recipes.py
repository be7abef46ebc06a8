"""Recipes: which network and which plan suit a table, unless somebody knows better.

``strong`` follows RealMLP-TD-S (Holzmüller, Grinsztajn & Steinwart 2024, "Better by default", arXiv 2407.04491);
``plain`` is what a textbook does (Goodfellow, Bengio & Courville 2016, *Deep Learning*, chapters 6 to 8).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pondera.choice import Choice, unknown
from pondera.errors import ArgumentError
from pondera.network.architecture import Architecture
from pondera.network.dense import Dense
from pondera.network.scale import Scale
from pondera.training.plan import Plan

Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class Recipe:
    """What a recipe decides.

    Attributes
    ----------
    scaling
        How inputs are scaled; a name in :data:`pondera.tables.scale.SCALINGS`.
    hidden
        Units of each hidden layer.
    activation
        Of the hidden layers, by task.
    clamp
        Whether predicted numbers are kept within the range of the training targets.
    build
        (inputs, hidden, activation, outputs) -> architecture.
    plan
        (task, classes) -> plan.
    """

    scaling: str
    hidden: tuple[int, ...]
    activation: Mapping[Task, str]
    clamp: bool
    build: Callable[[int, Sequence[int], str, int], Architecture]
    plan: Callable[[Task, int], Plan]


def _strong_network(inputs: int, hidden: Sequence[int], activation: str, outputs: int) -> Architecture:
    """A scaling layer, dense layers in the neural tangent parametrization, an output that starts at zero."""
    unit = Choice("normal", std=1.0)
    layers = [Dense(units, activation, weight=unit, bias=unit, parametrization="ntk") for units in hidden]
    return Architecture(inputs, (Scale(), *layers, Dense(outputs, weight="zeros", bias="zeros", parametrization="ntk")))


def _strong_plan(task: Task, classes: int) -> Plan:
    classification = task == "classification"
    return Plan(
        loss=Choice("softmax_cross_entropy", label_smoothing=0.1) if classification else "squared_error",
        optimizer=Choice("adam", b1=0.9, b2=0.95),
        learning_rate=0.04 if classification else 0.07,
        schedule="coslog4",
        epochs=256,
        batch_size=256,
        weight_decay=0.05,  # RealMLP-TD has 0.02, RealMLP-TD-S none; chosen by benchmarks/recipes.py
        rate_factors={"scale": 6.0, "bias": 0.1},
        keep="metric",
    )


def _plain_network(inputs: int, hidden: Sequence[int], activation: str, outputs: int) -> Architecture:
    """Dense layers from He's start, an output layer from Glorot's."""
    layers = [Dense(units, activation, weight="he_normal") for units in hidden]
    return Architecture(inputs, (*layers, Dense(outputs, weight="glorot_uniform")))


def _plain_plan(task: Task, classes: int) -> Plan:
    loss = "squared_error" if task == "regression" else _cross_entropy(classes)
    return Plan(loss=loss, optimizer="adam", learning_rate=1e-3, epochs=200, batch_size=32, keep="loss", patience=20)


def _cross_entropy(classes: int) -> str:
    return "binary_cross_entropy" if classes == 2 else "softmax_cross_entropy"


RECIPES: dict[str, Recipe] = {
    "strong": Recipe(
        scaling="robust",
        hidden=(256, 256, 256),
        activation={"classification": "selu", "regression": "mish"},
        clamp=True,
        build=_strong_network,
        plan=_strong_plan,
    ),
    "plain": Recipe(
        scaling="standard",
        hidden=(128, 128),
        activation={"classification": "relu", "regression": "relu"},
        clamp=False,
        build=_plain_network,
        plan=_plain_plan,
    ),
}


def recipe_of(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises
    ------
    ArgumentError
        If there is none.

    Examples
    --------
    >>> recipe_of("strong").build(10, (256, 256, 256), "selu", 2).widths
    [10, 10, 256, 256, 256, 2]
    """
    if name not in RECIPES:
        raise ArgumentError(unknown("recipe", name, RECIPES))
    return RECIPES[name]
