"""``pondera check``: what is wrong with a training, also while it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def check(
    run: Annotated[Path, typer.Argument(help="The folder of a run.")],
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Say what is wrong with a recorded training, also while it goes on: what, where, since when, what to do."""
    from pondera.recording.health.check import check as checked
    from pondera.report.health import show_health
    from pondera.report.terminal import print_json, results

    health = checked(run)
    if json:
        print_json(health.to_json())
    else:
        show_health(results(), health)
