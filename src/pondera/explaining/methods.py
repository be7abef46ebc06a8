"""The list of methods. A new one is a function and an entry here, which brings its tests."""

from __future__ import annotations

from collections.abc import Mapping

from pondera.explaining.gradients import expected_gradients, gradient_input, integrated_gradients, linear
from pondera.explaining.method import Method
from pondera.explaining.permutation import CONDITIONAL_ROWS, ROWS, conditional_permutation, permutation
from pondera.explaining.retraining import MOST_ROWS, leave_out
from pondera.explaining.shapley import exact_shapley, shapley
from pondera.explaining.strength import connection_products, first_layer, garson, scaling_layer

_ALL = (
    Method(
        "first_layer",
        "weights of the first layer",
        "strength",
        first_layer,
        "Says what inputs are multiplied by, not what becomes of it: scales of inputs, later layers and what varies "
        "together all break the link to importance.",
        "√Σ w² of an input's connections",
        frozenset({"network", "first layer"}),
    ),
    Method(
        "scaling_layer",
        "weights of the scaling layer",
        "strength",
        scaling_layer,
        "The first dense layer can undo any of these factors.",
        "Holzmüller, Grinsztajn & Steinwart 2024, arXiv 2407.04491",
        frozenset({"scaling layer"}),
    ),
    Method(
        "connection_products",
        "products of connections",
        "strength",
        connection_products,
        "Takes a bent network for a straight one: paths of opposite sign cancel that never act at the same time.",
        "Olden, Joy & Death 2004, Ecological Modelling 178",
        frozenset({"connections"}),
    ),
    Method(
        "garson",
        "Garson's shares",
        "strength",
        garson,
        "Sizes only: paths of opposite sign, which cancel, count twice.",
        "Garson 1991, AI Expert 6",
        frozenset({"connections"}),
    ),
    Method(
        "linear",
        "contributions of a linear network",
        "importance",
        linear,
        "Exact for what the network computes; inputs that vary together still share their effect arbitrarily.",
        "(x − mean) · w",
        frozenset({"slopes", "linear"}),
        sums=True,
        rows=4096,
        family="gradients",
    ),
    Method(
        "gradient_input",
        "gradient × input",
        "importance",
        gradient_input,
        "Looks at one point only: where a unit saturates, what saturated it counts nothing.",
        "Shrikumar, Greenside, Shcherbina & Kundaje 2016, arXiv 1605.01713",
        frozenset({"slopes"}),
        rows=2048,
        family="gradients",
    ),
    Method(
        "integrated_gradients",
        "integrated gradients",
        "importance",
        integrated_gradients,
        "Depends on the baseline, and passes through points where there are no rows.",
        "Sundararajan, Taly & Yan 2017, arXiv 1703.01365",
        frozenset({"slopes"}),
        family="gradients",
    ),
    Method(
        "expected_gradients",
        "expected gradients",
        "importance",
        expected_gradients,
        "Passes through points where there are no rows.",
        "Erion, Janizek, Sturmfels, Lundberg & Lee 2021, arXiv 1906.10670",
        frozenset({"slopes"}),
        family="gradients",
    ),
    Method(
        "shapley",
        "Shapley values",
        "importance",
        shapley,
        "Asks the network about mixtures of rows that do not occur where inputs vary together.",
        "Štrumbelj & Kononenko 2014, KAIS 41; Lundberg & Lee 2017, arXiv 1705.07874",
        sums=True,
        rows=256,
        family="coalitions",
    ),
    Method(
        "exact_shapley",
        "exact Shapley values",
        "importance",
        exact_shapley,
        "Asks the network about mixtures of rows that do not occur where inputs vary together.",
        "Shapley 1953, Contributions to the Theory of Games II; Lundberg & Lee 2017, arXiv 1705.07874",
        frozenset({"few columns"}),
        sums=True,
        rows=64,
        named=True,
        family="coalitions",
    ),
    Method(
        "permutation",
        "permutation",
        "importance",
        permutation,
        "Of inputs that vary together each can look unimportant, and the network is asked about rows that do "
        "not occur.",
        "Breiman 2001, Machine Learning 45; Fisher, Rudin & Dominici 2019, arXiv 1801.01489",
        frozenset({"answers"}),
        rows=ROWS,
    ),
    Method(
        "conditional_permutation",
        "conditional permutation",
        "importance",
        conditional_permutation,
        "Of inputs that tell each other's value it finds none important, though they are together.",
        "Strobl et al. 2008, BMC Bioinformatics 9; Molnar et al. 2023, arXiv 2006.04628",
        frozenset({"answers"}),
        rows=CONDITIONAL_ROWS,
    ),
    Method(
        "leave_out",
        "training without the column",
        "importance",
        leave_out,
        "Says what a column is good for, not what this network does with it; what others can replace counts nothing.",
        "Lei, G'Sell, Rinaldo, Tibshirani & Wasserman 2018, JASA 113",
        frozenset({"answers", "training"}),
        rows=MOST_ROWS,
    ),
)

METHODS: Mapping[str, Method] = {method.name: method for method in _ALL}
"""Every method by name."""
