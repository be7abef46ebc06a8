"""What a file of weights says of itself: names, shapes and layers, before any value of it is read.

The first view of a checkpoint is made of this. What its values say takes a pass over all of them, in a process of its
own, and is put in when it is there.
"""

from __future__ import annotations

from typing import Any

from pondera.weights.collection import Weights
from pondera.weights.layers import is_constant
from pondera.weights.naming.assembly import layers_of


def contents(weights: Weights) -> dict[str, Any]:
    """Return format, bytes, tensors and layers, named as ``pondera read --json`` names them.

    Parameters
    ----------
    weights
        As :func:`pondera.open` gives them: nothing but names, shapes and metadata is looked at.

    Examples
    --------
    >>> contents(Weights.of([], "nothing"))
    {'format': 'nothing', 'bytes': 0, 'tensors': [], 'layers': []}
    """
    layers = [layer for layer in layers_of(weights) if not is_constant(layer, weights)]
    return {
        "format": weights.format,
        "bytes": weights.nbytes,
        "tensors": [
            {"name": each.name, "shape": list(each.shape), "dtype": each.dtype, "count": each.count}
            for each in weights.values()
        ],
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "inputs": layer.inputs,
                "outputs": layer.outputs,
                "count": sum(weights[name].count for name in layer.tensors.values()),
            }
            for layer in layers
        ],
    }
