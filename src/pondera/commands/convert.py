"""``pondera convert``: a file of weights as another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def convert(
    weights: Annotated[Path, typer.Argument(metavar="IN", help="A file of weights of any framework, or a folder.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A .safetensors, .npz, .npy, .pt, .pth or .bin file.")],
    to: Annotated[
        str | None, typer.Option(help="The format, whatever OUT ends in: safetensors, npz, npy, pytorch.")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="Round floats to bfloat16, float16, float32 or float64. Default: keep every bit.")
    ] = None,
    tensor: Annotated[str | None, typer.Option(help="Only tensors whose names match, such as '*.weight'.")] = None,
    optimizer: Annotated[
        bool, typer.Option("--optimizer", metavar="", help="Write the optimizer's state too, if IN has it.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", metavar="", help="Replace OUT if it is there already.")] = False,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Write the weights in a file as another format, bit for bit, without the frameworks of either."""
    from rich.text import Text

    from pondera.choice import counted
    from pondera.files import check_place
    from pondera.report.progress import bytes_progress
    from pondera.report.terminal import QUIET, amount, print_json, results
    from pondera.weights.open import open as open_weights
    from pondera.weights.writing.convert import plan

    found = open_weights(weights)
    if tensor is not None:
        found = found.select(tensor)
    planned = plan(found, out, dtype, to=to, optimizer=optimizer)
    check_place(out, "OUT", b"" if force else None, "replace it with --force")
    with bytes_progress(planned.nbytes) as progress:
        done = planned.write(progress)
    if json:
        print_json({"in": str(weights), **done.to_json()})
        return
    console = results()
    console.print(Text.assemble((str(out), "bold"), f"  {done.format}"))
    size = f"{counted(done.tensors, 'tensor')}, {amount(done.bytes)}, in {done.seconds:.2f} s"
    console.print(Text(size, style=QUIET))
    for note in done.notes:
        console.print(Text(note), soft_wrap=True)
