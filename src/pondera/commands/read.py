"""``pondera read``: what is in a file of weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def read(
    weights: Annotated[Path, typer.Argument(help="A file of weights of any framework, or a folder of them.")],
    tensor: Annotated[str | None, typer.Option(help="Only tensors whose names match, such as '*.weight'.")] = None,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Read a file of weights without the framework that wrote it: every tensor and its figures."""
    from pondera.reading.survey import survey
    from pondera.report.progress import bytes_progress
    from pondera.report.reading import show_survey
    from pondera.report.terminal import print_json, results
    from pondera.weights.open import open as open_weights

    found = open_weights(weights)
    if tensor is not None:
        found = found.select(tensor)
    with bytes_progress(found.nbytes) as progress:
        surveyed = survey(found, progress)
    if json:
        print_json(surveyed.to_json())
    else:
        show_survey(results(), surveyed, str(weights))
