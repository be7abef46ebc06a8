"""Widgets for notebooks: the workbench's own views of a network, of a run that is replayed, and of an explanation.

They need the extra ``notebook``: ``pip install 'pondera[notebook]'``. A widget is the last line of a cell; what is
chosen in it is a trait that Python reads, sets and observes. Nothing is fetched from anywhere, and nothing evaluated.

Examples
--------
>>> import pondera
>>> network = pondera.Network.create(2, [pondera.Dense(3, "tanh"), pondera.Dense(1)])
>>> widget = pondera.widgets.network(network, inputs=["age", "income"])
>>> widget.chosen = "layers.0.weight[1,2]"  # as a click on that connection
>>> widget.chosen
'layers.0.weight[1,2]'
"""

from __future__ import annotations

from pondera.widgets.views import importance, network, replay

__all__ = ["importance", "network", "replay"]
