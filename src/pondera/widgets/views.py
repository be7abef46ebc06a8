"""The widgets, and what each of them is given to draw."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pondera.errors import ArgumentError, PonderaError

if TYPE_CHECKING:
    from pondera.explaining.explanation import Explanation
    from pondera.recording.run import Run
    from pondera.widgets.view import View

MOST_REPLAYED = 120
"""Recorded steps that a replay holds, evenly apart among all: more are not told apart by eye."""


def network(network: Any, inputs: Sequence[str] | None = None) -> View:
    """Return a widget that draws a network: connections as thick as they are strong, coloured by their sign.

    A click, or the arrow keys, choose a connection; a click, or Shift and the arrow keys, a unit. What is chosen is the
    trait ``chosen``: ``"layers.0.weight[1,2]"``, ``"layers.0[2]"`` or ``"inputs[1]"``. Of a matrix of more than 400
    weights the strongest 400 are drawn.

    Parameters
    ----------
    network
        A :class:`~pondera.Network`, what :func:`~pondera.fit` returns, or a fitted estimator, whose first network is
        drawn.
    inputs
        The names of its inputs; an estimator knows them.

    Raises
    ------
    ArgumentError
        If it is none of these, has no matrix, or anywidget is not installed.

    Examples
    --------
    >>> from pondera.network.dense import Dense
    >>> from pondera.network.network import Network
    >>> network(Network.create(2, [Dense(3), Dense(1)])).content["matrices"][1]["shape"]
    [3, 1]
    """
    from pondera.workbench.drawing import strongest

    found, known = _network_of(network)
    shown = [(name, value) for name, value in found.weights.items() if value.ndim == 2 and min(value.shape) > 0]
    if not shown:
        raise ArgumentError("The network has no matrix of weights that could be drawn.")
    places = [strongest(value) for _, value in shown]
    values = b"".join(v.reshape(-1)[p].astype("<f4").tobytes() for (_, v), p in zip(shown, places, strict=True))
    content = {
        "title": "The network",
        "matrices": [
            {"name": name, "shape": list(value.shape), "places": place.tolist()}
            for (name, value), place in zip(shown, places, strict=True)
        ],
        "inputs": _names(inputs, known, shown[0][1].shape[0]),
        "steps": [],
    }
    return _view("network", content, values)


def replay(run: str | os.PathLike[str] | Run, part: int = 0, inputs: Sequence[str] | None = None) -> View:
    """Return a widget that replays a run: the network at every recorded step, from its random start to its end.

    The step that is shown is the trait ``step``; setting it moves the replay. ``chosen`` is as of :func:`network`, and
    the way of a chosen connection is drawn.

    Parameters
    ----------
    run
        The folder of a run, or what ``pondera.runs.open`` returns; one that goes on is shown as far as it came.
    part
        Which network of a population, from 0.
    inputs
        The names of its inputs; a run of ``pondera train`` knows them.

    Raises
    ------
    RunError, ArgumentError
        If it is no run, nothing was recorded of it yet, or anywidget is not installed.

    Examples
    --------
    >>> import tempfile, pondera
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with pondera.runs.Recorder(folder) as recorder:
    ...         start = pondera.Network.create(1, pondera.Dense(1))
    ...         fitted = pondera.fit(start, [[1.0], [2.0]], [3.0, 5.0], pondera.Plan(epochs=3), recorder=recorder)
    ...     widget = replay(folder)
    >>> widget.content["steps"][0], widget.content["steps"][-1]  # between them those that there was time for
    (0, 3)
    """
    from pondera.recording import runs

    if isinstance(run, str | os.PathLike):
        with runs.open(run) as opened:
            return _replay(opened, part, inputs)
    return _replay(run, part, inputs)


def importance(explanation: Explanation | Mapping[str, Any]) -> View:
    """Return a widget that shows an explanation: how far to believe it, first; what matters; methods side by side.

    The column that is chosen is the trait ``chosen``.

    Parameters
    ----------
    explanation
        What :func:`pondera.explain` returns, or the object that ``pondera explain --json`` prints.

    Raises
    ------
    ArgumentError
        If it is neither, or anywidget is not installed.

    Examples
    --------
    >>> import numpy as np, pondera
    >>> x = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    >>> found = pondera.explain(lambda x: 3 * x[:, :1] + x[:, 1:2], x, 3 * x[:, 0] + x[:, 1])
    >>> [each["name"] for each in importance(found).content["inputs"]]
    ['x0', 'x1']
    """
    told = explanation if isinstance(explanation, Mapping) else getattr(explanation, "to_json", dict)()
    wanted = ("unit", "rows", "headline", "inputs", "tested", "methods", "left_out", "reliability")
    if not isinstance(told, Mapping) or not all(name in told for name in wanted):
        raise ArgumentError("Expected what pondera.explain returns, or the object that pondera explain --json prints.")
    return _view("importance", _plain({name: told[name] for name in wanted}), b"")


def _replay(run: Run, part: int, inputs: Sequence[str] | None) -> View:
    import numpy as np

    from pondera.workbench.drawing import drawn, frames

    matrices, steps = drawn(run, part)
    if not steps:
        raise ArgumentError(
            f"{run.folder}: nothing was recorded of all its weights yet. Wait until training has begun."
        )
    at = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), MOST_REPLAYED)).round().astype(int))
    shown = [steps[k] for k in at]
    content = {
        "title": run.folder.resolve().name,
        "matrices": [each.to_json() for each in matrices],
        "inputs": _names(inputs, _input_names(run.folder), matrices[0].shape[0]),
        "steps": shown,
    }
    return _view("network", content, frames(run, matrices, shown, part))


def _view(kind: str, content: dict[str, Any], values: bytes) -> View:
    """Return the widget; what is missing for it is said in a sentence."""
    try:
        from pondera.widgets.view import View
    except ImportError:
        raise ArgumentError(
            "Widgets need anywidget, which is not installed: pip install 'pondera[notebook]'."
        ) from None
    except FileNotFoundError:
        raise ArgumentError("The widgets are not built. Run make ui in a clone, or pip install pondera anew.") from None
    return View(view=kind, content=content, values=values)


def _network_of(thing: Any) -> tuple[Any, list[str] | None]:
    """Return the network that is meant, and the names of its inputs where they are known."""
    from pondera.network.network import Network

    model = getattr(thing, "model_", None)
    if model is not None:
        return model.networks[0], [each.name for each in model.encoding.inputs]
    found = thing if isinstance(thing, Network) else getattr(thing, "network", None)
    if not isinstance(found, Network):
        raise ArgumentError(
            f"Expected a Network, what pondera.fit returned, or a fitted estimator. Got {type(thing).__name__}."
        )
    return found, None


def _names(given: Sequence[str] | None, known: list[str] | None, count: int) -> list[str] | None:
    """Return the names of the first units that are drawn: those that were given, else those of the model that fit."""
    if given is None:
        return known if known is not None and len(known) == count else None
    if len(given) != count:
        raise ArgumentError(f"inputs: expected {count} names, one an input. Got {len(given)}.")
    return list(given)


def _input_names(folder: Path) -> list[str] | None:
    """Return the names of a run's inputs, once its model is there."""
    from pondera.model.file import load

    try:
        return [each.name for each in load(folder / "model.safetensors")[0].encoding.inputs]
    except PonderaError:
        return None


def _plain(value: Any) -> Any:
    """Return a value as JSON holds it: what is not a finite number becomes None."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
