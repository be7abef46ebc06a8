"""``pondera check``: what is wrong with a training, also while it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def check(
    run: Annotated[Path, typer.Argument(help="The folder of a run.")],
    fix: Annotated[
        bool, typer.Option("--fix", metavar="", help="Train again with what is advised, and show both.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="With --fix: the folder of the new run.", show_default="RUN-fixed")
    ] = None,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Say what is wrong with a recorded training, also while it goes on: what, where, since when, what to do."""
    from pondera.commands.fixing import fix as fix_run
    from pondera.errors import ArgumentError
    from pondera.recording.health.check import check as checked
    from pondera.report.fixing import show_fixed
    from pondera.report.health import show_health
    from pondera.report.terminal import print_json, results

    if out is not None and not fix:
        raise ArgumentError("--out names the folder of the run that --fix trains. Give --fix too.")
    if fix:
        fixed = fix_run(run, out)
        if json:
            print_json(fixed.to_json())
        else:
            show_fixed(results(), fixed)
        return
    health = checked(run)
    if json:
        print_json(health.to_json())
    else:
        show_health(results(), health)
