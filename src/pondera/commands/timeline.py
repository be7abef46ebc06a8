"""``pondera timeline``: a series of checkpoints of one training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def timeline(
    folder: Annotated[Path, typer.Argument(help="A folder of checkpoints, such as step-100.pt, step-2000.pt, …")],
    html: Annotated[Path | None, typer.Option(help="Write a page with charts.", metavar="FILE")] = None,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Follow the weights through a series of checkpoints: what moved, how far, what never did."""
    from pondera.reading.timeline import find_checkpoints
    from pondera.reading.timeline import timeline as followed
    from pondera.report.progress import bytes_progress
    from pondera.report.terminal import messages, print_json, results
    from pondera.report.timeline import show_timeline

    series = find_checkpoints(folder)
    if html is not None:
        from pondera.report.page import check_page

        check_page(html, folder, *(file for weights in series.weights for file in weights.files))
    with bytes_progress(series.nbytes) as progress:
        found = followed(series, progress)
    if html is not None:
        from pondera.report.page import write_page
        from pondera.report.timeline_page import timeline_page

        write_page(html, timeline_page(found, folder.resolve().name, series.nbytes))
        messages().print(f"The page is {html}.", soft_wrap=True)
    if json:
        print_json({"folder": str(folder), **found.to_json()})
    else:
        show_timeline(results(), found, str(folder))
