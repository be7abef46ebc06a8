"""``pondera runs``: what was trained, and how the runs differ."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def runs(
    places: Annotated[
        list[Path] | None, typer.Argument(help="Runs, or folders that hold some.", show_default="this folder")
    ] = None,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """List runs and compare them: their state, their curves, their scores and the settings in which they differ."""
    from pondera.recording.overview import overviews
    from pondera.report.runs import runs_json, show_runs
    from pondera.report.terminal import print_json, results

    found = overviews(places or [Path()])
    if json:
        print_json(runs_json(found))
    else:
        show_runs(results(), found)
