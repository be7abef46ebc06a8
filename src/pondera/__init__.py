"""Pondera trains neural networks and says what their weights learned.

Names load on first use: ``import pondera`` by itself loads neither JAX nor scikit-learn.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pondera import recording as recording
    from pondera import widgets as widgets
    from pondera.choice import Choice as Choice
    from pondera.estimators.classifier import PonderaClassifier as PonderaClassifier
    from pondera.estimators.file import load as load
    from pondera.estimators.regressor import PonderaRegressor as PonderaRegressor
    from pondera.explaining.entry import explain as explain
    from pondera.explaining.explanation import Explanation as Explanation
    from pondera.network.architecture import Architecture as Architecture
    from pondera.network.dense import Dense as Dense
    from pondera.network.dropout import Dropout as Dropout
    from pondera.network.embedding import Embedding as Embedding
    from pondera.network.network import Network as Network
    from pondera.network.neuron import Neuron as Neuron
    from pondera.network.normalization import LayerNorm as LayerNorm
    from pondera.network.residual import Residual as Residual
    from pondera.network.scale import Scale as Scale
    from pondera.reading.comparison.result import Comparison as Comparison
    from pondera.reading.comparison.whole import compare as compare
    from pondera.reading.read import Reading as Reading
    from pondera.reading.read import read as read
    from pondera.reading.statistics import Statistics as Statistics
    from pondera.reading.statistics import statistics_of as statistics_of
    from pondera.reading.statistics import statistics_of_all as statistics_of_all
    from pondera.reading.timeline.timeline import Timeline as Timeline
    from pondera.reading.timeline.timeline import timeline as timeline
    from pondera.recording import runs as runs
    from pondera.recording.torch import watch as watch
    from pondera.report.display import ImportanceDisplay as ImportanceDisplay
    from pondera.tables.read import read_table as read_table
    from pondera.training.figures import Fit as Fit
    from pondera.training.fit import fit as fit
    from pondera.training.plan import Plan as Plan
    from pondera.training.population import fit_population as fit_population
    from pondera.weights.collection import Weights as Weights
    from pondera.weights.open import open as open  # noqa: A004
    from pondera.weights.writing.convert import convert as convert

_HOMES = {
    "Choice": "choice",
    "PonderaClassifier": "estimators.classifier",
    "PonderaRegressor": "estimators.regressor",
    "load": "estimators.file",
    "explain": "explaining.entry",
    "Explanation": "explaining.explanation",
    "Architecture": "network.architecture",
    "Dense": "network.dense",
    "Dropout": "network.dropout",
    "Embedding": "network.embedding",
    "Network": "network.network",
    "Neuron": "network.neuron",
    "LayerNorm": "network.normalization",
    "Residual": "network.residual",
    "Scale": "network.scale",
    "Comparison": "reading.comparison.result",
    "compare": "reading.comparison.whole",
    "Reading": "reading.read",
    "read": "reading.read",
    "Statistics": "reading.statistics",
    "statistics_of": "reading.statistics",
    "statistics_of_all": "reading.statistics",
    "Timeline": "reading.timeline.timeline",
    "timeline": "reading.timeline.timeline",
    "watch": "recording.torch",
    "ImportanceDisplay": "report.display",
    "read_table": "tables.read",
    "Fit": "training.figures",
    "fit": "training.fit",
    "Plan": "training.plan",
    "fit_population": "training.population",
    "Weights": "weights.collection",
    "open": "weights.open",
    "convert": "weights.writing.convert",
}

_MODULES = {"recording": "recording", "runs": "recording.runs", "widgets": "widgets"}

__all__ = ["__version__", *_HOMES, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"pondera.{_MODULES[name]}")
    if name not in _HOMES:
        raise AttributeError(f"module 'pondera' has no attribute {name!r}")
    return getattr(importlib.import_module(f"pondera.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
