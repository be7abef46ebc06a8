"""``pondera read``: what is in a file of weights."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

BLAS = "scipy.linalg.cython_blas"


def read(
    weights: Annotated[Path, typer.Argument(help="A file of weights of any framework, or a folder of them.")],
    tensor: Annotated[str | None, typer.Option(help="Only tensors whose names match, such as '*.weight'.")] = None,
    spectrum: Annotated[
        bool, typer.Option("--spectrum", metavar="", help="Look at the layers' singular values too.")
    ] = False,
    norms: Annotated[
        bool, typer.Option("--norms", metavar="", help="Look at the norms of rows and columns too.")
    ] = False,
    doubtful: Annotated[
        bool, typer.Option("--doubtful", metavar="", help="List what rules find that healthy files trip often, too.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page with charts.", metavar="FILE")] = None,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Read a file of weights of any framework: its tensors, its layers, and what is wrong with them."""
    from pondera.reading.read import read as read_weights
    from pondera.report.progress import stages_progress
    from pondera.report.reading import show_reading
    from pondera.report.terminal import messages, print_json, results
    from pondera.weights.open import open as open_weights

    if not spectrum:
        start_numba()
    found = open_weights(weights)
    if html is not None:
        from pondera.report.page import check_page

        check_page(
            html, weights, weights.parent if weights.is_file() and len(found.files) > 1 else weights, *found.files
        )
    with stages_progress() as progress:
        reading = read_weights(
            found, tensor=tensor, spectrum=spectrum, norms=norms, doubtful=doubtful, progress=progress
        )
    if html is not None:
        from pondera.report.page import write_page
        from pondera.report.reading_page import reading_page

        write_page(html, reading_page(reading, weights.name))
        messages().print(f"The page is {html}.", soft_wrap=True)
    if json:
        print_json(reading.to_json())
    else:
        show_reading(results(), reading, str(weights))


def start_numba() -> None:
    """Let Numba begin without SciPy's BLAS, which it would look for: a sixth of a second for what only spectra use.

    Other code of this process could not use it in Numba's functions either, but this process runs one command. SciPy
    itself is not touched.
    """
    modules: dict[str, Any] = sys.modules
    if BLAS in modules or "numba.np.arraymath" in modules:
        return
    modules[BLAS] = None
    try:
        with contextlib.suppress(ImportError, AttributeError):  # names that are not promised to stay
            from numba.core.registry import cpu_target

            cpu_target.typing_context.refresh()
            cpu_target.target_context.refresh()
    finally:
        del modules[BLAS]
