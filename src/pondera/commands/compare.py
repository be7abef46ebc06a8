"""``pondera compare``: what differs between two files of weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    first: Annotated[Path, typer.Argument(help="A file of weights of any framework, or a folder of them.")],
    second: Annotated[Path, typer.Argument(help="What may have become of it, in any format.")],
    frozen: Annotated[
        list[str] | None,
        typer.Option(help="Tensors that should not have moved, such as 'encoder.*'; may be given again."),
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", metavar="", help="Leave with 1 where they differ, as diff does.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Compare two networks across formats: the same, only rounded, renamed, fine-tuned where, unrelated."""
    from pondera.reading.comparison import compare as compared
    from pondera.report.comparison import show_comparison
    from pondera.report.progress import bytes_progress
    from pondera.report.terminal import print_json, results
    from pondera.weights.open import open as open_weights

    one, other = open_weights(first), open_weights(second)
    with bytes_progress(one.nbytes + other.nbytes) as progress:
        found = compared(one, other, progress, frozen)
    if json:
        print_json({"first": str(first), "second": str(second), **found.to_json()})
    else:
        show_comparison(results(), found, str(first), str(second))
    if exit_code and not found.same:
        raise typer.Exit(1)
