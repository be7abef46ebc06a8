"""``pondera tensorboard``: runs out of TensorBoard's event files, and event files out of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def tensorboard(
    source: Annotated[Path, typer.Argument(help="A run, or event files of TensorBoard: one, or a folder of them.")],
    target: Annotated[Path, typer.Argument(help="Folder of what it becomes: event files, or a run.")],
    loss: Annotated[
        str | None, typer.Option(help="The scalar that is the loss.", metavar="TAG", show_default="as often called")
    ] = None,
    part: Annotated[int, typer.Option(help="Which network of the run.", min=0, metavar="N")] = 0,
    replace: Annotated[
        bool, typer.Option("--replace", metavar="", help="Replace the run that is in the folder.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Make a run of what was written for TensorBoard, or write a run for TensorBoard."""
    from pondera.choice import counted, printable
    from pondera.recording.run import Run
    from pondera.recording.schema import DATABASE
    from pondera.recording.tensorboard import from_tensorboard, to_tensorboard
    from pondera.report.terminal import print_json, results

    if (source / DATABASE).is_file():
        path = to_tensorboard(source, target, part)
        with Run(source) as run:
            told: dict[str, Any] = {"written": str(path), "steps": run.taken, "tensors": len(run.tensors(part))}
        told["tags"] = None
        sentence = f"{path} is written. See it with: tensorboard --logdir {target}"
    else:
        from_tensorboard(source, target, loss=loss, replace=replace)
        with Run(target) as run:
            tags = run.about["tags"]
            told = {"written": str(target), "steps": run.taken, "tensors": len(run.tensors()), "tags": tags}
        names = {"rate": "learning rate", "norm": "gradient norm", "validation_loss": "loss on held-out rows"}
        found = ", ".join(
            f"{names.get(name, name)} from '{printable(tag)}'" for name, tag in tags.items() if isinstance(tag, str)
        )
        sizes = f"{counted(told['steps'], 'step')} and {counted(told['tensors'], 'tensor')}"
        sentence = f"{target} is a run of {sizes}: {found or 'no loss was found; name it with --loss'}."
    if json:
        print_json(told)
    else:
        results().print(sentence, soft_wrap=True, markup=False, highlight=False)
